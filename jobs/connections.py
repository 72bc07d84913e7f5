"""Pull the members of communities, and make communities show what members hold.

Each connection has threads of its own in the delivery worker.
"""

from __future__ import annotations

import time
from datetime import datetime
from functools import partial

from jobs import request_rate
from jobs.context import job, settings, stopping, worker_actor
from jobs.request_rate import RequestRate
from jobs.time_slice import Steps, run_slices
from webapp.adapters.contract import Adapter, ConnectionProblem, RetryAfter
from webapp.domain import leases
from webapp.domain.connections import comparison, pulls, pushes
from webapp.domain.connections.pushes import PendingChange, Result
from webapp.domain.connections.settings import open_adapter
from webapp.models import Connection, MemberImport
from webapp.transaction import transaction

LEASES = 3  # of the usual length: longer than a round and the request that ends it
ROUND = 100  # changes taken and recorded together
ROUND_SECONDS = 3.0  # after which a round sends no further changes


@job
def pull(import_id: int) -> None:
    run_slices(
        "pull",
        MemberImport,
        import_id,
        claim=partial(pulls.claim, import_id),
        steps=partial(_pages, import_id),
        others_wait=lambda: False,  # other connections have their own threads
        personal=True,
    )


def _pages(import_id: int, owner: str, _claimed: MemberImport) -> Steps:
    with transaction():
        connection, cursor = pulls.connection_of(import_id)
        rate = request_rate.of(connection.id, connection.rate)
    try:
        with open_adapter(connection, settings().webhook_networks) as adapter:
            while True:
                rate.wait()
                page = adapter.pull(cursor)
                with transaction():
                    lease = settings().lease_seconds
                    cursor = pulls.store(import_id, owner, lease, page, worker_actor().at)
                if not cursor:
                    return
                yield True
    except ConnectionProblem as problem:
        with transaction():
            pulls.fail(import_id, owner, problem, worker_actor().at)


@job
def push(connection_id: int) -> None:
    run_slices(
        "push",
        Connection,
        connection_id,
        claim=partial(_claim, connection_id),
        steps=partial(_rounds, connection_id),
        others_wait=lambda: False,
    )


def _claim(connection_id: int, owner: str, lease: float, at: datetime) -> Connection | None:
    return pushes.claim(connection_id, owner, LEASES * lease, at)


def _rounds(connection_id: int, owner: str, claimed: Connection) -> Steps:
    rate = request_rate.of(connection_id, claimed.rate)
    try:
        with open_adapter(claimed, settings().webhook_networks) as adapter:
            while _mark_some(connection_id, owner):
                yield True
            while _round(connection_id, owner, adapter, rate):
                yield True
            while _compare(connection_id, owner, adapter, rate):
                yield True
        with transaction():
            leases.release(Connection, connection_id, owner)
    except ConnectionProblem as problem:
        with transaction():
            pushes.fail(connection_id, owner, problem, worker_actor().at)


def _lease() -> float:
    return LEASES * settings().lease_seconds


def _mark_some(connection_id: int, owner: str) -> bool:
    with transaction():
        return pushes.mark_some(connection_id, owner, _lease(), worker_actor().at)


def _round(connection_id: int, owner: str, adapter: Adapter, rate: RequestRate) -> bool:
    """Send some changes; True if more may be due now."""
    with transaction():
        due = pushes.take(connection_id, owner, _lease(), ROUND, worker_actor().at)
    if not due:
        return False
    began = time.monotonic()
    results: list[Result] = []
    problem = _send(due, adapter, rate, results)
    if not results and problem is None:  # the process was asked to stop
        return True
    seconds = time.monotonic() - began
    more = True
    if results:
        with transaction():
            at = worker_actor().at
            more = pushes.record(connection_id, owner, _lease(), results, seconds, at)
    if problem is not None:
        raise problem
    return more


def _send(
    due: list[PendingChange], adapter: Adapter, rate: RequestRate, results: list[Result]
) -> ConnectionProblem | None:
    """Send changes until the round is over or one has to wait; return what kept it from sending more."""
    until = time.monotonic() + ROUND_SECONDS
    for start in range(0, len(due), adapter.max_changes):
        if start and time.monotonic() > until:
            return None
        rate.wait()
        if stopping():
            return None
        part = due[start : start + adapter.max_changes]
        try:
            outcomes = adapter.set_badges([pending.change for pending in part])
        except ConnectionProblem as problem:
            return problem
        results += map(Result, part, outcomes)
        if any(isinstance(outcome, RetryAfter) for outcome in outcomes):
            return None
    return None


def _compare(connection_id: int, owner: str, adapter: Adapter, rate: RequestRate) -> bool:
    """Compare a mapped badge with the community's; False if none is left."""
    with transaction():
        mapping = comparison.next_mapping(connection_id, owner, _lease())
        mapping_id, badge_id = (mapping.id, mapping.remote_id) if mapping else (0, "")
    if not mapping_id:
        return False
    there: set[str] = set()
    cursor = ""
    while True:
        rate.wait()
        began = worker_actor().at
        page = adapter.holders(badge_id, cursor)
        new = set(page.account_ids) - there
        there |= new
        if not page.next_cursor or not new:
            break
        cursor = page.next_cursor
        if stopping():
            return True
        with transaction():
            comparison.renew(connection_id, owner, _lease())
    with transaction():
        comparison.record(connection_id, owner, _lease(), mapping_id, there, began)
    return True
