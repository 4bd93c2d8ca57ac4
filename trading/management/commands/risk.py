"""`risk`: shows what accounts may do; pauses, stops and resumes trading, with the reason."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from realtime import relay
from realtime.decimals import MONEY_PLACES, to_fixed
from trading import selectors, services
from trading.errors import TradingError
from trading.models import DEFAULT_ACCOUNT, RiskStatus
from trading.risk import percent

DRAIN_SECONDS = 10.0
SHOW = "show"
ACTIONS: dict[str, Callable[..., RiskStatus]] = {
    "pause": services.soft_pause,
    "stop": services.hard_stop,
    "resume": services.resume_trading,
}


class Command(BaseCommand):
    """Translates its arguments into one decision, and says what holds afterwards."""

    help = (
        "Show what accounts may do, or decide: pause (no new positions until the next trading "
        "day), stop (nothing new, open positions are to be closed, until resumed), resume."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do, with which account, and why."""
        parser.add_argument("action", nargs="?", default=SHOW, choices=[SHOW, *ACTIONS])
        parser.add_argument(
            "--account", help=f"whose (default: {DEFAULT_ACCOUNT}; `show` shows all)"
        )
        parser.add_argument("--reason", default="", help="why; kept with the change, needed")

    def handle(self, *args: Any, **options: Any) -> None:
        """Show, or decide and hand the events on before returning."""
        action, account = options["action"], options["account"]
        if action == SHOW and options["reason"]:
            raise CommandError("--reason belongs to pause, stop and resume.")
        try:
            if action == SHOW:
                self._show(account)
                return
            self._decide(action, account=account or DEFAULT_ACCOUNT, reason=options["reason"])
        except TradingError as error:
            raise CommandError(error.message) from None
        if not relay.drain(deadline_seconds=DRAIN_SECONDS):
            self.stderr.write("Committed; the servers will find it at their next look at the log.")

    def _decide(self, action: str, *, account: str, reason: str) -> None:
        decide = ACTIONS[action]
        before = selectors.list_risk_changes(account=account).count()
        status = decide(account=account, reason=reason, made_by=name_of_caller())
        if selectors.list_risk_changes(account=account).count() == before:
            self.stdout.write("Nothing has changed: it was so already.")
        self.stdout.write(describe(status))
        closing = selectors.count_closing_positions(account=account)
        if closing:
            self.stdout.write(f"  positions to be closed: {closing}")

    def _show(self, account: str | None) -> None:
        accounts = [account] if account else selectors.list_account_names()
        for name in accounts:
            self.stdout.write(describe(selectors.risk_status(account=name)))


def describe(status: RiskStatus) -> str:
    """An account's status with its figures and limits, in a few lines."""
    lines = [
        f"{status.account_id}: {status.status}. {status.message}",
        f"  drawdown {_share(status.drawdown_pct)}, limit {_share(status.drawdown_limit)}; "
        f"daily loss {_share(status.daily_loss_pct)}, limit {_share(status.daily_loss_limit)}",
    ]
    if status.total_equity is None:
        lines.append("  no equity reading yet")
    else:
        lines.append(
            f"  equity {_money(status.total_equity)}, peak {_money(status.peak_equity)}, "
            f"at the day's start {_money(status.day_start_equity)}"
        )
    if status.warning:
        lines.append(f"  warning: {status.warning}")
    return "\n".join(lines)


def _share(fraction: Decimal | int) -> str:
    # An account that was never judged has no row, and its defaults are whole numbers.
    return percent(Decimal(fraction))


def _money(value: Decimal | None) -> str:
    return "unknown" if value is None else to_fixed(value, minimum_places=MONEY_PLACES)


def name_of_caller() -> str:
    """The login name of whoever runs the command, as far as the system knows."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):
        return "command line"
