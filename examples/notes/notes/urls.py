"""The page, its forms, and signing in and out."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from . import views

urlpatterns = [
    path("", views.page, name="page"),
    path("<int:pk>/", views.change, name="change"),
    path("login/", LoginView.as_view(template_name="notes/login.html"), name="login"),
    path("logout/", LogoutView.as_view(next_page="login"), name="logout"),
]
