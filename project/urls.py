"""The site's URLs: admin, REST of trading, and what the real-time layer serves itself."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularSwaggerSplitView

from project.not_found import nothing_there
from project.openapi.document import openapi
from realtime.auth.login_forms import PatientAdminAuthenticationForm

admin.site.login_form = PatientAdminAuthenticationForm

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/schema/", openapi, name="schema"),
    path(
        "api/docs/",
        SpectacularSwaggerSplitView.as_view(
            url_name="schema", template_name="trading/rest_page.html"
        ),
        name="api-docs",
    ),
    path("api/", include("trading.urls")),
    path("", include("realtime.urls")),
    # The last: whatever else is below `/api/`. With its slash, so that one may still be added.
    path("api/<path:path>/", nothing_there),
]
