"""Connections: which communities there are, how to sign in there, and whether they work (CN-1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import ColumnElement, and_, func, select

from webapp.adapters import adapter_for
from webapp.adapters.contract import Adapter, AdapterKind, Check, ConnectionProblem, Credentials
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.errors import DomainError, ErrorCollector
from webapp.domain.lookup import NO_KEY_UPDATE, require
from webapp.domain.webhooks import url_policy
from webapp.infrastructure import job_queue
from webapp.infrastructure.encryption import DecryptionError, decrypt, encrypt, needs_reencryption
from webapp.models import Connection, MatchBy, MemberAccount

T = TypeVar("T")

MOST = 20
RATES = {AdapterKind.WORDPRESS: 120, AdapterKind.DISCOURSE: 55, AdapterKind.NODEBB: 120}
LEAST_PER_MINUTE, MOST_PER_MINUTE = 10, 6_000
ACCOUNT_LENGTH, SECRET_LENGTH = 255, 1_000
BACKOFF, LONGEST_BACKOFF = 5, 600  # seconds, doubled with each failure
UNTIL_FIXED = 3_600  # seconds after which it is tried again though a person should do something


@dataclass(frozen=True)
class ConnectionFields:
    """What a person enters. Without a `secret`, the stored one is kept."""

    kind: str
    address: str
    account: str = ""
    secret: str = ""
    match_by: str = MatchBy.ID
    imports_members: bool = True
    shows_awards: bool = True
    rate: int | None = None  # requests per minute; by default, the usual one of the kind


@dataclass(frozen=True)
class ConnectionSummary:
    connection: Connection
    accounts: int


def validate(
    fields: ConnectionFields, allowed: Iterable[str], kept: Connection | None = None
) -> None:
    """Raise DomainError with the errors of all fields."""
    refusals = ErrorCollector()
    with refusals:
        if fields.kind not in set(AdapterKind):
            raise DomainError("connections.kind_missing", "kind")
    with refusals:
        _validate_address(fields.address, allowed)
    with refusals:
        if len(fields.account) > ACCOUNT_LENGTH:
            raise DomainError("connections.account_too_long", "account", limit=ACCOUNT_LENGTH)
    with refusals:
        if not fields.secret and (kept is None or _moves(fields, kept)):
            raise DomainError("connections.secret_missing", "secret")
        if len(fields.secret) > SECRET_LENGTH:
            raise DomainError("connections.secret_too_long", "secret", limit=SECRET_LENGTH)
    with refusals:
        if fields.match_by not in set(MatchBy):
            raise DomainError("connections.match_missing", "match_by")
    with refusals:
        least, most = LEAST_PER_MINUTE, MOST_PER_MINUTE
        if fields.rate is not None and not least <= fields.rate <= most:
            raise DomainError("connections.rate_invalid", "rate", least=least, limit=most)
    refusals.raise_if_any()


def _validate_address(address: str, allowed: Iterable[str]) -> None:
    try:
        url_policy.target(address, allowed)
    except DomainError as problem:
        raise DomainError(problem.text.code, "address", **problem.text.values) from None


def _moves(fields: ConnectionFields, connection: Connection) -> bool:
    """True if the stored secret would be sent to another address, or be that of another account."""
    return (fields.kind, fields.address, fields.account) != (
        connection.kind,
        connection.address,
        connection.account,
    )


def check_fields(
    fields: ConnectionFields, allowed: Iterable[str], kept: Connection | None = None
) -> Check:
    """Validate the fields, and sign in with them. Raises DomainError; call it outside a transaction."""
    validate(fields, allowed, kept)
    url_policy.ensure_public(fields.address, allowed)
    secret = fields.secret or (_secret(kept) if kept else "")
    with _domain_errors(), closing(_adapter(fields, secret, allowed)) as adapter:
        return adapter.check()


def create(
    fields: ConnectionFields, check: Check, allowed: Iterable[str], actor: Actor
) -> Connection:
    """Create a connection that has been checked; not idempotent. Raises DomainError with the errors of all fields."""
    validate(fields, allowed)
    if (db.session.scalar(select(func.count()).select_from(Connection)) or 0) >= MOST:
        raise DomainError("connections.too_many", limit=MOST)
    kind = AdapterKind(fields.kind)
    connection = Connection(
        kind=kind,
        address=fields.address,
        account=fields.account,
        secret=encrypt(fields.secret),
        match_by=MatchBy(fields.match_by),
        imports_members=fields.imports_members,
        shows_awards=fields.shows_awards,
        rate=fields.rate or RATES[kind],
        created_at=actor.at,
        created_by=actor.staff_id,
    )
    _record_check(connection, check, actor.at)
    db.session.add(connection)
    db.session.flush()
    audit_log.write(actor, "connection.made", "connection", connection.id)
    return connection


def change(
    connection_id: int,
    fields: ConnectionFields,
    check: Check,
    allowed: Iterable[str],
    actor: Actor,
) -> bool:
    """Change a connection whose new values have been checked; return whether anything changed. Raises as `create`."""
    connection = _lock(connection_id)
    validate(fields, allowed, connection)
    if fields.kind != connection.kind:
        raise DomainError("connections.kind_fixed", "kind")
    values = {
        "address": fields.address,
        "account": fields.account,
        "match_by": fields.match_by,
        "imports_members": fields.imports_members,
        "shows_awards": fields.shows_awards,
        "rate": fields.rate or RATES[connection.kind],
    }
    changed = {name for name, value in values.items() if getattr(connection, name) != value}
    moved = "address" in changed
    for name in changed:
        setattr(connection, name, values[name])
    if fields.secret:
        connection.secret = encrypt(fields.secret)
    _record_check(connection, check, actor.at)
    job_queue.enqueue_after_commit("push", connection.id)
    if changed or fields.secret:
        after = {"after": connection.address} if moved else {}
        audit_log.write(actor, "connection.changed", "connection", connection.id, **after)
    return bool(changed or fields.secret)


def switch(connection_id: int, on: bool, actor: Actor) -> Connection:
    """Turn a connection on or off. Idempotent. What changes while it is off is sent later."""
    connection = _lock(connection_id)
    if on == (connection.disabled_at is None):
        return connection
    connection.disabled_at = None if on else actor.at
    connection.failures, connection.backoff_until = 0, None
    if on:
        job_queue.enqueue_after_commit("push", connection.id)
        audit_log.write(actor, "connection.enabled", "connection", connection.id)
    else:
        audit_log.write(actor, "connection.disabled", "connection", connection.id)
    return connection


def remove(connection_id: int, actor: Actor) -> str:
    """Remove a connection with its accounts. Members, and what the community shows, stay as they are."""
    connection = _lock(connection_id)
    title = connection.title
    audit_log.write(actor, "connection.removed", "connection", connection.id, name=title)
    db.session.delete(connection)
    return title


def get(connection_id: int) -> Connection:
    return require(Connection, connection_id, fresh=True)


def overview() -> list[ConnectionSummary]:
    """Return all connections by name, with the number of linked accounts; two queries."""
    connections = db.session.scalars(
        select(Connection).order_by(Connection.name, Connection.id),
        execution_options={"populate_existing": True},
    ).all()
    counted = select(MemberAccount.connection_id, func.count()).group_by(
        MemberAccount.connection_id
    )
    accounts: dict[int, int] = dict(db.session.execute(counted).all())
    return [ConnectionSummary(one, accounts.get(one.id, 0)) for one in connections]


def is_failing() -> ColumnElement[bool]:
    """True for a connection whose last call failed; not for one that is off."""
    return and_(Connection.failures > 0, Connection.disabled_at.is_(None))


def failing() -> list[Connection]:
    """Return the connections whose last call failed, by name; one query."""
    query = select(Connection).where(is_failing()).order_by(Connection.name, Connection.id)
    return list(db.session.scalars(query, execution_options={"populate_existing": True}))


@contextmanager
def open_adapter(connection: Connection, allowed: Iterable[str]) -> Iterator[Adapter]:
    """An adapter for a connection; use it outside a transaction. Raises ConnectionProblem."""
    try:
        adapter = _adapter(connection, _secret(connection), allowed)
    except DomainError as problem:
        raise ConnectionProblem(problem.text.code, **problem.text.values) from None
    with closing(adapter):
        yield adapter


def fetch(connection: Connection, allowed: Iterable[str], call: Callable[[Adapter], T]) -> T:
    """Ask a community for something; call it outside a transaction. Raises DomainError if it fails."""
    with _domain_errors(), open_adapter(connection, allowed) as adapter:
        return call(adapter)


def check(connection_id: int, allowed: Iterable[str]) -> Check | ConnectionProblem:
    """Sign in to a community; call it outside a transaction, and pass the result to `record_check`."""
    try:
        with open_adapter(get(connection_id), allowed) as adapter:
            return adapter.check()
    except ConnectionProblem as problem:
        return problem


def record_check(connection_id: int, result: Check | ConnectionProblem, at: datetime) -> None:
    """Store the result of a check. A success ends the pause after failures."""
    connection = _lock(connection_id)
    if isinstance(result, Check):
        _record_check(connection, result, at)
    else:
        record_problem(connection, result, at)


def record_problem(connection: Connection, problem: ConnectionProblem, at: datetime) -> None:
    """Store why a call failed, and pause: longer each time, and at least as long as the community asked for."""
    connection.failures += 1
    connection.problem = problem.message.to_json()
    pause = min(LONGEST_BACKOFF, BACKOFF * 2 ** min(connection.failures - 1, 10))
    if not problem.temporary:  # repeating a wrong password could lock the account
        pause = UNTIL_FIXED
    connection.backoff_until = at + timedelta(seconds=max(pause, min(problem.retry_after, 3_600)))


def record_success(connection: Connection) -> None:
    if connection.failures or connection.problem:
        connection.failures, connection.backoff_until, connection.problem = 0, None, []


def reencrypt_secrets() -> None:
    """Encrypt the secrets with the current SECRET_KEY. Skips undecryptable ones: their next use reports them."""
    for connection in db.session.scalars(select(Connection)):
        for name in ("secret", "account_key"):
            encrypted = getattr(connection, name)
            if encrypted and needs_reencryption(encrypted):
                with suppress(DecryptionError):
                    setattr(connection, name, encrypt(decrypt(encrypted)))


def _adapter(to: ConnectionFields | Connection, secret: str, allowed: Iterable[str]) -> Adapter:
    """Return an adapter, to be closed after use. Raises DomainError if the address may not be connected to."""
    target = url_policy.target(to.address, allowed)
    credentials = Credentials(to.account, secret)
    return adapter_for(AdapterKind(to.kind), target, credentials, tuple(allowed))


@contextmanager
def _domain_errors() -> Iterator[None]:
    """Raise a problem of the block as DomainError."""
    try:
        yield
    except ConnectionProblem as problem:
        raise DomainError(problem.message.code, **problem.message.values) from None


def _record_check(connection: Connection, check: Check, at: datetime) -> None:
    connection.name, connection.version = check.community[:190], check.version[:60]
    connection.checked_at = at
    record_success(connection)


def _secret(connection: Connection) -> str:
    try:
        return decrypt(connection.secret)
    except DecryptionError:
        raise DomainError("connections.secret_unreadable", "secret") from None


def _lock(connection_id: int) -> Connection:
    return require(Connection, connection_id, lock=NO_KEY_UPDATE)
