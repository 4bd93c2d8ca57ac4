"""Registers the trading app; `realtime` finds its feeds by autodiscovery."""

from django.apps import AppConfig


class TradingConfig(AppConfig):
    """The app of accounts, positions, equity and risk."""

    name = "trading"
    verbose_name = "Trading"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the rules of history and membership, and the reading of settings."""
        from trading import conf, membership
        from trading.models import EquitySnapshot, Fill, RiskChange
        from trading.models.history import keep_history

        conf.connect()
        membership.connect()
        keep_history(EquitySnapshot)
        keep_history(Fill)
        keep_history(RiskChange)
