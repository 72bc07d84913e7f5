"""Import members by the command line, compared with the database's own bulk load of the same rows."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from bench.floors import Floor
from tests.faults.console import ROOT, Console
from webapp.domain.normalization import fold, name_words

FIRST = ["Anna", "Ben", "Carla", "Dmitri", "Eva", "Femi", "Goran", "Hana", "Ivo", "Jana"]
MEMBERS = [
    "id",
    "external_id",
    "username",
    "username_key",
    "email",
    "email_key",
    "name",
    "status",
    "joined_at",
    "updated_at",
]
WORDS = ["word", "member_id"]


def rows(console: Console, number: int) -> list[tuple[str, str, str]]:
    """Rows of the table: operation, result, goal. The console's database is empty before and full afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "members.csv"
        write(path, number)
        floor = Floor(console.settings)
        try:
            loaded = load(floor, number)
        finally:
            floor.close()
        told = []
        for label, goal in (("", "2.5 x"), (", the same file again", "")):
            seconds, peak = run(console, path)
            value = f"{number / seconds:,.0f} rows/s, {seconds / loaded:.2f} x, {peak:.0f} MB"
            told.append((f"Import of {number:,} members{label}: rate, floor, peak", value, goal))
        seconds, peak = run(console, path, "--dry-run")
        value = f"{number / seconds:,.0f} rows/s, {peak:.0f} MB"
        told.append((f"Dry run of {number:,} members: rate, peak", value, ""))
        value = f"{number / loaded:,.0f} rows/s"
    return [(f"Bulk load of {number:,} members, the floor", value, ""), *told]


def write(path: Path, number: int) -> None:
    """Write a file with this many new members, each with all three columns and a name of two words."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        file.write("ID;Username;Registered email;Name\r\n")
        for row in people(number):
            file.write(";".join(row) + "\r\n")


def people(number: int) -> Iterator[tuple[str, str, str, str]]:
    """ID, username, email and name of each."""
    for n in range(1, number + 1):
        name = f"{FIRST[n % 10]} Nameson{n % 50_000}"
        yield f"N{n}", f"Newcomer{n}", f"Newcomer{n}@example.org", name


# A process in between: memory held before exec counts as the new program's.
APART = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def run(console: Console, path: Path, *options: str) -> tuple[float, float]:
    """Seconds of `laurel members import`, including its start, and its peak memory in MB."""
    command = [sys.executable, "-m", "webapp.cli", "members", "import", str(path), *options]
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", APART, *command],
        cwd=ROOT,
        env=console.environ,
        stdout=subprocess.PIPE,
        check=True,
    )
    return time.perf_counter() - began, int(done.stdout) / 1024


def load(floor: Floor, number: int) -> float:
    """Seconds for the database to load the same rows, with keys and words precomputed; then they are deleted."""
    now = datetime.now(UTC)
    stamp = f"{now:%Y-%m-%d %H:%M:%S.%f}" if floor.sqlite else now
    members = [
        (n, external_id, username, fold(username), email, fold(email), name, "active", stamp, stamp)
        for n, (external_id, username, email, name) in enumerate(people(number), start=1)
    ]
    kept = [(word, row[0]) for row in members for word in name_words(row[6])]
    began = time.perf_counter()
    floor.connection.execute("BEGIN IMMEDIATE" if floor.sqlite else "BEGIN")
    for table, columns, values in (("members", MEMBERS, members), ("member_words", WORDS, kept)):
        listed = ", ".join(columns)
        if floor.sqlite:
            marks = ", ".join("?" for _ in columns)
            floor.connection.executemany(f"INSERT INTO {table} ({listed}) VALUES ({marks})", values)
        else:
            floor.connection.execute("SET LOCAL statement_timeout = 0")
            with floor.connection.cursor().copy(f"COPY {table} ({listed}) FROM STDIN") as copy:
                for value in values:
                    copy.write_row(value)
    floor.connection.execute("COMMIT")
    taken = time.perf_counter() - began
    if floor.sqlite:
        floor.connection.execute("DELETE FROM member_words")
        floor.connection.execute("DELETE FROM members")
    else:
        floor.connection.execute("TRUNCATE member_words, members RESTART IDENTITY CASCADE")
    return taken
