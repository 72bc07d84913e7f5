"""`laurel staff`: staff accounts (R-3)."""

from __future__ import annotations

from typing import Any

import click

from webapp.cli.files import standard_input
from webapp.cli.output import json_option, minute, show, table
from webapp.cli.settings import command_app, current_actor, load_settings
from webapp.domain.staff import accounts, administration, break_glass, password_links, two_factor
from webapp.domain.staff.administration import Account
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
@json_option
def add(email: str, role: str, name: str, password_stdin: bool, link: bool, as_json: bool) -> None:
    """Create an account.

    Asks for the password, unless you use --link or --password-stdin.
    """
    password = "" if link else read_password(password_stdin)
    with command_app(), transaction():
        if link:
            person, key = administration.invite(email, name, ROLES[role], current_actor())
            show_link(person.id, key, as_json=as_json)
        else:
            person = accounts.add(email, ROLES[role], password, name, current_actor())
            text = f"{person.email} can sign in as {person.role.label}."
            show(text, as_data(administration.get(person.id)), as_json=as_json)


@group.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all accounts by name, disabled ones last."""
    with command_app():
        found = administration.list_accounts()
    header = ("Email", "Role", "Status", "Two-factor", "Last seen (UTC)", "Name")
    rows = [
        (
            account.person.email,
            account.person.role_label,
            account.status,
            "On" if account.factor_since else "Off",
            minute(account.seen_at, "Never"),
            account.person.name,
        )
        for account in found
    ]
    show(table(header, rows), [as_data(account) for account in found], as_json=as_json)


@group.command("password")
@click.option("--email", required=True, help="The account's email address.")
@from_stdin
@as_link
@json_option
def password(email: str, password_stdin: bool, link: bool, as_json: bool) -> None:
    """Change the password of an account.

    Asks for the new password, unless you use --link or --password-stdin. Changing the password signs
    the account out everywhere. With --link, the current password works until the link is used.
    """
    new = "" if link else read_password(password_stdin)
    with command_app(), transaction():
        if link:
            person = accounts.find(email)
            show_link(person.id, password_links.create(person.id, current_actor()), as_json=as_json)
        else:
            person = accounts.change_password(email, new, current_actor())
            text = f"Password changed for {person.email}."
            show(text, as_data(administration.get(person.id)), as_json=as_json)


@group.command("turn-off-two-factor")
@click.option("--email", required=True, help="The account's email address.")
@json_option
def turn_off_two_factor(email: str, as_json: bool) -> None:
    """Turn off two-factor authentication for an account.

    Use it if someone has lost both their app and their recovery codes.
    """
    with command_app(), transaction():
        person = accounts.find(email)
        status = "now" if two_factor.remove(person.id, current_actor()) else "already"
        text = f"Two-factor authentication is {status} off for {person.email}."
        show(text, as_data(administration.get(person.id)), as_json=as_json)


@group.command("break-glass")
@click.option("--email", required=True, help="The account's email address.")
@click.option("--off", is_flag=True, help="Make them no longer one.")
@json_option
def set_break_glass(email: str, off: bool, as_json: bool) -> None:
    """Make someone a break-glass admin.

    They can always sign in with a password, also with LAUREL_PASSWORDS=break-glass. The last one
    can't be removed.
    """
    with command_app(), transaction():
        person = accounts.find(email)
        change = break_glass.turn_off if off else break_glass.turn_on
        status = "now" if change(person.id, current_actor()) else "already"
        text = f"{person.email} is {status} {'no' if off else 'a'} break-glass admin."
        show(text, as_data(administration.get(person.id)), as_json=as_json)


def show_link(staff_id: int, key: str, *, as_json: bool) -> None:
    link = load_settings().address + password_links.URL_PREFIX + key
    show(link, {**as_data(administration.get(staff_id)), "link": link}, as_json=as_json)


def as_data(account: Account) -> dict[str, Any]:
    return {
        "id": str(account.person.id),
        "email": account.person.email,
        "name": account.person.name,
        "role": account.person.role,
        "status": account.status.lower(),
        "break_glass": account.person.break_glass,
        "two_factor": account.factor_since is not None,
        "created_at": account.person.created_at,
        "seen_at": account.seen_at,
    }


def read_password(from_input: bool) -> str:
    """Read the password from the first line of standard input, or ask for it twice without showing it."""
    if not from_input:
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    try:
        return standard_input().readline().decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise click.ClickException("The password isn't in UTF-8.") from None
