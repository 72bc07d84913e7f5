"""`laurel …`: the command line, to run and manage the console."""

from importlib import import_module
from typing import Any

import click

from webapp import package
from webapp.cli.errors import errors_as_messages, os_errors_as_messages

# Imported only when used: `laurel web` doesn't load what `members import` needs.
COMMANDS = {
    "start": "webapp.cli.start:start",
    "web": "webapp.cli.exec_commands:web",
    "worker": "webapp.cli.exec_commands:worker",
    "deliveries": "webapp.cli.exec_commands:deliveries",
    "clock": "webapp.cli.exec_commands:clock",
    "activities": "webapp.cli.activities:group",
    "awards": "webapp.cli.awards:group",
    "connections": "webapp.cli.connections:group",
    "keys": "webapp.cli.keys:group",
    "db": "webapp.cli.database:db",
    "members": "webapp.cli.members:group",
    "oidc": "webapp.cli.oidc:group",
    "staff": "webapp.cli.staff:group",
    "webhooks": "webapp.cli.webhooks:group",
    "backup": "webapp.cli.backups:backup_command",
    "restore": "webapp.cli.backups:restore_command",
}


class Commands(click.Group):
    """The commands of `COMMANDS`; errors end them with a message instead of a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> object:
        with errors_as_messages():
            return super().invoke(ctx)

    def main(self, *args: Any, **extra: Any) -> Any:
        with os_errors_as_messages():
            return super().main(*args, **extra)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name=package.DISTRIBUTION)
def main() -> None:
    """Laurel, a badge console for online communities.

    “laurel start” runs everything on one machine. All settings are environment variables; the
    operations guide lists them. The exit status is 1 if a request is rejected or something fails,
    and 2 for wrong usage.
    """
