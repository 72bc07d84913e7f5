"""`laurel keys`: API keys for other systems (A-3)."""

from __future__ import annotations

from datetime import timedelta

import click

from webapp.cli.settings import command_app, current_actor
from webapp.domain.api_access import keys as api_keys
from webapp.domain.errors import DomainError
from webapp.domain.permissions import Scope
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
def add(name: str, scopes: tuple[str, ...], days: int | None) -> None:
    """Create a key and print it.

    Store it right away: you won't see it again.
    """
    actor = current_actor()
    expires_at = actor.at + timedelta(days=days) if days else None
    with command_app():
        try:
            with transaction():
                text = api_keys.create(name, scopes, expires_at, actor).text
        except DomainError as refused:
            raise click.ClickException(refused.message) from None
    click.echo(text)
