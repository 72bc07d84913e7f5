"""`laurel …`: the command line, to run and manage the console."""

from importlib import import_module

import click

from webapp import package
from webapp.config import SettingError

# Imported only when used: `laurel web` doesn't load what `members import` needs.
COMMANDS = {
    "start": "webapp.cli.start:start",
    "web": "webapp.cli.exec_commands:web",
    "worker": "webapp.cli.exec_commands:worker",
    "deliveries": "webapp.cli.exec_commands:deliveries",
    "clock": "webapp.cli.exec_commands:clock",
    "activities": "webapp.cli.activities:group",
    "keys": "webapp.cli.keys:group",
    "db": "webapp.cli.database:db",
    "members": "webapp.cli.members:group",
    "staff": "webapp.cli.staff:group",
    "backup": "webapp.cli.backups:backup_command",
    "restore": "webapp.cli.backups:restore_command",
}


class Commands(click.Group):
    """The commands of `COMMANDS`; an invalid setting ends them with a message instead of a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except SettingError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=Commands)
@click.version_option(package_name=package.DISTRIBUTION)
def main() -> None:
    """Laurel, a badge console for online communities.

    “laurel start” runs everything on one machine. All settings are environment variables; the
    operations guide lists them.
    """
