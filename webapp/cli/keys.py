"""`laurel keys`: API keys for other systems (A-3)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import click

from webapp.cli.output import json_option, minute, show, table
from webapp.cli.settings import command_app, current_actor
from webapp.domain.api_access import keys as api_keys
from webapp.domain.permissions import Scope
from webapp.models import ApiKey
from webapp.transaction import transaction


@click.group("keys")
def group() -> None:
    """Manage API keys for other systems."""


@group.command("add")
@click.option("--name", required=True, help="The key's name, shown in the audit log.")
@click.option(
    "--scope",
    "scopes",
    required=True,
    multiple=True,
    type=click.Choice([str(scope) for scope in Scope]),
    help="What the key can do. Repeat the option for more scopes.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 36500),
    help="How many days the key works. Without it, the key never expires.",
)
@json_option
def add(name: str, scopes: tuple[str, ...], days: int | None, as_json: bool) -> None:
    """Create a key and print it.

    Store it right away: you won't see it again.
    """
    actor = current_actor()
    expires_at = actor.at + timedelta(days=days) if days else None
    with command_app(), transaction():
        made = api_keys.create(name, scopes, expires_at, actor)
        show(made.text, {**as_data(made.key, actor.at), "key": made.text}, as_json=as_json)


@group.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all keys: those that work, then the revoked ones, newest first.

    The keys themselves aren't stored; Key is the beginning of each.
    """
    with command_app():
        now, keys = current_actor().at, api_keys.all_keys()
        header = ("ID", "Key", "Status", "Expires (UTC)", "Last used (UTC)", "Name", "Scopes")
        rows = [
            (
                str(key.id),
                f"{key.hint}…",
                status(key, now).capitalize(),
                minute(key.expires_at, "Never"),
                minute(key.used_at, "Never"),
                key.name,
                " ".join(key.scopes),
            )
            for key in keys
        ]
        show(table(header, rows), [as_data(key, now) for key in keys], as_json=as_json)


@group.command("revoke")
@click.argument("key_id", metavar="ID", type=click.IntRange(1))
@json_option
def revoke(key_id: int, as_json: bool) -> None:
    """Revoke the key with this ID.

    Anything using it stops working immediately. “laurel keys list” shows the IDs.
    """
    actor = current_actor()
    with command_app():
        with transaction():
            changed = api_keys.revoke(key_id, actor)
        key = api_keys.get(key_id)
        text = f"Key “{key.name}” {'revoked' if changed else 'has already been revoked'}."
        show(text, as_data(key, actor.at), as_json=as_json)


def status(key: ApiKey, at: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expired(at) else "active"


def as_data(key: ApiKey, at: datetime) -> dict[str, Any]:
    return {
        "id": str(key.id),
        "name": key.name,
        "hint": key.hint,
        "scopes": key.scopes,
        "status": status(key, at),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "used_at": key.used_at,
        "revoked_at": key.revoked_at,
    }
