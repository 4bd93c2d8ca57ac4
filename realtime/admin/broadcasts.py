"""The test broadcast: one test event of each feed, or a line of the system log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from django import forms
from django.contrib import messages
from django.contrib.admin.models import ADDITION, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from realtime.admin.pages import Mistake, go_back, mistakes, show_page
from realtime.broadcasting import MODULE, TEST_MESSAGE, publish_tests
from realtime.conf import conf
from realtime.models import Event
from realtime.system_log import LEVELS, publish_log

if TYPE_CHECKING:
    from realtime.admin.events import LogAdmin

LONGEST_MESSAGE = 1000
LINE, EACH = "line", "each"


class BroadcastForm(forms.Form):
    """What to send."""

    what = forms.ChoiceField(
        label="Send",
        choices=(
            (LINE, "a line of the system log"),
            (EACH, "one test event of each feed"),
        ),
        initial=LINE,
        widget=forms.RadioSelect,
    )
    level = forms.ChoiceField(
        label="Level", choices=[(level, level) for level in LEVELS], initial="INFO"
    )
    message = forms.CharField(
        label="Message",
        max_length=LONGEST_MESSAGE,
        required=False,
        help_text="Left empty, it says that this is a test.",
        initial=TEST_MESSAGE,
        widget=forms.TextInput(attrs={"class": "vTextField", "size": 60}),
    )


class BroadcastView:
    """`broadcast/` of the events' admin."""

    def __init__(self, model_admin: LogAdmin) -> None:
        self._admin = model_admin

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Ask, then publish; who sent what is in the admin's log."""
        if not self._admin.may_publish(request):
            raise PermissionDenied
        form = BroadcastForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            with transaction.atomic(using=conf().database):
                sent = list(_publish(form.cleaned_data))
                self._log(request, sent)
            names = ", ".join(f"{name}: event {event}" for name, event in sent)
            return go_back(self._admin, request, f"Sent. {names}.", level=messages.SUCCESS)
        errors: list[Mistake] = list(mistakes(form))
        return show_page(
            self._admin,
            request,
            "realtime/admin/broadcast.html",
            title="Test broadcast",
            errors=errors,
            form=form,
        )

    def _log(self, request: HttpRequest, sent: list[tuple[str, int]]) -> None:
        events = Event.objects.filter(pk__in=[event for _, event in sent])
        LogEntry.objects.log_actions(
            request.user.pk,  # type: ignore[arg-type] # Only a signed-in user comes here.
            events,
            ADDITION,
            change_message="Test broadcast.",
        )


def _publish(chosen: dict[str, str]) -> Iterator[tuple[str, int]]:
    if chosen["what"] == EACH:
        yield from publish_tests()
    else:
        message = chosen["message"] or TEST_MESSAGE
        event = publish_log(level=chosen["level"], message=message, module=MODULE)
        yield "system_log", event
