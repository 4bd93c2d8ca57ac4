"""From the relay's thread into the event loop: a job runs there, and the caller waits for it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)

JOB_SECONDS = 30.0


class LoopClosed(Exception):
    """The event loop has ended: its server is stopping."""


class LoopBridge:
    """Runs jobs in one event loop for other threads; `on_error` hears of a job that failed."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, on_error: Callable[[Exception], None]
    ) -> None:
        self._loop = loop
        self._on_error = on_error

    def run(self, job: Callable[[], None]) -> None:
        """Run `job` in the loop and return when it is done; raises LoopClosed."""
        done = threading.Event()

        def run_and_tell() -> None:
            try:
                job()
            except Exception as error:
                self._on_error(error)
            finally:
                done.set()

        if self._is_here():
            run_and_tell()
            return
        try:
            self._loop.call_soon_threadsafe(run_and_tell)
        except RuntimeError:
            raise LoopClosed from None
        if not done.wait(JOB_SECONDS):
            logger.error("The event loop did not run for %s seconds", JOB_SECONDS)

    def _is_here(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False
