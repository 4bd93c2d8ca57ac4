"""The site's URLs: the notes, and what the real-time layer serves over HTTP (`/health`, …)."""

from django.urls import include, path

urlpatterns = [
    path("", include("notes.urls")),
    path("", include("realtime.urls")),
]
