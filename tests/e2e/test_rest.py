"""REST through the real server: writes are on the stream, a paused desk refuses, files stream."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.support.clients import Client, catch_up
from tests.e2e.support.servers import Answer, Server

OPENING = {
    "symbol": "BTC/USDT",
    "spot_entry_price": "45000",
    "perp_entry_price": "45010",
    "spot_quantity": "0.1",
    "perp_quantity": "0.1",
}
REPEATS = 5
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "rest.md").read_text(encoding="utf-8")


def send(
    server: Server,
    method: str,
    path: str,
    body: Mapping[str, Any],
    *,
    user: str = "admin",
    **headers: str,
) -> Answer:
    """Send JSON."""
    return server.fetch(
        f"/api/{path}",
        method=method,
        user=user,
        body=json.dumps(body),
        headers={"Content-Type": "application/json", **headers},
    )


def decide(server: Server, decision: str) -> Answer:
    """Pause, stop or resume."""
    return send(server, "POST", f"risk/{decision}/", {"reason": f"For {decision}."})


async def test_each_write_is_on_the_stream_as_it_was_answered(server: Server) -> None:
    await catch_up(server)
    async with await Client.connect(server, {"snapshot": 0}) as client:
        await client.receive()
        opened = send(server, "POST", "positions/", OPENING)
        path = f"positions/{opened.json['position_id']}/"
        answers = [
            (201, opened),
            (200, send(server, "PATCH", path, {"spot_current_price": "45100"})),
            (
                200,
                send(
                    server,
                    "POST",
                    f"{path}close/",
                    {"spot_exit_price": "45500", "perp_exit_price": "45400", "reason": "Enough."},
                ),
            ),
            (201, send(server, "POST", "equity/", {"total_equity": "100000"})),
            (200, decide(server, "soft-pause")),
            (200, decide(server, "resume")),
        ]
        for status, answer in answers:
            assert answer.status == status, answer.body
            expected = answer.json
            event = expected.pop("event")
            message = await client.receive()
            # The engine's own update of the figures is not what was asked for.
            while message.get("event") != event:
                message = await client.receive()
            assert message["data"] == expected


def test_a_paused_desk_refuses_an_order(server: Server) -> None:
    for decision in ("soft-pause", "hard-stop"):
        assert decide(server, decision).status == 200
        answer = send(server, "POST", "positions/", OPENING)
        assert (answer.status, answer.json["code"]) == (409, "trading_paused")
        assert f"For {decision}." in answer.json["message"]
    assert decide(server, "resume").status == 200
    assert send(server, "POST", "positions/", OPENING).status == 201


def test_who_may_only_look_may_not_write(server: Server) -> None:
    answer = send(server, "POST", "positions/", OPENING, user="operator")
    assert (answer.status, answer.json["code"]) == (403, "permission_denied")


def test_an_order_that_is_sent_again_and_again_is_one_position(server: Server) -> None:
    count = "SELECT count(*) AS positions FROM trading_position"
    before = server.database.row(count)["positions"]
    headers = {"Idempotency-Key": str(uuid4())}
    with ThreadPoolExecutor(REPEATS) as pool:
        answers = list(
            pool.map(
                lambda _: send(server, "POST", "positions/", OPENING, **headers), range(REPEATS)
            )
        )
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 1
    assert server.database.row(count)["positions"] == before + 1


def test_files_are_streamed_without_a_warning(server: Server) -> None:
    opened = send(server, "POST", "positions/", {**OPENING, "strategy_id": "=1+1"}).json
    answer = server.fetch("/api/positions/export/", user="admin")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    rows = {row["position_id"]: row for row in csv.DictReader(StringIO(answer.body, newline=""))}
    assert rows[opened["position_id"]]["strategy_id"] == "'=1+1"
    for path in ("equity", "risk"):
        assert server.fetch(f"/api/{path}/export/", user="admin").status == 200
    assert "StreamingHttpResponse" not in server.log


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_commands_of_the_page_run_as_they_stand(server: Server, tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 4
    script = "\n".join(["set -e", *blocks]).replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
    run = subprocess.run(
        ["sh", "-c", script.replace("curl -s", r"curl -s -w '\n' --fail-with-body")],
        cwd=tmp_path,
        env=os.environ | {"REALTIME_TOKEN": server.tokens["admin"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    answers = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    assert len(answers) == len(re.findall("^curl", PAGE, re.MULTILINE)) - 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "equity.csv",
        "positions.csv",
        "risk.csv",
    ]
    assert "7c9e6679-7425-40de-944b-e07fc1f90ae7" in (tmp_path / "positions.csv").read_text()
