"""Tests of the tokens' admin: a key shown once and kept nowhere, names, ends, and revoking."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.utils import timezone

from realtime.auth.tokens import InvalidToken, create_token, find_token
from realtime.models import ApiToken
from tests.browsers import browser_of, count_queries, logged, make_staff, text_of

pytestmark = pytest.mark.django_db

LIST = "/admin/realtime/apitoken/"
KEY = re.compile(r'<code class="key"[^>]*>(\w+)</code>')
MANAGE = tuple(f"realtime.{verb}_apitoken" for verb in ("view", "add", "change", "delete"))


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann")


def issue(client: Client, whose: User, **typed: str) -> Any:
    form = {"user": str(whose.pk), "name": "monitor", "expiry_0": "", "expiry_1": "", **typed}
    return client.post(f"{LIST}add/", form)


def key_of(page: Any) -> str:
    found = KEY.search(page.content.decode())
    assert found, text_of(page)
    return found[1]


def everything_stored() -> str:
    """Every text in the database, and the sessions' contents."""
    texts = [str(session.get_decoded()) for session in Session.objects.all()]
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            texts += [str(row) for row in cursor.fetchall()]
    return "\n".join(texts)


def test_token_is_issued_and_its_key_opens(operator: Client, ann: User) -> None:
    page = issue(operator, ann, expiry_0="2099-01-15", expiry_1="10:30")
    token = find_token(key_of(page))
    assert (token.user, token.name, token.expiry.isoformat()[:16]) == (
        ann,
        "monitor",
        "2099-01-15T10:30",
    )


def test_token_without_an_expiry_never_ends(operator: Client, ann: User) -> None:
    assert find_token(key_of(issue(operator, ann))).expiry is None


def test_key_is_shown_once_and_is_kept_nowhere(operator: Client, ann: User) -> None:
    page = issue(operator, ann)
    key = key_of(page)
    assert page.status_code == 200
    assert "no-store" in page["Cache-Control"]
    assert page.content.decode().count(key) == 1
    assert key not in str(operator.cookies)
    assert key not in everything_stored()
    assert "messages" not in operator.cookies
    for path in (LIST, f"{LIST}{ApiToken.objects.get().pk}/change/", "/admin/"):
        assert key not in text_of(operator.get(path))


def test_admins_log_says_who_issued_which_token(operator: Client, ann: User) -> None:
    key = key_of(issue(operator, ann))
    entry = LogEntry.objects.get()
    token = ApiToken.objects.get()
    assert (entry.user.get_username(), entry.object_id) == ("operator", token.pk)
    assert token.token_key in entry.object_repr
    assert key not in f"{entry.object_repr} {entry.change_message} {entry.object_id}"


def test_digests_are_shown_in_no_list(operator: Client, ann: User) -> None:
    token, _ = create_token(ann)
    cells = re.findall(r"<t[dh] class=\"field[^>]*>(.*?)</t[dh]>", text_of(operator.get(LIST)))
    shown = re.sub(r"<[^>]*>", " ", " ".join(cells))
    assert token.token_key in shown
    assert token.digest not in shown


@pytest.mark.parametrize(
    "typed",
    [
        {"expiry_0": "2020-01-01", "expiry_1": "00:00"},
        {"expiry_0": "tomorrow", "expiry_1": "00:00"},
        {"name": "x" * 101},
        {"user": "0"},
    ],
    ids=str,
)
def test_token_that_makes_no_sense_is_not_issued(
    operator: Client, ann: User, typed: dict[str, str]
) -> None:
    page = issue(operator, ann, **typed)
    assert page.status_code == 200
    assert not ApiToken.objects.exists()


def test_inactive_user_gets_no_token(operator: Client, ann: User) -> None:
    User.objects.filter(pk=ann.pk).update(is_active=False)
    issue(operator, ann)
    assert not ApiToken.objects.exists()


def test_only_superusers_issue_tokens_for_others(ann: User) -> None:
    clerk = make_staff("clerk", *MANAGE)
    browser = browser_of(clerk)
    assert "ann" not in text_of(browser.get(f"{LIST}add/"))
    assert issue(browser, ann).status_code == 200
    assert not ApiToken.objects.exists()
    assert find_token(key_of(issue(browser, clerk))).user == clerk


