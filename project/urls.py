"""The site's URLs: admin, REST of trading, and what the real-time layer serves itself."""

from django.contrib import admin
from django.urls import include, path

from project.openapi.document import openapi

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/schema/", openapi, name="schema"),
    path("api/", include("trading.urls")),
    path("", include("realtime.urls")),
]
