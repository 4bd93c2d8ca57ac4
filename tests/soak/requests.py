"""Plain HTTP beside the stream: REST that reads and writes, and pages of the admin."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Sequence
from http.client import HTTPException

from tests.e2e.support.browsing import Browser, sign_in
from tests.e2e.support.seeding import ADMIN_PASSWORD
from tests.e2e.support.servers import Answer, Server

PAUSE_SECONDS = 0.2
USER = "admin"
JSON = {"Content-Type": "application/json"}
READS = ("/api/positions/", "/api/risk/", "/api/equity/", "/health", "/", "/api/asyncapi.yaml")
PAGES = ("/admin/", "/admin/trading/position/", "/admin/realtime/event/", "/")
POSITION = {
    "symbol": "SOL/USDT",
    "spot_entry_price": "100",
    "perp_entry_price": "101",
    "spot_quantity": "1",
    "perp_quantity": "1",
}
EXIT = {"spot_exit_price": "102", "perp_exit_price": "102", "reason": "soaked"}


class Requests:
    """One after the other, of every sort, to every server."""

    def __init__(self, servers: Sequence[Server]) -> None:
        # How many were answered, by the hundreds of the status.
        self.answers: Counter[str] = Counter()
        self._browsers: dict[int, Browser] = {}
        self._servers = servers

    async def run(self, seconds: float) -> None:
        """Ask for so long."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            try:
                await asyncio.to_thread(self._ask, random.choice(self._servers))
            except (OSError, HTTPException):
                self.answers["broken off"] += 1
            await asyncio.sleep(PAUSE_SECONDS)

    def sign_in(self) -> None:
        """Let a browser sign in at every server."""
        self._browsers = {
            server.port: sign_in(server, USER, ADMIN_PASSWORD) for server in self._servers
        }

    def _ask(self, server: Server) -> None:
        action = random.choice((self._read, self._read, self._trade, self._open_page))
        for answer in action(server):
            self.answers[f"{answer.status // 100}xx"] += 1

    def _read(self, server: Server) -> list[Answer]:
        return [server.fetch(random.choice(READS), user=USER)]

    def _open_page(self, server: Server) -> list[Answer]:
        return [self._browsers[server.port].get(random.choice(PAGES))]

    def _trade(self, server: Server) -> list[Answer]:
        opened = self._post(server, "/api/positions/", POSITION)
        if opened.status != 201:
            return [opened]
        key = opened.json["position_id"]
        return [opened, self._post(server, f"/api/positions/{key}/close/", EXIT)]

    def _post(self, server: Server, path: str, body: dict[str, str]) -> Answer:
        text = json.dumps(body)
        return server.fetch(path, method="POST", headers=JSON, body=text, user=USER)
