"""The query string of `/ws` as a request: what is wrong in it is reported, never guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from realtime.auth.grants import Grants
from realtime.feeds import RESERVED_PARAMETERS, feeds
from realtime.resuming import Resume
from realtime.subscriptions import FieldValues, Subscription, field_values, make_subscription

SLOWEST_RATE = 0.1
FASTEST_RATE = 100.0
LONGEST_SEQ_DIGITS = 18
MAXIMUM_FILTER_VALUES = 200


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with what a client asked for; `code` is of the protocol."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked for when it connected."""

    token: str | None = None
    feed_names: tuple[str, ...] | None = None
    filters: Mapping[str, frozenset[str]] = field(default_factory=dict)
    resume: Resume | None = None
    wants_snapshot: bool = True
    max_rate: float | None = None
    problems: tuple[Problem, ...] = ()


def parse_query(query: bytes) -> Request:
    """Read a query string; a bad parameter becomes a problem and is left out."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return Request(problems=(Problem("invalid_value", "The query string cannot be read."),))
    values = dict(pairs)
    problems: list[Problem] = []
    return Request(
        token=values.get("token"),
        feed_names=_names(values.get("feeds")),
        filters=_filters(values, problems),
        resume=_resume(values, problems),
        wants_snapshot=_wants_snapshot(values.get("snapshot", "1"), problems),
        max_rate=parse_rate(values.get("max_rate"), problems),
        problems=tuple(problems),
    )


def choose_subscription(request: Request, grants: Grants) -> tuple[Subscription, list[Problem]]:
    """What the client gets of what it asked for, and why not the rest."""
    problems: list[Problem] = []
    names = request.feed_names if request.feed_names is not None else tuple(grants.scopes)
    chosen = [name for name in names if may_subscribe(name, grants, problems)]
    for name in request.filters:
        if not any(name in feed.filter_fields for feed in feeds().values()):
            problems.append(Problem("unknown_filter", f"No feed has a filter {name!r}."))
    wanted = [grants.subscription(name, _filters_of(name, request.filters)) for name in chosen]
    return make_subscription(wanted, max_rate=request.max_rate), problems


def may_subscribe(name: str, grants: Grants, problems: list[Problem]) -> bool:
    """Whether feed `name` exists and is open to the client; else the reason is added."""
    if name not in feeds():
        known = ", ".join(feeds())
        problems.append(Problem("unknown_feed", f"There is no feed {name!r}; there are: {known}."))
    elif not grants.may_view(name):
        text = f"{grants.user_name} may not view {name} (permission {feeds()[name].permission})."
        problems.append(Problem("permission_denied", text))
    return grants.may_view(name)


def parse_rate(value: object, problems: list[Problem]) -> float | None:
    """Flushes a second, 0.1 to 100; None for no limit."""
    if value is None or value == "":
        return None
    try:
        rate = float(value) if isinstance(value, str | int | float) else float("nan")
    except (ValueError, OverflowError):
        rate = float("nan")
    if isinstance(value, bool) or not SLOWEST_RATE <= rate <= FASTEST_RATE:
        text = f"max_rate is {SLOWEST_RATE} to {FASTEST_RATE:g} flushes a second."
        problems.append(Problem("invalid_value", text))
        return None
    return rate


def _names(value: str | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    return tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))


def _filters(values: Mapping[str, str], problems: list[Problem]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for name, value in values.items():
        if name in RESERVED_PARAMETERS:
            continue
        wanted = frozenset(part.strip() for part in value.split(",") if part.strip())
        if not 0 < len(wanted) <= MAXIMUM_FILTER_VALUES:
            text = f"The filter {name!r} takes 1 to {MAXIMUM_FILTER_VALUES} values."
            problems.append(Problem("invalid_value", text))
        else:
            found[name] = wanted
    return found


def _filters_of(feed_name: str, filters: Mapping[str, frozenset[str]]) -> FieldValues:
    fields: Sequence[str] = feeds()[feed_name].filter_fields
    return field_values({name: wanted for name, wanted in filters.items() if name in fields})


def _resume(values: Mapping[str, str], problems: list[Problem]) -> Resume | None:
    since = values.get("since")
    if since is None:
        return None
    if not since.isascii() or not since.isdigit() or len(since) > LONGEST_SEQ_DIGITS:
        problems.append(Problem("invalid_value", "since is the `seq` that was applied last."))
        return None
    return Resume(
        stream=values.get("stream", ""),
        since=int(since),
        subscription=values.get("subscription", ""),
    )


def _wants_snapshot(value: str, problems: list[Problem]) -> bool:
    if value not in {"0", "1"}:
        problems.append(Problem("invalid_value", "snapshot is 0 or 1."))
    return value != "0"
