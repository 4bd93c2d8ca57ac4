"""Error pages show no secret of the settings."""

from __future__ import annotations

from django.test import override_settings
from django.views.debug import get_exception_reporter_filter

SECRETS = {
    "RISK_WEBHOOK_URL": "https://hooks.example/hunter2",
    "RISK_WEBHOOK_SECRET": "hunter2",
    "EMAIL_HOST_PASSWORD": "hunter2",
    "SECRET_KEY": "hunter2",
}


def test_settings_that_hold_secrets_are_hidden() -> None:
    with override_settings(**SECRETS):
        shown = get_exception_reporter_filter(None).get_safe_settings()  # type: ignore[arg-type]
    assert {name: shown[name] for name in SECRETS} == dict.fromkeys(SECRETS, "*" * 20)
    assert shown["RISK_DAY_START"] == "00:00"
    assert "hunter2" not in str(shown)
