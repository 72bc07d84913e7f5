"""`laurel staff`: accounts of the people who sign in (R-3)."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import click

from webapp.cli.settings import the_app
from webapp.domain import staff
from webapp.domain.act import Act
from webapp.domain.refusals import NotFound, Refused
from webapp.models import Role
from webapp.transaction import transaction

ROLES = {**{str(role): role for role in Role}, "community-manager": Role.MANAGER}

from_stdin = click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from the first line of standard input.",
)


@click.group("staff")
def group() -> None:
    """Look after the accounts of the staff."""


@group.command("add")
@click.option("--email", required=True, help="The address to sign in with.")
@click.option("--role", required=True, type=click.Choice(list(ROLES), case_sensitive=False))
@click.option("--name", default="", help="The name that others see.")
@from_stdin
def add(email: str, role: str, name: str, password_stdin: bool) -> None:
    """Add a person who can sign in."""
    password = read_password(password_stdin)
    with the_app():
        try:
            with transaction():
                person = staff.add(email, ROLES[role], password, name, act())
                said = f"{person.email} can sign in as {person.role.label}."
        except Refused as refused:
            raise click.ClickException(refused.message) from None
    click.echo(said)


@group.command("password")
@click.option("--email", required=True, help="Whose password.")
@from_stdin
def password(email: str, password_stdin: bool) -> None:
    """Give a person another password; whoever is signed in with the account is signed out."""
    new = read_password(password_stdin)
    with the_app():
        try:
            with transaction():
                said = (
                    f"The password of {staff.change_password(email, new, act()).email} is changed."
                )
        except Refused as refused:
            raise click.ClickException(refused.message) from None
        except NotFound as missing:
            raise click.ClickException(str(missing)) from None
    click.echo(said)


def act() -> Act:
    """The act of whoever runs the command, now."""
    return Act(at=datetime.now(UTC), origin="command line")


def read_password(from_input: bool) -> str:
    """The password: the first line of standard input, or asked twice and not shown."""
    if from_input:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
