"""CPU time and memory of processes, from `/proc` (Linux)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

Memory = dict[str, float]  # megabytes by process
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(roots: Iterable[int]) -> float:
    """The CPU time of these processes and their descendants, including those that have ended."""
    total = 0
    for pid in family(roots):
        with suppress(FileNotFoundError, ProcessLookupError):
            total += sum(map(int, _stat(pid)[11:15]))
    return total / TICKS


def machine_seconds() -> tuple[float, float]:
    """Busy and total CPU time of the whole machine."""
    user, nice, system, idle, wait, irq, soft, steal, *_ = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    )
    busy = user + nice + system + irq + soft + steal
    return busy / TICKS, (busy + idle + wait) / TICKS


def family(roots: Iterable[int]) -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            children.setdefault(int(_stat(int(path.name))[1]), []).append(int(path.name))
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children.get(pid, [])


def memory(names: dict[str, int], postmaster: int) -> Memory:
    """The resident memory of each process and its descendants, and that of the database's processes together."""
    found = {
        f"{name} {pid}": megabytes(pid) for name, root in names.items() for pid in family([root])
    }
    return found | {"database, together": shared_megabytes([postmaster])}


def megabytes(pid: int) -> float:
    """The resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def shared_megabytes(roots: Iterable[int]) -> float:
    """The memory of processes that share most of it, each shared page counted once."""
    total = 0
    for pid in family(roots):
        with suppress(FileNotFoundError, ProcessLookupError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def _stat(pid: int) -> list[str]:
    """The fields of `/proc/PID/stat` after the name, which may contain spaces: state, parent, …"""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
