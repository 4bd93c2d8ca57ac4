"""Pages that ask before something is done: their frame, and the list that they lead back to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.contrib import messages
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from realtime.admin.lists import AnyAdmin

# The list's query string, so that a person comes back to the rows that were looked at.
FILTERS = "_changelist_filters"


@dataclass(frozen=True, slots=True)
class Mistake:
    """A sentence of a page's error summary, and the field that it leads to."""

    text: str
    anchor: str | None = None


def mistakes(form: BaseForm, *, about: str = "") -> Iterator[Mistake]:
    """Every error of a form, each with its field; `about` says which of several forms it is."""
    for name, texts in form.errors.items():
        field = form[name] if name in form.fields else None
        words = [part for part in (about, str(field.label) if field else "") if part]
        for text in texts:
            yield Mistake(
                ": ".join([*words, str(text)]), field.id_for_label if field is not None else None
            )


def list_url(model_admin: AnyAdmin, request: HttpRequest) -> str:
    """The list of this admin, filtered as it was."""
    opts = model_admin.opts
    url = reverse(f"{model_admin.admin_site.name}:{opts.app_label}_{opts.model_name}_changelist")
    filters = kept_filters(request)
    return f"{url}?{filters}" if filters else url


def kept_filters(request: HttpRequest) -> str:
    """The list's query string, as an action or the page itself brought it."""
    text = request.POST.get(FILTERS)
    if text is None:
        is_action = "action" in request.POST
        text = request.GET.urlencode() if is_action else request.GET.get(FILTERS, "")
    return urlencode(parse_qsl(text, keep_blank_values=True))


def show_page(
    model_admin: AnyAdmin,
    request: HttpRequest,
    template: str,
    *,
    title: str,
    errors: Sequence[Mistake] = (),
    **context: Any,
) -> TemplateResponse:
    """A page of the admin with this title, its mistakes at the top."""
    # Which of several admin sites the links of the page lead to.
    request.current_app = model_admin.admin_site.name
    frame = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": title,
        "errors": errors,
        "back": list_url(model_admin, request),
        "filters_name": FILTERS,
        "filters": kept_filters(request),
    }
    return TemplateResponse(request, template, {**frame, **context})


def go_back(
    model_admin: AnyAdmin,
    request: HttpRequest,
    message: str = "",
    *,
    level: int = messages.SUCCESS,
) -> HttpResponse:
    """To the list, with a message."""
    if message:
        messages.add_message(request, level, message)
    return HttpResponseRedirect(list_url(model_admin, request))
