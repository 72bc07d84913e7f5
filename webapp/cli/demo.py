"""The demo community that `laurel start --demo` makes in a new database."""

from __future__ import annotations

import secrets

from webapp import config, create_app
from webapp.cli.settings import current_actor
from webapp.config import Settings
from webapp.database import db
from webapp.domain import demo
from webapp.models import Role
from webapp.transaction import transaction

# Nothing that can be taken for something else when it is read from a terminal and typed.
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
EXAMPLE = "example-members.csv"


def make_demo(settings: Settings | None = None) -> str:
    """Makes the demo community; returns the lines to print, with passwords that stand nowhere else.

    It is made in one transaction: cut off, it is not there at all. Made again, the accounts get new passwords.
    """
    settings = settings or config.load()
    passwords = {role: password() for role in demo.ACCOUNTS}
    app = create_app(settings, web=False)
    with app.app_context():
        with transaction():
            demo.make(passwords, current_actor())
        example = settings.data / EXAMPLE
        settings.data.mkdir(parents=True, exist_ok=True)
        example.write_bytes(demo.example_file())
        db.session.remove()
        db.engine.dispose()
    return "\n".join(lines(passwords, str(example)))


def lines(passwords: dict[Role, str], example: str) -> list[str]:
    """What is printed: how to sign in, and what to try first."""
    return [
        "Sign in to the demo community with one of these; the passwords are shown this once:",
        *(
            f"  {role.label:<18} {email:<20} {passwords[role]}"
            for role, (email, _) in demo.ACCOUNTS.items()
        ),
        f"A file to try a batch with: {example}",
    ]


def password() -> str:
    """A random password, easy to copy by hand: four groups of four, 79 bits."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(4))
