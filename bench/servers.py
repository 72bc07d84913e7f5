"""Serve an app as in production, by gunicorn."""

from __future__ import annotations

import http.client
from subprocess import Popen

from tests.faults.console import Console, await_, free_port
from webapp.cli.exec_commands import gunicorn_arguments

CONSOLE = "webapp:create_app()"


def serve(console: Console, app: str = CONSOLE, **environ: str) -> tuple[Popen[bytes], int]:
    """Serve an app on the console's database, with the console's own arguments; return the process and its port."""
    port = free_port()
    arguments = [
        one for one in gunicorn_arguments(console.settings)[1:] if not one.startswith("--bind")
    ]
    process = console.start("gunicorn", app, *arguments, f"--bind=127.0.0.1:{port}", **environ)
    await_(lambda: _answers(port), 30, "the server answers")
    return process, port


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/nowhere")
        return connection.getresponse().status == 404
    except OSError:
        return False
    finally:
        connection.close()
