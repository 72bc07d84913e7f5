"""`laurel web`, `worker`, `deliveries` and `clock`: the processes of the Procfile; each replaces this process."""

import os
import sys
from typing import NoReturn

import click

from webapp.cli.settings import load_settings
from webapp.config import Settings
from webapp.infrastructure import running_console

MODULES = {
    "web": "gunicorn",
    "worker": "jobs.worker",
    "deliveries": "jobs.delivery_worker",
    "clock": "jobs.clock",
}


@click.command()
def web() -> None:
    """Serve the console and the API on PORT."""
    become("web")


@click.command()
def worker() -> None:
    """Process batches, imports and rules."""
    become("worker")


@click.command()
def deliveries() -> None:
    """Send webhooks."""
    become("deliveries")


@click.command()
def clock() -> None:
    """Run the scheduler.

    It re-queues stalled work, cleans up old data, and evaluates rules that depend on time.
    """
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
        # LAUREL_PROXIES alone decides which X-Forwarded-* headers count, not gunicorn's own list.
        "--forwarded-allow-ips=",
        "--header-map=drop",  # X_Remote_User never looks like X-Remote-User, whatever the proxy passes on
        "--limit-request-line=8190",  # gunicorn's maximum: cursors of the API can be long
        "--no-sendfile",  # responses go through the worker's own spool
        "--no-control-socket",
        "--logger-class=webapp.cli.gunicorn_logs.Log",
        "--graceful-timeout=5",
        "--keep-alive=5",
    ]


def become(name: str) -> NoReturn:
    """Replace this process with another, which gets the signals and sets the exit status."""
    settings = load_settings()
    os.environ["SECRET_KEY"] = settings.secret_key
    if name == "web":
        running_console.note_address(settings)
    command = commands(settings)[name]
    os.execv(command[0], command)
