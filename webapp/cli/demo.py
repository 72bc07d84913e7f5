"""The demo community that `laurel start --demo` creates in a new database."""

from __future__ import annotations

import secrets

from webapp import config, create_app
from webapp.cli.settings import current_actor
from webapp.config import Settings
from webapp.database import db
from webapp.domain import demo
from webapp.models import Role
from webapp.transaction import transaction

# No characters that look alike in a terminal.
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
EXAMPLE = "example-members.csv"


def make_demo(settings: Settings | None = None) -> str:
    """Create the demo community in one transaction; return the lines to print, with the passwords, which aren't stored.

    If it exists already, the accounts get new passwords.
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
    """The lines to print: how to sign in, and what to try first."""
    return [
        "Sign in to the demo community with one of these accounts. You won't see the passwords again:",
        *(
            f"  {role.label:<18} {email:<20} {passwords[role]}"
            for role, (email, _) in demo.ACCOUNTS.items()
        ),
        f"To try a batch, use this file: {example}",
    ]


def password() -> str:
    """A random password that is easy to type: four groups of four characters, 79 bits."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(4))
