"""The zygotes as the runner sees them: a pytest is forked from one, with little left to import."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

PROGRAM = Path(__file__).with_name("zygote.py")
# Heavy, third-party, and imported by nearly every test. Not `daphne.server`: it makes a loop,
# whose descriptors forks would share; nor what reads Django's settings as it is imported.
PRELOADED = (
    "autobahn.twisted.websocket",
    "channels.routing",
    "channels.testing",
    "corsheaders.middleware",
    "django.contrib.admin",
    "django.contrib.postgres.fields",
    "django.core.management.commands.migrate",
    "django.db.backends.postgresql.base",
    "django.db.backends.sqlite3.base",
    "django.template.defaulttags",
    "django.template.loader_tags",
    "django.test",
    "django.views.debug",
    "environ",
    "hypothesis.stateful",
    "jwt",
    "orjson",
    "redis.asyncio",
    "rest_framework.serializers",
    "twisted.internet.asyncioreactor",
    "websockets.asyncio.client",
    "websockets.sync.client",
    "whitenoise.middleware",
    "yaml",
)


class ZygoteEnded(Exception):
    """A process that should fork has ended; what it printed stands above."""


class Zygotes:
    """Processes that fork; each runs one pytest at a time."""

    def __init__(self, processes: Iterable[asyncio.subprocess.Process]) -> None:
        self._idle: asyncio.Queue[asyncio.subprocess.Process] = asyncio.Queue()
        for process in processes:
            self._idle.put_nowait(process)

    async def run_pytest(
        self,
        folder: Path,
        arguments: Sequence[str],
        *,
        variables: Mapping[str, str],
        output: Path,
        timeout_seconds: float,
    ) -> bool:
        """Run pytest in `folder`; False when it had to be ended at the timeout.

        What it prints goes to `output`. What it started, and left, is killed.
        """
        request = {
            "folder": str(folder),
            "arguments": list(arguments),
            "variables": dict(variables),
            "output": str(output),
        }
        zygote = await self._idle.get()
        try:
            return await _fork(zygote, json.dumps(request), timeout_seconds)
        finally:
            self._idle.put_nowait(zygote)


async def _fork(zygote: asyncio.subprocess.Process, request: str, timeout_seconds: float) -> bool:
    assert zygote.stdin is not None
    zygote.stdin.write(f"{request}\n".encode())
    pid = int(await _read_line(zygote))
    ending = asyncio.ensure_future(_read_line(zygote))
    try:
        await asyncio.wait([ending], timeout=timeout_seconds)
        return ending.done()
    finally:
        # Servers that a test started may outlive it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        await ending


async def _read_line(zygote: asyncio.subprocess.Process) -> str:
    assert zygote.stdout is not None
    line = await zygote.stdout.readline()
    if not line:
        raise ZygoteEnded(f"the process that forks has ended with {await zygote.wait()}")
    return line.decode()


@asynccontextmanager
async def start_zygotes(
    count: int, modules: Sequence[str], variables: Mapping[str, str]
) -> AsyncIterator[Zygotes]:
    """Processes that have imported `modules` and fork; they end with the block."""
    async with AsyncExitStack() as stack:
        started = [_start_zygote(modules, variables) for _ in range(count)]
        yield Zygotes([await stack.enter_async_context(zygote) for zygote in started])


@asynccontextmanager
async def _start_zygote(
    modules: Sequence[str], variables: Mapping[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        # Or it could import what lies beside it.
        "-P",
        str(PROGRAM),
        *modules,
        env=dict(variables),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
