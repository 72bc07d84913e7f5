"""`laurel connections` lists, checks and pulls from scripts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.adapters.fakes import LOOPBACK, FakeWordPress
from tests.cli.test_api_keys import environ, installed
from tests.factories import NOW
from webapp.adapters.contract import Check
from webapp.cli.settings import command_app
from webapp.domain.actor import Actor
from webapp.domain.connections import settings
from webapp.domain.connections.settings import ConnectionFields
from webapp.models import Origin
from webapp.transaction import transaction

__all__ = ["environ", "installed"]


@pytest.fixture
def site() -> Iterator[FakeWordPress]:
    fake = FakeWordPress()
    yield fake
    fake.close()


@pytest.fixture
def laurel(installed: dict[str, str], site: FakeWordPress, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The commands in a console that is connected to the site."""
    from webapp.cli import main

    env = installed | {"LAUREL_WEBHOOK_NETWORKS": LOOPBACK[0]}
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    address = f"http://127.0.0.1:{site.to.port}/community/"
    account, secret = site.credentials.account, site.credentials.secret
    fields = ConnectionFields("wordpress", address, account, secret)
    with command_app(), transaction():
        actor = Actor(NOW, Origin.COMMAND_LINE)
        settings.create(fields, Check("Site", account, "6.8"), LOOPBACK, actor)

    def run(*args: str) -> Result:
        return CliRunner().invoke(main, ["connections", *args], env=env)

    return run


def test_connections_are_listed_and_checked(laurel: Any, site: FakeWordPress) -> None:
    (row,) = json.loads(laurel("list", "--json").stdout)
    assert (row["id"], row["name"], row["status"], row["linked"]) == ("1", "Site", "On", "0")
    checked = laurel("check", "1")
    assert checked.stdout == "Connected to Forum & friends as laurel.\n"
    site.revoked = True
    refused = laurel("check", "1")
    assert refused.exit_code == 1
    (row,) = json.loads(laurel("list", "--json").stdout)
    assert (row["name"], row["status"]) == ("Forum & friends", "Failing")
    assert laurel("check", "2").exit_code == 1


def test_a_pull_is_started_once(laurel: Any) -> None:
    assert laurel("pull", "1").stdout == "Pull started as import 1.\n"
    assert json.loads(laurel("pull", "1", "--json").stdout) == {"import_id": "1"}
