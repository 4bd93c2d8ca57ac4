"""Registers the trading app; `realtime` finds its feeds by autodiscovery."""

from django.apps import AppConfig


class TradingConfig(AppConfig):
    """The app of accounts, positions, equity and risk."""

    name = "trading"
    verbose_name = "Trading"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the rules that keep history as it was written, and the reading of settings."""
        from trading import conf
        from trading.models import history

        conf.connect()
        history.connect()
