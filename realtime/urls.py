"""What the layer serves over HTTP; include it at the site's root."""

from django.urls import path

from realtime import api, views

urlpatterns = [
    path("", views.index, name="realtime-index"),
    path("health", views.health, name="realtime-health"),
    path("livez", views.livez, name="realtime-livez"),
    path("api/token/", api.TokenView.as_view(), name="realtime-token"),
    path("api/asyncapi.yaml", views.asyncapi, name="realtime-asyncapi"),
    path("api/events/", api.EventsView.as_view(), name="realtime-events"),
]
