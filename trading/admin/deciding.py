"""The pages of soft pause, hard stop and resume: one reason, each account by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse

from realtime.admin.pages import Mistake, go_back, mistakes, show_page
from realtime.admin.tools import Tool
from trading import overviews, selectors, services
from trading.admin.outcomes import apply
from trading.admin.scope import ScopedAdmin
from trading.models import RiskState, RiskStatus
from trading.services.risk import LONGEST_REASON

CHANGE_RISK = "trading.change_riskstatus"
KEYS = "account"
MOST_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision that a person may make: what it is called, does, and means."""

    title: str
    done: str
    meaning: str
    service: Callable[..., RiskStatus]
    # The states in which it changes something.
    sensible_in: frozenset[str]


DECISIONS: Mapping[str, Decided] = {
    "soft-pause": Decided(
        title="Soft pause",
        done="paused",
        meaning="No new positions until the next trading day; those that are open stay.",
        service=services.soft_pause,
        sensible_in=frozenset({RiskState.NORMAL, RiskState.SOFT_PAUSE}),
    ),
    "hard-stop": Decided(
        title="Hard stop",
        done="stopped",
        meaning=(
            "Nothing new, and every open position is marked for closing, "
            "until a person resumes trading."
        ),
        service=services.hard_stop,
        sensible_in=frozenset({RiskState.NORMAL, RiskState.SOFT_PAUSE}),
    ),
    "resume": Decided(
        title="Resume trading",
        done="trading again",
        meaning=(
            "New positions may be opened. The losses so far are accepted: they are measured "
            "from the present equity on."
        ),
        service=services.resume_trading,
        sensible_in=frozenset({RiskState.SOFT_PAUSE, RiskState.HARD_STOP}),
    ),
}


class ReasonForm(forms.Form):
    """Why; for all accounts of the page."""

    reason = forms.CharField(
        label="Reason",
        max_length=LONGEST_REASON,
        help_text="It is kept with the change of each account and in the admin's log.",
        error_messages={"required": "Say why: a change of the risk status needs a reason."},
        widget=forms.TextInput(attrs={"class": "vTextField", "size": 60}),
    )


class DecidingAdmin(ScopedAdmin):
    """A list whose keys are accounts, on which decisions about risk are made."""

    actions = ("soft_pause", "hard_stop", "resume")

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Whether the user may change risk statuses; what Django asks for the actions."""
        return bool(request.user.has_perm(CHANGE_RISK))

    def get_urls(self) -> list[URLPattern]:
        """Beside Django's own: one page for each decision."""
        pages = [
            path(
                f"{name}/",
                self.admin_site.admin_view(partial(self.decision_view, name=name)),
                name=self._url_name(name),
            )
            for name in DECISIONS
        ]
        return [*pages, *super().get_urls()]

    def object_tools(self, request: HttpRequest, obj: Any) -> list[Tool]:
        """The decisions that would change something."""
        if not self.has_decide_permission(request):
            return []
        status = selectors.risk_status(account=obj.pk).status
        return [
            Tool(decision.title, f"{self._url(name)}?{KEYS}={obj.pk}")
            for name, decision in DECISIONS.items()
            if status in decision.sensible_in
        ]

    @admin.action(description="Soft pause: no new positions today", permissions=["decide"])
    def soft_pause(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """Ask for a reason."""
        return self._ask(request, "soft-pause", _keys(queryset))

    @admin.action(description="Hard stop: nothing new, positions marked", permissions=["decide"])
    def hard_stop(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """Ask for a reason."""
        return self._ask(request, "hard-stop", _keys(queryset))

    @admin.action(description="Resume trading", permissions=["decide"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """Ask for a reason."""
        return self._ask(request, "resume", _keys(queryset))

    def decision_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Ask for the accounts that are named, or decide."""
        if not self.has_decide_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            return self._decide(request, name, request.POST.getlist(KEYS))
        return self._ask(request, name, request.GET.getlist(KEYS))

    def _ask(self, request: HttpRequest, name: str, keys: Sequence[str]) -> HttpResponse:
        if not keys:
            return go_back(self, request, "Choose accounts.", level=messages.WARNING)
        if len(keys) > MOST_AT_ONCE:
            sentence = f"Decide on at most {MOST_AT_ONCE} accounts at a time."
            return go_back(self, request, sentence, level=messages.ERROR)
        return self._show(request, name, keys, ReasonForm())

    def _decide(self, request: HttpRequest, name: str, keys: Sequence[str]) -> HttpResponse:
        form = ReasonForm(request.POST)
        if not keys or not form.is_valid():
            return self._show(request, name, keys, form)
        refused: list[Mistake] = []
        left: list[str] = []
        for key in dict.fromkeys(keys[:MOST_AT_ONCE]):
            if error := self._decide_one(request, name, key, form.cleaned_data["reason"]):
                refused.append(Mistake(f"{key}: {error}"))
                left.append(key)
            else:
                messages.success(request, f"{key} is {DECISIONS[name].done}.")
        if refused:
            return self._show(request, name, left, form, refused)
        return go_back(self, request)

    def _decide_one(self, request: HttpRequest, name: str, key: str, reason: str) -> str | None:
        """Make the decision for one account; returns why it was refused."""
        accounts = self.accounts(request)
        if accounts is not None and key not in accounts:
            return f"There is no account {key!r}."
        decision = DECISIONS[name]
        error = apply(
            partial(decision.service, account=key, reason=reason, actor=request.user),
            model_admin=self,
            request=request,
            log_message=f"{decision.title}: {reason}",
        )
        return error.message if error else None

    def _show(
        self,
        request: HttpRequest,
        name: str,
        keys: Sequence[str],
        form: ReasonForm,
        refused: Sequence[Mistake] = (),
    ) -> HttpResponse:
        known = overviews.risk_statuses(keys, accounts=self.accounts(request))
        return show_page(
            self,
            request,
            "trading/admin/decide.html",
            title=DECISIONS[name].title,
            errors=[*mistakes(form), *refused],
            form=form,
            keys_name=KEYS,
            statuses=known,
            decision=DECISIONS[name],
            url=self._url(name),
        )

    def _url_name(self, name: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{name.replace('-', '_')}"

    def _url(self, name: str) -> str:
        return reverse(f"{self.admin_site.name}:{self._url_name(name)}")


def _keys(rows: QuerySet[Any]) -> list[str]:
    return [str(key) for key in rows.values_list("pk", flat=True)]
