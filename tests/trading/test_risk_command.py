"""Tests of the `risk` command: what it shows, decides, refuses, and who is said to have done it."""

from __future__ import annotations

import getpass
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from realtime import relay
from tests.trading.conftest import MONDAY, ReadEvents, open_example
from trading import services
from trading.models import Account, Position, RiskChange, RiskStatus

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def drained(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The deadlines that the command gave the relay, which is done at once."""
    given: list[float] = []

    def drain(*, deadline_seconds: float) -> bool:
        given.append(deadline_seconds)
        return True

    monkeypatch.setattr(relay, "drain", drain)
    return given


def risk(*arguments: str) -> str:
    """Run the command; returns what it printed."""
    printed = StringIO()
    call_command("risk", *arguments, stdout=printed, stderr=printed)
    return printed.getvalue()


def test_it_shows_every_account_with_figures_and_limits(default_account: Account) -> None:
    Account.objects.create(slug="south")
    services.record_equity(total_equity="100000", at=MONDAY)
    services.record_equity(total_equity="96000.50", at=MONDAY)
    RiskStatus.objects.update(warning="No equity reading since noon.")
    shown = risk()
    assert shown.splitlines() == [
        "default: soft_pause. Daily loss 4 % is over its limit of 3 %: "
        "no new positions until the next day.",
        "  drawdown 4 %, limit 6 %; daily loss 4 %, limit 3 %",
        "  equity 96000.50, peak 100000.00, at the day's start 100000.00",
        "  warning: No equity reading since noon.",
        "south: normal. Trading normally.",
        "  drawdown 0 %, limit 6 %; daily loss 0 %, limit 3 %",
        "  no equity reading yet",
    ]
    assert risk("show") == shown
    assert risk("show", "--account", "south").startswith("south: normal.")


def test_showing_writes_nothing(default_account: Account, new_events: ReadEvents) -> None:
    risk()
    assert new_events() == []
    assert not RiskStatus.objects.exists()


def test_stopping_marks_positions_and_says_so(
    default_account: Account, drained: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "ada")
    open_example()
    printed = risk("stop", "--reason", "The feed of prices is wrong")
    assert "default: hard_stop. The feed of prices is wrong\n" in printed
    assert "positions to be closed: 1" in printed
    assert Position.objects.get().status == "closing"
    change = RiskChange.objects.get()
    assert (change.made_by, change.reason) == ("ada (command line)", "The feed of prices is wrong")
    assert drained == [10.0]


def test_pausing_and_resuming_are_for_one_account(default_account: Account) -> None:
    Account.objects.create(slug="south")
    assert risk("pause", "--account", "south", "--reason", "Wait").startswith("south: soft_pause.")
    assert RiskStatus.objects.get().pk == "south"
    assert risk("resume", "--account", "south", "--reason", "Go").startswith("south: normal.")
    assert [change.new_status for change in RiskChange.objects.all()] == ["normal", "soft_pause"]


def test_what_is_so_already_is_said(default_account: Account) -> None:
    risk("stop", "--reason", "Fire")
    printed = risk("stop", "--reason", "Fire!")
    assert printed.startswith("Nothing has changed: it was so already.\ndefault: hard_stop. Fire\n")
    assert RiskChange.objects.count() == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("stop",), "needs a reason"),
        (("pause", "--reason", " "), "needs a reason"),
        (("resume", "--reason", "Go"), "nothing to resume"),
        (("stop", "--reason", "Fire", "--account", "nobody"), "no account 'nobody'"),
        (("show", "--account", "nobody"), "no account 'nobody'"),
        (("show", "--reason", "Why"), "--reason belongs to"),
        (("halt",), "invalid choice: 'halt'"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_with_a_sentence(
    default_account: Account, arguments: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(CommandError, match=sentence):
        risk(*arguments)
    assert not RiskChange.objects.exists()


def test_a_caller_without_a_name_is_the_command_line(
    default_account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown() -> str:
        raise OSError("no such user")

    monkeypatch.setattr(getpass, "getuser", unknown)
    risk("pause", "--reason", "Wait")
    assert RiskChange.objects.get().made_by == "command line"


def test_a_relay_that_is_not_done_is_no_failure(
    default_account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "drain", lambda **_: False)
    assert "will find it at their next look" in risk("pause", "--reason", "Wait")
