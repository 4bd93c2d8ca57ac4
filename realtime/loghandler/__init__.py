"""Python's logging on the `system_log` feed: a record becomes a line, is queued, and is written."""

from realtime.loghandler.handler import SystemLogHandler, backlog, flush

__all__ = ("SystemLogHandler", "backlog", "flush")
