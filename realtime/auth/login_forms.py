"""Login forms that slow down who guesses; a site gives them to its admin or its LoginView."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError

from realtime.auth.guessing import TooManyAttempts, try_login


class PatientAuthenticationForm(AuthenticationForm):
    """Django's login form, which looks at no password of whom has failed too often."""

    def clean(self) -> dict[str, Any]:
        """Check name and password, unless the name or the address has to wait."""
        username = self.cleaned_data.get("username")
        if username is None or not self.cleaned_data.get("password") or self.request is None:
            return super().clean()
        try:
            return try_login(self.request, username=username, check=super().clean) or {}
        except TooManyAttempts as error:
            raise ValidationError(str(error), code="too_many_attempts") from None


class PatientAdminAuthenticationForm(PatientAuthenticationForm, AdminAuthenticationForm):
    """The same for the admin: `admin.site.login_form`."""
