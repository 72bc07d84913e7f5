"""`laurel web`, `worker`, `clock`: the processes of the Procfile, each taking this one's place."""

import os
import sys
from typing import NoReturn

import click

from webapp.config import Settings, load


@click.command()
def web() -> None:
    """Serve the console's pages on PORT."""
    become("gunicorn", *gunicorn_arguments(load()))


@click.command()
def worker() -> None:
    """Carry out batches and other work from the queue."""
    load()
    become("jobs.worker")


@click.command()
def clock() -> None:
    """Ring again for work that nobody does, and look after what grows old."""
    load()
    become("jobs.clock")


def gunicorn_arguments(settings: Settings) -> list[str]:
    """Gunicorn's command line for these settings."""
    return [
        "webapp:create_app()",
        "--worker-class=gthread",
        f"--workers={settings.web_workers}",
        f"--threads={settings.web_threads}",
        f"--bind={settings.host}:{settings.port}",
        # X-Forwarded-* is judged in one place, by LAUREL_PROXIES, not by gunicorn's own list.
        "--forwarded-allow-ips=",
        "--no-control-socket",
        "--graceful-timeout=5",
        "--keep-alive=5",
    ]


def become(module: str, *arguments: str) -> NoReturn:
    """Run a module in place of this process, so that signals and the exit code are its own."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])
