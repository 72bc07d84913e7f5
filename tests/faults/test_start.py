"""`laurel start` in practice: real processes, real signals, and no leftovers.

Starts and serves; keeps its secret; a folder with a space and a long path works; a killed child is restarted; Ctrl-C,
SIGTERM and a closed terminal leave nothing, even if a child doesn't obey; kill -9 of the parent leaves nothing and
the next start works; an orphaned queue server is shut down with its data kept, a foreign one is left alone; a second
start, a port in use and a weak secret are rejected with a sentence; REDIS_URL is used as given.
"""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.console import free_port
from tests.faults.started import CHILDREN, Console, queue_server
from webapp.cli import start, valkey
from webapp.infrastructure import running_console

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="looks into /proc; the ties between processes are Linux's"
)


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    """A console in a folder with a space, and with a path too long for a socket."""
    data = tmp_path / ("a folder with a long name, " * 4).strip(", ") / "données %41?"
    console = Console(data, tmp_path / "said.txt")
    yield console
    console.end()


def end(console: Console, parent: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """End all processes as a terminal does; nothing may be left."""
    runtime = Path((console.data / "runtime").read_text())

    os.killpg(parent.pid, how)

    assert parent.wait(60) == 0
    assert console.gone()
    assert not runtime.exists()


def test_it_serves_keeps_its_secret_refuses_a_second_start_and_ends_with_its_terminal(
    console: Console,
) -> None:
    parent = console.up()

    assert f"Laurel is at http://localhost:{console.port}" in console.said()
    assert f"http://localhost:{console.port}/setup/" in console.said()  # E-2
    console.wait_for(console.answers, 5, "it answers")
    secret = console.data / "secret_key"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE((console.data / "laurel.sqlite").stat().st_mode) == 0o600
    assert len(secret.read_bytes()) >= 32
    assert (console.data / "valkey" / "appendonlydir").is_dir()

    said = console.refused("start", PORT=str(free_port()))

    assert f"Laurel is already running on {console.data} (process {parent.pid})" in said
    console.wait_for(console.answers, 5, "it still answers")
    end(console, parent, signal.SIGHUP)
    assert "Restarting" not in console.said()


def test_every_line_is_an_object_in_logs_for_machines(console: Console) -> None:
    """I124: also links, what other programs write, restarts and errors."""
    console.environment["LAUREL_LOGS"] = "json"
    parent = console.up()
    console.wait_for(console.answers, 5, "it answers")
    os.kill(console.pids("valkey-server")[0], signal.SIGKILL)
    console.wait_for(lambda: "valkey exited" in console.said(), 20, "it says what exited")
    with socket.create_connection(("127.0.0.1", console.port), timeout=10) as connection:
        connection.sendall(b"GET /members/anna HTTP/9.9\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
    console.wait_for(lambda: "malformed" in console.said(), 5, "the web process logs it")

    said = console.refused("start", PORT=str(free_port()))
    assert said == ""
    end(console, parent, signal.SIGTERM)

    lines = [json.loads(line) for line in console.said().splitlines()]
    services = {line.get("service") for line in lines}
    assert {"laurel", "web", "worker"} <= services
    messages = [line["message"] for line in lines]
    assert any("/setup/" in message for message in messages)
    assert f"Laurel is at http://localhost:{console.port}" in messages
    assert "Stopped." in messages
    assert "anna" not in console.said()


def test_killed_children_are_restarted_until_ctrl_c(console: Console) -> None:
    parent = console.up()
    for times, name in enumerate(CHILDREN, start=1):
        others = {other: console.pids(other)[0] for other in CHILDREN if other != name}
        killed = console.pids(name)[0]  # of several the oldest: gunicorn's master

        os.kill(killed, signal.SIGKILL)

        console.wait_for(
            lambda killed=killed, name=name: (
                killed not in console.pids(name) and console.pids(name)
            ),
            15,
            f"{name} comes back",
        )
        console.wait_for(console.answers, 15, "the web process answers")
        assert {other: console.pids(other)[0] for other in others} == others
        assert console.said().count("Restarting in 0.5 s") == times
    end(console, parent, signal.SIGINT)
    assert console.said().count("Restarting") == len(CHILDREN)


def test_a_child_that_does_not_obey_is_ended_by_force(console: Console) -> None:
    parent = console.up()
    os.kill(console.pids("jobs.worker")[0], signal.SIGSTOP)

    parent.send_signal(signal.SIGINT)

    assert parent.wait(60) == 0
    assert console.gone()


def test_asked_twice_it_does_not_wait(console: Console) -> None:
    parent = console.up()
    os.kill(console.pids("jobs.worker")[0], signal.SIGSTOP)

    began = time.monotonic()
    parent.send_signal(signal.SIGINT)
    console.wait_for(lambda: "Stopping" in console.said(), 5, "it says that it stops")
    parent.send_signal(signal.SIGINT)

    assert parent.wait(60) == 0
    assert time.monotonic() - began < start.GRACE
    assert console.gone()


def test_killed_it_leaves_nothing_and_starts_again(console: Console) -> None:
    parent = console.up()
    secret = (console.data / "secret_key").read_bytes()

    parent.kill()
    again = console.up()  # immediately: it waits for remaining processes

    console.wait_for(console.answers, 5, "it answers")
    assert (console.data / "secret_key").read_bytes() == secret
    again.kill()
    console.wait_for(console.gone, 15, "every process ends")


def test_an_orphaned_queue_server_is_ended_with_its_data_kept(console: Console) -> None:
    console.data.mkdir(parents=True)
    address = valkey.runtime_folder(console.data) / "valkey.sock"
    with queue_server(address, console.data / "valkey") as orphan:
        valkey.client(address).set("kept", "yes")

        console.up()

        assert orphan.wait(60) == 0
    assert valkey.client(address).get("kept") == "yes"


def test_a_foreign_server_at_the_socket_is_left_alone(console: Console, tmp_path: Path) -> None:
    console.data.mkdir(parents=True)
    address = valkey.runtime_folder(console.data) / "valkey.sock"
    with queue_server(address, tmp_path / "elsewhere"):
        said = console.refused("start")

        assert f"Another server is running at {address}" in said
        assert valkey.answers(address)


def test_a_port_in_use_is_refused_before_anything_starts(console: Console) -> None:
    with socket.create_server(("127.0.0.1", console.port)):
        said = console.refused("start")

    assert f"Port {console.port} on 127.0.0.1 can't be used" in said
    assert not (console.data / "laurel.sqlite").exists()


def test_a_queue_that_is_given_is_used(console: Console, tmp_path: Path) -> None:
    address = valkey.runtime_folder(tmp_path) / "q.sock"
    with queue_server(address, tmp_path / "q"):
        console.start(REDIS_URL=running_console.socket_url(address))

        console.wait_for(lambda: valkey.client(address).keys("rq:worker:*"), 60, "a worker")
        assert not console.pids("valkey-server")


@pytest.mark.parametrize(
    ("command", "weak"),
    [("start", "short"), ("web", "change-me-" * 4), ("worker", "a" * 64), ("deliveries", "short")],
)
def test_a_weak_secret_refuses_to_start(console: Console, command: str, weak: str) -> None:
    """W102: in production no process starts with a secret that can be guessed."""
    said = console.refused(command, SECRET_KEY=weak)
    assert said.startswith("Error: SECRET_KEY is too weak. Set it to at least 32 random bytes")
    assert weak not in said


@pytest.mark.parametrize("command", ["web", "worker", "deliveries", "clock"])
def test_a_missing_secret_refuses_to_start(console: Console, command: str) -> None:
    """W102: processes that may run on several machines must not each generate a secret."""
    assert "SECRET_KEY isn't set" in console.refused(command)
