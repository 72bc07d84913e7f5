"""`laurel …`: the command line, one command per way to run or look after the console."""

import click

from webapp.cli import database, members, processes, start
from webapp.config import SettingError


class Sentences(click.Group):
    """A group whose commands end with one sentence, not a traceback, where a setting is wrong."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except SettingError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=Sentences)
@click.version_option(package_name="laurel")
def main() -> None:
    """Laurel, a badge console for online communities.

    All settings come from the environment; they are listed in the guide for operators.
    """


main.add_command(start.start)
main.add_command(processes.web)
main.add_command(processes.worker)
main.add_command(processes.clock)
main.add_command(database.db)
main.add_command(members.group)
