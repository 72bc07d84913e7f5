"""`laurel staff`: staff accounts (R-3)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from webapp.cli.settings import command_app, current_actor, load_settings
from webapp.domain.errors import DomainError, NotFoundError
from webapp.domain.staff import accounts, administration, password_links, two_factor
from webapp.models import Role
from webapp.transaction import transaction

ROLES = {**{str(role): role for role in Role}, "community-manager": Role.MANAGER}

from_stdin = click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from the first line of standard input.",
)

as_link = click.option(
    "--link",
    is_flag=True,
    help="Print a one-time link where they can set a password within 24 hours.",
)


@click.group("staff")
def group() -> None:
    """Manage staff accounts."""


@group.command("add")
@click.option("--email", required=True, help="The email address they sign in with.")
@click.option(
    "--role",
    required=True,
    type=click.Choice(list(ROLES), case_sensitive=False),
    help="Their role.",
)
@click.option("--name", default="", help="Their name, shown to colleagues.")
@from_stdin
@as_link
def add(email: str, role: str, name: str, password_stdin: bool, link: bool) -> None:
    """Create an account.

    Asks for the password, unless you use --link or --password-stdin.
    """
    password = "" if link else read_password(password_stdin)
    with exit_on_domain_error(), command_app(), transaction():
        if link:
            person, key = administration.invite(email, name, ROLES[role], current_actor())
            message = address_of(key)
        else:
            person = accounts.add(email, ROLES[role], password, name, current_actor())
            message = f"{person.email} can sign in as {person.role.label}."
    click.echo(message)


@group.command("password")
@click.option("--email", required=True, help="The account's email address.")
@from_stdin
@as_link
def password(email: str, password_stdin: bool, link: bool) -> None:
    """Change the password of an account.

    Asks for the new password, unless you use --link or --password-stdin. Changing the password signs
    the account out everywhere. With --link, the current password works until the link is used.
    """
    new = "" if link else read_password(password_stdin)
    with exit_on_domain_error(), command_app(), transaction():
        if link:
            message = address_of(password_links.create(accounts.find(email).id, current_actor()))
        else:
            person = accounts.change_password(email, new, current_actor())
            message = f"Password changed for {person.email}."
    click.echo(message)


@group.command("turn-off-two-factor")
@click.option("--email", required=True, help="The account's email address.")
def turn_off_two_factor(email: str) -> None:
    """Turn off two-factor authentication for an account.

    Use it if someone has lost both their app and their recovery codes.
    """
    with exit_on_domain_error(), command_app(), transaction():
        person = accounts.find(email)
        was_on = two_factor.remove(person.id, current_actor())
        status = "now" if was_on else "already"
        message = f"Two-factor authentication is {status} off for {person.email}."
    click.echo(message)


def address_of(key: str) -> str:
    return load_settings().address + password_links.URL_PREFIX + key


@contextmanager
def exit_on_domain_error() -> Iterator[None]:
    """End the command with the message of a domain error."""
    try:
        yield
    except DomainError as refused:
        raise click.ClickException(refused.message) from None
    except NotFoundError as missing:
        raise click.ClickException(str(missing)) from None


def read_password(from_input: bool) -> str:
    """Read the password from the first line of standard input, or ask for it twice without showing it."""
    if from_input:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
