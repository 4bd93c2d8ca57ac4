"""The console for people: lines without credentials."""

from __future__ import annotations

import logging

from realtime.masking import mask


class LineFormatter(logging.Formatter):
    """One line, and what follows it: a traceback may show credentials, too."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return mask(super().format(record))
