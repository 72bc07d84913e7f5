"""`laurel keys`: API keys of other systems (A-3)."""

from __future__ import annotations

from datetime import timedelta

import click

from webapp.cli.settings import current_actor, the_app
from webapp.domain.api_access import keys as api_keys
from webapp.domain.errors import DomainError
from webapp.domain.permissions import Scope
from webapp.transaction import transaction


@click.group("keys")
def group() -> None:
    """Look after the API keys of other systems."""


@group.command("add")
@click.option("--name", required=True, help="Name shown in the audit log.")
@click.option(
    "--scope",
    "scopes",
    required=True,
    multiple=True,
    type=click.Choice([str(scope) for scope in Scope]),
    help="What it may; given once for each.",
)
@click.option("--days", type=click.IntRange(1, 36500), help="How long it lives; for ever without.")
def add(name: str, scopes: tuple[str, ...], days: int | None) -> None:
    """Make a key and print it: it is not kept, and can't be shown again."""
    actor = current_actor()
    expires_at = actor.at + timedelta(days=days) if days else None
    with the_app():
        try:
            with transaction():
                text = api_keys.create(name, scopes, expires_at, actor).text
        except DomainError as refused:
            raise click.ClickException(refused.message) from None
    click.echo(text)
