"""`laurel start`: the whole console on one machine."""

import click


@click.command()
@click.option("--demo", is_flag=True, help="Fill a new database with a demo community.")
def start(demo: bool) -> None:
    """Run web, worker, clock and, without REDIS_URL, the queue's server; Ctrl-C ends them all."""
    raise click.ClickException("not built yet")
