"""Browsers in which somebody is signed in, for tests of the admin in their own process."""

from __future__ import annotations

import html
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext


def make_staff(name: str, *permissions: str) -> User:
    """A member of staff with these permissions, each `app.codename`."""
    user = User.objects.create(username=name, is_staff=True)
    for permission in permissions:
        app, _, codename = permission.partition(".")
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label=app, codename=codename)
        )
    return user


def browser_of(user: User, **options: Any) -> Client:
    """A browser in which `user` is signed in."""
    client = Client(**options)
    client.force_login(user)
    return client


def text_of(answer: Any) -> str:
    """A page's text as a person reads it, as far as its tags go."""
    return html.unescape(answer.content.decode())


def told(answer: Any) -> list[str]:
    """The messages of a page, in order."""
    return [str(message) for message in answer.context["messages"]]


def mistakes_of(answer: Any) -> list[str]:
    """The sentences of a page's error summary."""
    return [mistake.text for mistake in answer.context["errors"]]


def logged() -> list[tuple[str, str, str]]:
    """The admin's log, oldest first: who, on what, and the words."""
    entries = LogEntry.objects.order_by("pk")
    return [
        (entry.user.get_username(), str(entry.object_id), entry.get_change_message())
        for entry in entries
    ]


def count_queries(client: Client, path: str, data: Any = None) -> int:
    """How many queries a page takes that answers 200; a form is posted when there is `data`."""
    # What is kept for all requests, such as content types, is there from the first.
    client.get(path)
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(path) if data is None else client.post(path, data)
        assert answer.status_code == 200, answer.content.decode()[:2000]
    return len(queries)
