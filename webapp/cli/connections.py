"""`laurel connections`: connections to communities (CN-1)."""

from __future__ import annotations

import click

from webapp.adapters.contract import ConnectionProblem
from webapp.cli.output import json_option, minute, show, table
from webapp.cli.settings import command_app, current_actor, load_settings
from webapp.domain.connections import pulls, settings
from webapp.models import Connection
from webapp.transaction import transaction

connection_id = click.argument("connection_id", metavar="ID", type=click.IntRange(1))


@click.group("connections")
def group() -> None:
    """Check connections to communities, and pull their members."""


@group.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all connections by name."""
    with command_app():
        found = settings.overview()
        header = ("ID", "Status", "Software", "Linked", "Last pull", "Community", "Address")
        rows = [
            (
                str(row.connection.id),
                _status(row.connection),
                str(row.connection.kind),
                str(row.accounts),
                minute(row.connection.pulled_at) if row.connection.pulled_at else "never",
                row.connection.name,
                row.connection.address,
            )
            for row in found
        ]
        names = ("id", "status", "kind", "linked", "pulled_at", "name", "address")
        data = [dict(zip(names, row, strict=True)) for row in rows]
        show(table(header, rows), data, as_json=as_json)


@group.command("check")
@connection_id
@json_option
def check(connection_id: int, as_json: bool) -> None:
    """Sign in to the community with this ID, and see whether members can be read and badges be given.

    The exit status is 1 if that fails.
    """
    allowed = load_settings().webhook_networks
    with command_app():
        result = settings.check(connection_id, allowed)
        with transaction():
            settings.record_check(connection_id, result, current_actor().at)
    if isinstance(result, ConnectionProblem):
        raise click.ClickException(str(result))
    warnings = [str(warning) for warning in result.warnings]
    text = f"Connected to {result.community} as {result.account}."
    data = {"community": result.community, "account": result.account, "version": result.version}
    show("\n".join([text, *warnings]), {**data, "warnings": warnings}, as_json=as_json)


@group.command("pull")
@connection_id
@click.option(
    "--apply",
    is_flag=True,
    help="Import the changes without a review, unless more than 10% of the linked members would leave.",
)
@json_option
def pull(connection_id: int, apply: bool, as_json: bool) -> None:
    """Pull the members of the community with this ID, in the background.

    Without --apply, the changes are to be reviewed on the page of the import. Does nothing if a pull is
    already running.
    """
    with command_app():
        with transaction():
            import_id = pulls.start(connection_id, current_actor(), unattended=apply).id
        show(f"Pull started as import {import_id}.", {"import_id": str(import_id)}, as_json=as_json)


def _status(connection: Connection) -> str:
    if connection.disabled_at:
        return "Off"
    return "Failing" if connection.problem else "On"
