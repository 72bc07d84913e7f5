"""The requests of all web processes are counted together, also those of a process that has ended."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

from tests.faults.console import await_
from tests.faults.web import connect, serving

TOKEN = "a-token-of-more-than-twenty-characters"
SCRAPE = f"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
MANY = 40


def ask(port: int, head: str) -> str:
    with connect(port) as connection:
        connection.sendall(f"{head}Connection: close\r\n\r\n".encode())
        return connection.makefile("rb").read().decode()


def counted(port: int) -> float:
    text = ask(port, SCRAPE)
    row = r'laurel_http_requests_total\{method="GET",route="/api/v1/badges",status="401"\} (\S+)'
    found = re.search(row, text)
    return float(found[1]) if found else 0.0


def test_web_processes_count_together(tmp_path: Path) -> None:
    environ = {"LAUREL_METRICS_TOKEN": TOKEN, "TMPDIR": str(tmp_path)}
    with serving(tmp_path, "RoomyWorker", processes=2, **environ) as port:
        for _ in range(MANY):
            ask(port, "GET /api/v1/badges HTTP/1.1\r\nHost: localhost\r\n")
        assert {counted(port) for _ in range(10)} == {MANY}
        booted = re.findall(r"Booting worker with pid: (\d+)", (tmp_path / "web.log").read_text())
        os.kill(int(booted[0]), signal.SIGKILL)
        await_(lambda: (tmp_path / "web.log").read_text().count("Booting") == 3, 30, "a new one")
        assert {counted(port) for _ in range(10)} == {MANY}
    assert list(tmp_path.glob("laurel-metrics-*")) == []
