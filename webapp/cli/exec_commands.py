"""`laurel web`, `worker`, `clock`: the processes of the Procfile, each taking this one's place."""

import os
import sys
from typing import NoReturn

import click

from webapp.cli.settings import here
from webapp.config import Settings
from webapp.infrastructure import running_console

MODULES = {"web": "gunicorn", "worker": "jobs.worker", "clock": "jobs.clock"}


@click.command()
def web() -> None:
    """Serve the console's pages on PORT."""
    become("web")


@click.command()
def worker() -> None:
    """Carry out batches and other work from the queue."""
    become("worker")


@click.command()
def clock() -> None:
    """Ring again for work that nobody does, and look after what grows old."""
    become("clock")


def commands(settings: Settings) -> dict[str, list[str]]:
    commands = {name: [sys.executable, "-m", module] for name, module in MODULES.items()}
    commands["web"] += gunicorn_arguments(settings)
    return commands


def gunicorn_arguments(settings: Settings) -> list[str]:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return [
        "webapp:create_app()",
        "--worker-class=webapp.cli.gunicorn_worker.Worker",
        f"--workers={settings.web_workers}",
        f"--threads={settings.web_threads}",
        f"--bind={host}:{settings.port}",
        # X-Forwarded-* is judged in one place, by LAUREL_PROXIES, not by gunicorn's own list.
        "--forwarded-allow-ips=",
        "--limit-request-line=8190",  # the most there is: a cursor of the API may be long
        "--no-sendfile",  # responses go through the worker's own spool
        "--no-control-socket",
        "--logger-class=webapp.cli.gunicorn_logs.Log",
        "--graceful-timeout=5",
        "--keep-alive=5",
    ]


def become(name: str) -> NoReturn:
    """Run a process in place of this one, so that signals and the exit code are its own."""
    settings = here()
    os.environ["SECRET_KEY"] = settings.secret_key
    if name == "web":
        running_console.note_address(settings)
    command = commands(settings)[name]
    sys.stdout.flush()
    os.execv(command[0], command)
