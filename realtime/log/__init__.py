"""The truth: the event table in the one order of `seq`. Nothing else touches that table."""

from realtime.log.appending import append
from realtime.log.numbering import has_unnumbered, number
from realtime.log.reading import newest, newest_id, newest_live, position, read, state
from realtime.log.retention import new_stream, prune
from realtime.log.searching import first_id_since, ids_between
from realtime.log.standing import Standing, standing
from realtime.log.values import Action, Entry, HistoryExpired, LoggedEvent, Newest, Position

__all__ = (
    "Action",
    "Entry",
    "HistoryExpired",
    "LoggedEvent",
    "Newest",
    "Position",
    "Standing",
    "append",
    "first_id_since",
    "has_unnumbered",
    "ids_between",
    "new_stream",
    "newest",
    "newest_id",
    "newest_live",
    "number",
    "position",
    "prune",
    "read",
    "standing",
    "state",
)
