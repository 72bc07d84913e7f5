"""`laurel staff`: accounts of the people who sign in (R-3)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from webapp.cli.settings import current_actor, here, the_app
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
    help="Print a one-time link, good for 24 hours, behind which they choose the password.",
)


@click.group("staff")
def group() -> None:
    """Look after the accounts of the staff."""


@group.command("add")
@click.option("--email", required=True, help="The address to sign in with.")
@click.option("--role", required=True, type=click.Choice(list(ROLES), case_sensitive=False))
@click.option("--name", default="", help="The name that others see.")
@from_stdin
@as_link
def add(email: str, role: str, name: str, password_stdin: bool, link: bool) -> None:
    """Add a person who can sign in."""
    password = "" if link else read_password(password_stdin)
    with said_plainly(), the_app(), transaction():
        if link:
            person, key = administration.invite(email, name, ROLES[role], current_actor())
            message = address_of(key)
        else:
            person = accounts.add(email, ROLES[role], password, name, current_actor())
            message = f"{person.email} can sign in as {person.role.label}."
    click.echo(message)


@group.command("password")
@click.option("--email", required=True, help="Whose password.")
@from_stdin
@as_link
def password(email: str, password_stdin: bool, link: bool) -> None:
    """Give a person another password; whoever is signed in with the account is signed out."""
    new = "" if link else read_password(password_stdin)
    with said_plainly(), the_app(), transaction():
        if link:
            message = address_of(password_links.create(accounts.find(email).id, current_actor()))
        else:
            message = f"The password of {accounts.change_password(email, new, current_actor()).email} is changed."
    click.echo(message)


@group.command("remove-second-factor")
@click.option("--email", required=True, help="Whose second factor.")
def remove_second_factor(email: str) -> None:
    """Turn off the second factor of a person who has lost it."""
    with said_plainly(), the_app(), transaction():
        person = accounts.find(email)
        was_on = two_factor.remove(person.id, current_actor())
        message = f"{person.email} signs in with the password alone."
    click.echo(message if was_on else f"There was none. {message}")


def address_of(key: str) -> str:
    return here().address + password_links.URL_PREFIX + key


@contextmanager
def said_plainly() -> Iterator[None]:
    """Ends the command with the domain's sentence where it says no."""
    try:
        yield
    except DomainError as refused:
        raise click.ClickException(refused.message) from None
    except NotFoundError as missing:
        raise click.ClickException(str(missing)) from None


def read_password(from_input: bool) -> str:
    """The password: the first line of standard input, or asked twice and not shown."""
    if from_input:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
