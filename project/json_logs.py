"""The console for programs: JSON without credentials."""

from __future__ import annotations

import logging

from pythonjsonlogger.json import JsonFormatter as PythonJsonFormatter

from realtime.loghandler.lines import line_data


class JsonFormatter(PythonJsonFormatter):
    """One JSON object a line, with the fields that the `system_log` feed has."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        # The console shows levels that the feed does not have.
        return self.serialize_log_record(line_data(record) | {"level": record.levelname})
