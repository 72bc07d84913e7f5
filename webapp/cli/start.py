"""`laurel start`: the whole console on one machine, without other servers."""

import contextlib
import fcntl
import http.client
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import click

from webapp import package
from webapp.cli import database, exec_commands, valkey
from webapp.cli.child_process import Child
from webapp.cli.errors import errors_as_messages
from webapp.cli.settings import command_app, current_actor
from webapp.cli.supervisor import Supervisor, logs_json, say, write_line
from webapp.config import Settings, data_folder, load
from webapp.domain.staff import first_admin
from webapp.infrastructure import log_format, running_console
from webapp.transaction import transaction

GRACE = 10.0  # seconds for a running job to reach its next stop
PORT_PATIENCE = 10.0  # seconds for the remains of a killed start to release the port
VALKEY_PATIENCE = 60.0  # seconds to read a long append-only file
WEB_PATIENCE = 60.0


@click.command()
@click.option("--demo", is_flag=True, help="Fill a new database with a demo community.")
def start(demo: bool) -> None:
    """Run the whole console on this machine.

    Starts the web server, a worker, a worker for webhooks (deliveries), the scheduler (clock) and,
    unless REDIS_URL is set, a queue server. Press Ctrl-C to stop them all.
    """
    with errors_as_lines():
        start_all(demo)


@contextlib.contextmanager
def errors_as_lines() -> Iterator[None]:
    """With LAUREL_LOGS=json, the message of a failed start is an object too."""
    try:
        with errors_as_messages():
            yield
    except click.ClickException as error:
        if not logs_json():
            raise
        for line in error.format_message().splitlines():
            write_line(line, level="ERROR")
        raise SystemExit(error.exit_code) from None


def start_all(demo: bool) -> None:
    data = data_folder(os.environ)
    os.umask(0o077)  # personal data: no other user of this machine may read it
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise click.ClickException(
            f"The folder {data} can't be created: {error.strerror}."
        ) from None
    with locked(data) as was_killed:
        os.environ["LAUREL_DATA"] = str(data)
        if not os.environ.get("SECRET_KEY"):
            os.environ["SECRET_KEY"] = load_or_create_secret(data / "secret_key")
        settings = load()
        if settings.logs == "json":
            log_format.setup(settings.logs)
        wait_for_port(settings, PORT_PATIENCE if was_killed else 0)
        message = prepare(settings, demo)
        running_console.note_address(settings)
        with Supervisor() as supervisor:
            run(supervisor, settings, message)
    say("Stopped.")


def run(supervisor: Supervisor, settings: Settings, message: str) -> None:
    """Start the queue server and then the rest; stop them in reverse order."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    server: Child | None = None
    if not settings.redis_url:
        server, address = valkey.prepare(settings, environment)
        environment["REDIS_URL"] = running_console.socket_url(address)
        supervisor.start(server)
        if not supervisor.until(lambda: valkey.answers(address), seconds=VALKEY_PATIENCE):
            if supervisor.stop_requests:
                return
            raise click.ClickException(
                f"The queue server didn't start. See {settings.data}/valkey/valkey.log."
            )
    members = [
        Child(name, command, environment)
        for name, command in exec_commands.commands(settings).items()
    ]
    for child in members:
        supervisor.start(child)
    if supervisor.until(answering(settings), seconds=WEB_PATIENCE):
        say(f"Laurel is at {settings.address}")
        for line in message.splitlines():
            say(line)
    supervisor.run()
    say("Stopping…")
    supervisor.stop(members, grace=GRACE)
    if server:
        supervisor.stop([server], grace=GRACE)
        valkey.tidy(settings.data, address)


@contextlib.contextmanager
def locked(data: Path) -> Iterator[bool]:
    """Lock the data folder for this start; yield whether the last one was killed.

    The lock is released when the process ends, however it ends; the file stays. It contains the
    holder's process ID, cleared after a clean end.
    """
    with open(data / "start.lock", "a+", encoding="ascii") as file:
        file.seek(0)
        holder = file.read().strip()
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise click.ClickException(
                f"Laurel is already running on {data} (process {holder or 'unknown'}). Stop it first, "
                "or set LAUREL_DATA to another folder."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield bool(holder)
        file.truncate(0)


def load_or_create_secret(path: Path) -> str:
    """The secret of this data folder, created once and readable only by this user."""
    if not path.exists():
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(descriptor)
        part.replace(path)
    path.chmod(0o600)
    return path.read_text(encoding="ascii").strip()


def wait_for_port(settings: Settings, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            with socket.create_server((settings.host, settings.port), family=family(settings.host)):
                return
        except OSError as error:
            if time.monotonic() >= deadline:
                raise click.ClickException(
                    f"Port {settings.port} on {settings.host} can't be used "
                    f"({os.strerror(error.errno or 0).lower()}). Set PORT to another one."
                ) from None
        time.sleep(0.1)


def family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def prepare(settings: Settings, demo: bool) -> str:
    """Upgrade the database, create the demo community if it's new; return how to sign in."""
    unfinished = settings.data / "demo.unfinished"
    demo = demo and (unfinished.exists() or database.is_new(settings))
    if demo:
        require_demo_extra()
        unfinished.touch()
    database.upgrade(settings)
    if not demo:
        return setup_link(settings) or "Sign in with your account."
    say("Creating the demo community…")
    from webapp.cli.demo import make_demo  # only now: it needs the extra

    for line in make_demo().splitlines():  # at once, so that a later failure doesn't lose them
        write_line(line)  # if no one can read the passwords, the next start makes new ones
    unfinished.unlink()
    return "Sign in with one of the accounts above. You won't see their passwords again."


def setup_link(settings: Settings) -> str:
    """How to create the first admin, with a new link; "" if there is one."""
    with command_app(), transaction():
        key = first_admin.create_link(current_actor())
    if key is None:
        return ""
    return (
        "No one can sign in yet. Open this link to create the first account (valid for 24 hours, works once):\n"
        f"  {settings.address}{first_admin.URL_PREFIX}{key}"
    )


def require_demo_extra() -> None:
    if not find_spec("faker"):
        raise click.ClickException(
            "The demo community needs Faker. Install it with "
            f"“pip install '{package.DISTRIBUTION}[demo]'”, or start without --demo."
        )


def answering(settings: Settings) -> Callable[[], bool]:
    """A condition that is true once the web process answers; a thread checks it, because it may take seconds."""
    answered = threading.Event()
    threading.Thread(target=wait_until_healthy, args=(settings, answered), daemon=True).start()
    return answered.is_set


def wait_until_healthy(settings: Settings, answered: threading.Event) -> None:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    name = settings.trusted_hosts[0].lstrip(".")
    deadline = time.monotonic() + WEB_PATIENCE
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection(host, settings.port, timeout=10)
        try:
            connection.request("GET", "/healthz", headers={"Host": name})
            if connection.getresponse().status < 500:
                answered.set()
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
        finally:
            connection.close()
    say("The web process doesn't answer yet. See its messages.")
