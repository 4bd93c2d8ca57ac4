"""What the layer serves over HTTP; include it at the site's root."""

from django.urls import path

from realtime import api, scraping, views
from realtime.auth import jwts, login_api
from realtime.presence import api as presence

urlpatterns = [
    path("", views.index, name="realtime-index"),
    path("health", views.health, name="realtime-health"),
    path("metrics", scraping.metrics, name="realtime-metrics"),
    path("livez", views.livez, name="realtime-livez"),
    path("api/token/", login_api.TokenView.as_view(), name="realtime-token"),
    path("api/asyncapi.yaml", views.asyncapi, name="realtime-asyncapi"),
    path("api/events/", api.EventsView.as_view(), name="realtime-events"),
    path("api/connections/", presence.ConnectionsView.as_view(), name="realtime-connections"),
    path(
        "api/connections/<str:connection_id>/disconnect/",
        presence.DisconnectView.as_view(),
        name="realtime-disconnect",
    ),
]
if jwts.are_available():
    urlpatterns += [
        path("api/jwt/", login_api.JwtView.as_view(), name="realtime-jwt"),
        path("api/jwt/refresh/", login_api.JwtRefreshView.as_view(), name="realtime-jwt-refresh"),
    ]
