"""Django's entry: finds every app's feeds and the system checks."""

from __future__ import annotations

from django.apps import AppConfig
from django.core import checks
from django.core.signals import setting_changed
from django.utils.module_loading import autodiscover_modules


class RealtimeConfig(AppConfig):
    """Loads `feeds.py` of every installed app, as the admin loads `admin.py`."""

    name = "realtime"
    verbose_name = "Real-time layer"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register feeds, checks and log masking; a bad setting stops the start here."""
        from realtime import masking, system_log  # noqa: F401 - registers its feed
        from realtime.auth import revocations
        from realtime.checks import check_settings
        from realtime.conf import conf, reload_conf
        from realtime.deployment_checks import check_deployment
        from realtime.layer import import_layer

        conf()
        import_layer()
        setting_changed.connect(reload_conf, dispatch_uid="realtime.conf")
        checks.register(check_settings)
        checks.register(check_deployment)
        masking.install()
        revocations.connect()
        autodiscover_modules("feeds")
