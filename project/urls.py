"""The site's URLs: admin, REST of trading, and what the real-time layer serves itself."""

from django.contrib import admin
from django.urls import include, path

from realtime.login_forms import PatientAdminAuthenticationForm

admin.site.login_form = PatientAdminAuthenticationForm

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", include("trading.urls")),
    path("", include("realtime.urls")),
]
