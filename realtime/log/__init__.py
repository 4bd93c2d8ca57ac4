"""The truth: the event table in the one order of `seq`. Nothing else touches that table."""

from realtime.log.appending import append
from realtime.log.numbering import has_unnumbered, number
from realtime.log.reading import position, read, state
from realtime.log.retention import new_stream, prune
from realtime.log.values import Action, Entry, HistoryExpired, LoggedEvent, Position

__all__ = (
    "Action",
    "Entry",
    "HistoryExpired",
    "LoggedEvent",
    "Position",
    "append",
    "has_unnumbered",
    "new_stream",
    "number",
    "position",
    "prune",
    "read",
    "state",
)
