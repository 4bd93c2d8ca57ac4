"""The page that closes positions: exit prices for each, one reason, each outcome by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from realtime.admin.pages import Mistake, go_back, mistakes, show_page
from realtime.decimals import to_fixed
from trading import overviews, services
from trading.admin.outcomes import apply
from trading.errors import PositionAlreadyClosed, TradingError
from trading.models import Position, PositionStatus

if TYPE_CHECKING:
    from trading.admin.positions import PositionAdmin

KEYS = "position"
MOST_AT_ONCE = 100
LONGEST_REASON = Position._meta.get_field("close_reason").max_length
NO_PRICE = "Type the price: it is not filled in where none is known."


class ReasonForm(forms.Form):
    """Why; for all positions of the page."""

    reason = forms.CharField(
        label="Reason",
        max_length=LONGEST_REASON,
        help_text="It is kept with each position and in the admin's log.",
        error_messages={"required": "Say why: closing needs a reason."},
        widget=forms.TextInput(attrs={"class": "vTextField", "size": 60}),
    )


class ExitForm(forms.Form):
    """What one position is closed at; the service reads the numbers, exactly."""

    spot_exit_price = forms.CharField(
        label="Spot exit price",
        error_messages={"required": NO_PRICE},
    )
    perp_exit_price = forms.CharField(
        label="Perp exit price",
        error_messages={"required": NO_PRICE},
    )
    fees = forms.CharField(label="Fees of closing", required=False)

    def __init__(self, *args: Any, name: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for form_field in self.fields.values():
            attributes = {"inputmode": "decimal", "size": 14, "autocomplete": "off"}
            form_field.widget.attrs |= {**attributes, "aria-label": f"{form_field.label}, {name}"}


@dataclass
class Row:
    """One position on the page: its form, or why it cannot be closed any more."""

    key: str
    position: Position | None
    form: ExitForm | None = None
    over: str = ""
    is_done: bool = field(default=False)

    @property
    def name(self) -> str:
        """What messages call it."""
        position = self.position
        if position is None:
            return self.key
        return f"{position.symbol} of {position.account_id} ({self.key[:8]})"


class ClosePage:
    """`close/` of the positions' admin, and what its action shows first."""

    def __init__(self, model_admin: PositionAdmin) -> None:
        self._admin = model_admin

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Ask for the positions that are named, or close them."""
        if not self._admin.has_change_permission(request):
            raise PermissionDenied
        sent = request.POST if request.method == "POST" else request.GET
        keys = sent.getlist(KEYS)
        if request.method == "POST" and keys:
            return self._close(request, keys)
        return self.ask(request, keys)

    def ask(self, request: HttpRequest, keys: Sequence[str]) -> HttpResponse:
        """The page, with current prices filled in where they are known."""
        if not keys:
            return go_back(self._admin, request, "Choose positions.", level=messages.WARNING)
        if len(keys) > MOST_AT_ONCE:
            sentence = f"Close at most {MOST_AT_ONCE} positions at a time."
            return go_back(self._admin, request, sentence, level=messages.ERROR)
        return self._show(request, self._rows(request, keys), ReasonForm())

    def _close(self, request: HttpRequest, keys: Sequence[str]) -> HttpResponse:
        reason = ReasonForm(request.POST)
        rows = self._rows(request, keys[:MOST_AT_ONCE], is_sent=True)
        forms_valid = [row.form is None or row.form.is_valid() for row in rows]
        if reason.is_valid() and all(forms_valid):
            for row in rows:
                self._close_row(request, row, reason.cleaned_data["reason"])
        closed = [row for row in rows if row.is_done]
        for row in closed:
            messages.success(request, f"{row.name} is closed.")
        left = [row for row in rows if not row.is_done]
        if not left:
            return go_back(self._admin, request)
        return self._show(request, left, reason)

    def _close_row(self, request: HttpRequest, row: Row, reason: str) -> None:
        if row.form is None or row.position is None:
            return
        typed = row.form.cleaned_data
        prices = f"spot {typed['spot_exit_price']}, perp {typed['perp_exit_price']}"
        error = apply(
            partial(
                services.close_position,
                position_id=row.position.pk,
                spot_exit_price=typed["spot_exit_price"],
                perp_exit_price=typed["perp_exit_price"],
                fees=typed["fees"] or 0,
                reason=reason,
            ),
            model_admin=self._admin,
            request=request,
            log_message=f"Closed at {prices}: {reason}",
        )
        row.is_done = error is None
        if error is not None:
            _tell(row, error)

    def _rows(
        self, request: HttpRequest, keys: Sequence[str], *, is_sent: bool = False
    ) -> list[Row]:
        """A row for each key, in their order; one of another account is as if it were not there."""
        accounts = self._admin.accounts(request)
        found = {
            str(position.pk): position
            for position in overviews.find_positions(keys, accounts=accounts)
        }
        return [
            _row(key, found.get(key), request.POST if is_sent else None)
            for key in dict.fromkeys(keys)
        ]

    def _show(self, request: HttpRequest, rows: Sequence[Row], reason: ReasonForm) -> HttpResponse:
        errors = list(mistakes(reason))
        for row in rows:
            if row.form is not None:
                errors += mistakes(row.form, about=row.name)
            elif row.over:
                errors.append(Mistake(row.over))
        return show_page(
            self._admin,
            request,
            "trading/admin/close.html",
            title="Close positions",
            errors=errors,
            rows=[row for row in rows if row.form is not None],
            form=reason,
            keys_name=KEYS,
        )


def _row(key: str, position: Position | None, sent: Any) -> Row:
    row = Row(key, position)
    if position is None:
        row.over = f"There is no position {key} any more."
    elif position.status == PositionStatus.CLOSED:
        row.over = f"{row.name} was closed meanwhile, at {position.closed_at:%Y-%m-%d %H:%M:%S}."
    else:
        row.form = ExitForm(
            sent,
            name=row.name,
            prefix=key,
            initial={
                "spot_exit_price": _text(position.spot_current_price),
                "perp_exit_price": _text(position.perp_current_price),
                "fees": "0",
            },
        )
    return row


def _text(price: Any) -> str:
    return "" if price is None else to_fixed(price, minimum_places=2)


def _tell(row: Row, error: TradingError) -> None:
    """Show the service's words where a person can act on them."""
    if isinstance(error, PositionAlreadyClosed):
        row.form, row.over = None, f"{row.name} was closed meanwhile."
        return
    assert row.form is not None
    for name, text in (error.fields or {"": error.message}).items():
        row.form.add_error(name if name in row.form.fields else None, text)
