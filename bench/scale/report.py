"""The parts of the report, as Markdown."""

from __future__ import annotations

from bench.measures import quantile
from bench.scale.community import Size
from bench.scale.managers import Traffic
from bench.scale.pages import GOAL, Comparison
from bench.scale.processes import Memory
from bench.scale.sizes import Relation
from bench.scale.workers import Run

MOST_WAITS = 5


def workers(title: str, runs: list[Run]) -> str:
    rows = [
        [
            str(run.workers),
            f"{run.rate:,.0f}",
            f"{1000 * run.worker_cpu / run.awards:.3f}",
            f"{1000 * run.database_cpu / run.awards:.3f}",
            f"{100 * run.busy:.0f}%",
            ", ".join(f"{name} {number:.2f}" for name, number in run.waits.most_common(MOST_WAITS)),
        ]
        for run in runs
    ]
    head = [
        "workers",
        "awards/s",
        "CPU ms per award, workers",
        "database",
        "machine busy",
        "sessions on average",
    ]
    return f"## {title}\n\n{_table(head, rows)}"


def sizes(size: Size, relations: list[Relation], whole: int) -> str:
    rows = [
        [
            relation.table if not relation.index else "",
            relation.index or "the table itself",
            f"{relation.bytes / 1e6:,.0f}",
            f"{relation.bytes / size.awards:.1f}",
        ]
        for relation in relations
    ]
    head = ["table", "index", "MB", "bytes per award"]
    total = f"{whole / 1e9:.1f} GB in all, {whole / size.awards:.0f} bytes per award."
    return f"## Disk space: {size}\n\n{_table(head, rows)}\n{total}\n"


def pages(small: Size, large: Size, found: list[Comparison]) -> str:
    rows = [
        [
            f"`{one.address}`",
            *(
                f"{1000 * quantile(times, part):.1f}"
                for times in (one.small, one.large)
                for part in (0.5, 0.95)
            ),
            f"{one.ratio(0.5):.2f}",
            f"**{one.ratio(0.95):.2f}**" if one.missed else f"{one.ratio(0.95):.2f}",
        ]
        for one in found
        if not one.error
    ]
    head = [
        "address",
        "p50 ms",
        "p95 ms",
        "p50 ms, large",
        "p95 ms, large",
        "p50 ratio",
        "p95 ratio",
    ]
    missed = sum(one.missed for one in found)
    errors = "".join(f"- Error: {one.error}\n" for one in found if one.error)
    return (
        f"## Pages\n\n{large}, compared with {small}.\n\n{_table(head, rows)}\n{errors}"
        f"{len(found) - missed} of {len(found)} with a p95 of at most {GOAL} times that of the small community.\n"
    )


def managers(traffic: Traffic, pause: float) -> str:
    kinds = {"all": traffic.all, **dict(sorted(traffic.times.items()))}
    rows = [
        [
            kind,
            f"{len(times):,}",
            *(f"{1000 * quantile(times, part):.0f}" for part in (0.5, 0.95, 0.99)),
        ]
        for kind, times in kinds.items()
        if len(times) > 1
    ]
    how = f"pauses of {pause:.0f} s on average" if pause else "without pauses"
    rate = f"{len(traffic.all) / traffic.seconds:.0f} requests/s, {len(traffic.errors)} errors"
    told = "".join(f"- {error}\n" for error in traffic.errors[:10])
    head = ["request", "number", "p50 ms", "p95 ms", "p99 ms"]
    return f"## 50 managers, {how}\n\n{rate}.\n{told}\n{_table(head, rows)}"


def memory(before: Memory, after: Memory) -> str:
    rows = [
        [name, f"{megabytes:.0f}", f"{after[name]:.0f}" if name in after else "ended"]
        for name, megabytes in before.items()
    ]
    return f"## Memory of the processes, MB\n\n{_table(['process', 'before', 'after'], rows)}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