@pytest.mark.parametrize("missing", ["add", "change", "delete"])
def test_each_deed_needs_its_permission(ann: User, missing: str) -> None:
    token, key = create_token(ann)
    granted = [name for name in MANAGE if name != f"realtime.{missing}_apitoken"]
    user = make_staff("clerk", *granted)
    browser = browser_of(user)
    if missing == "add":
        assert issue(browser, user).status_code == 403
    elif missing == "change":
        form = {"name": "mine", "expiry_0": "", "expiry_1": ""}
        assert browser.post(f"{LIST}{token.pk}/change/", form).status_code == 403
    else:
        assert browser.post(f"{LIST}{token.pk}/delete/", {"post": "yes"}).status_code == 403
        form = {"action": "delete_selected", "_selected_action": [token.pk], "post": "yes"}  # type: ignore[dict-item]
        browser.post(LIST, form)
        assert "Revoke" not in text_of(browser.get(LIST))
    assert ApiToken.objects.get().name == ""
    assert find_token(key) == token


def test_tokens_are_renamed_and_given_an_end(operator: Client, ann: User) -> None:
    token, key = create_token(ann)
    form = {"name": "screen", "expiry_0": "2099-01-01", "expiry_1": "00:00"}
    assert operator.post(f"{LIST}{token.pk}/change/", form).status_code == 302
    stored = find_token(key)
    assert (stored.name, stored.expiry.year, stored.user) == ("screen", 2099, ann)


def test_expired_token_can_be_renamed_without_giving_it_life(operator: Client, ann: User) -> None:
    token, _ = create_token(ann, lifetime=timedelta(hours=-1))
    expiry = token.expiry.replace(microsecond=0)
    ApiToken.objects.filter(pk=token.pk).update(expiry=expiry)
    form = {"name": "old", "expiry_0": f"{expiry:%Y-%m-%d}", "expiry_1": f"{expiry:%H:%M:%S}"}
    assert operator.post(f"{LIST}{token.pk}/change/", form).status_code == 302
    assert ApiToken.objects.get().name == "old"


def test_revoked_token_opens_nothing_and_the_log_says_who(operator: Client, ann: User) -> None:
    token, key = create_token(ann)
    other, other_key = create_token(ann)
    form = {"action": "delete_selected", "_selected_action": [token.pk]}
    page = operator.post(LIST, form)
    assert "Are you sure" in text_of(page)
    assert find_token(key) == token
    operator.post(LIST, {**form, "post": "yes"})
    with pytest.raises(InvalidToken):
        find_token(key)
    assert find_token(other_key) == other
    assert logged()[0][:2] == ("operator", token.pk)


def test_page_of_a_token_leads_to_revoking_it(operator: Client, ann: User) -> None:
    token, _ = create_token(ann)
    assert f"{LIST}{token.pk}/delete/" in text_of(operator.get(f"{LIST}{token.pk}/change/"))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"never", "later", "over"}),
        ("?end=never", {"never"}),
        ("?end=ahead", {"later"}),
        ("?end=over", {"over"}),
        ("?q=lat", {"later"}),
        ("?q=ann", {"never", "later", "over"}),
    ],
)
def test_tokens_are_found_by_name_user_and_end(
    operator: Client, ann: User, query: str, found: set[str]
) -> None:
    create_token(ann, name="never")
    create_token(ann, name="later", lifetime=timedelta(days=1))
    create_token(ann, name="over", lifetime=timedelta(days=-1))
    page = operator.get(LIST + query)
    assert {token.name for token in page.context["cl"].result_list} == found


def test_list_shows_the_last_use(operator: Client, ann: User) -> None:
    token, _ = create_token(ann)
    moment = timezone.now()
    ApiToken.objects.filter(pk=token.pk).update(last_used=moment)
    shown = re.search(r'class="field-last_used[^>]*>([^<]*)<', text_of(operator.get(LIST)))
    assert shown is not None
    assert shown[1] == f"{moment:%Y-%m-%d %H:%M:%S}"


def test_pages_take_as_many_queries_for_one_row_as_for_a_hundred(operator: Client) -> None:
    tokens = []

    def add(count: int) -> None:
        users = [User(username=f"u{len(tokens)}-{index}") for index in range(count)]
        tokens.extend(create_token(user)[0].pk for user in User.objects.bulk_create(users))

    def count() -> list[int]:
        revoking = {"action": "delete_selected", "_selected_action": list(tokens)}
        adding = count_queries(operator, f"{LIST}add/")
        return [count_queries(operator, LIST), count_queries(operator, LIST, revoking), adding]

    add(1)
    one = count()
    add(99)
    assert count() == one
