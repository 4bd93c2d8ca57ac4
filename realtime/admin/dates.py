"""The dates above a list: links to years, months and days between the first and the last."""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from django.utils import formats, timezone

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList

MOST_YEARS = 30


@dataclass(frozen=True, slots=True)
class DateLink:
    """One date; without a link where it is the one that is shown."""

    title: str
    link: str | None = None


@dataclass(frozen=True, slots=True)
class DateLinks:
    """What stands above a list, as Django's own `date_hierarchy.html` takes it."""

    back: DateLink | None
    choices: tuple[DateLink, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The year, month and day that a list is limited to, as far as it is."""

    year: int | None = None
    month: int | None = None
    day: int | None = None

    @classmethod
    def read(cls, parameters: Mapping[str, str], field: str) -> Chosen:
        """From a query string that the list has found valid."""
        return cls(*(_number(parameters, f"{field}__{part}") for part in ("year", "month", "day")))


def shown_dates(parameters: Mapping[str, str], field: str) -> tuple[datetime, datetime] | None:
    """The time that a list is limited to, its end excluded; None without a limit."""
    chosen = Chosen.read(parameters, field)
    if chosen.year is None:
        return None
    first = date(chosen.year, chosen.month or 1, chosen.day or 1)
    if chosen.day:
        end = first + timedelta(days=1)
    elif chosen.month:
        end = (first + timedelta(days=31)).replace(day=1)
    else:
        end = first.replace(year=first.year + 1)
    return _midnight(first), _midnight(end)


def date_links(
    listed: ChangeList, field: str, period: tuple[datetime, datetime] | None
) -> DateLinks | None:
    """The links of a list whose rows are of `period`; no row is looked at for them."""
    if period is None:
        return None
    first, last = (timezone.localtime(moment).date() for moment in period)

    def link(title: str, **parts: int | None) -> DateLink:
        wanted = {f"{field}__{part}": value for part, value in parts.items() if value is not None}
        return DateLink(title, listed.get_query_string(wanted, [f"{field}__"]))

    chosen = Chosen.read(listed.params, field)
    if chosen.year is None:
        years = range(max(first.year, last.year - MOST_YEARS + 1), last.year + 1)
        return DateLinks(None, tuple(link(str(year), year=year) for year in years))
    if chosen.month is None:
        months = (
            link(_month_title(month), year=month.year, month=month.month)
            for month in _months(chosen.year)
            if first.replace(day=1) <= month <= last
        )
        return DateLinks(link("All dates"), tuple(months))
    shown = date(chosen.year, chosen.month, chosen.day or 1)
    if chosen.day is None:
        days = (
            link(_day_title(day), year=day.year, month=day.month, day=day.day)
            for day in _days(shown)
            if first <= day <= last
        )
        return DateLinks(link(str(chosen.year), year=chosen.year), tuple(days))
    back = link(_month_title(shown), year=shown.year, month=shown.month)
    return DateLinks(back, (DateLink(_day_title(shown)),))


def _months(year: int) -> Iterator[date]:
    return (date(year, month, 1) for month in range(1, 13))


def _days(month: date) -> Iterator[date]:
    _, count = calendar.monthrange(month.year, month.month)
    return (month.replace(day=day) for day in range(1, count + 1))


def _month_title(month: date) -> str:
    return formats.date_format(month, "YEAR_MONTH_FORMAT")


def _day_title(day: date) -> str:
    return formats.date_format(day, "MONTH_DAY_FORMAT")


def _number(parameters: Mapping[str, str], name: str) -> int | None:
    return int(parameters[name]) if name in parameters else None


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime(day.year, day.month, day.day))  # noqa: DTZ001 - made aware
