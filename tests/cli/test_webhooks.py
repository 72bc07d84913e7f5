"""`laurel webhooks` manages webhooks from scripts (A-12, A-17)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.cli.test_api_keys import environ, installed

__all__ = ["environ", "installed"]
ADD = ("add", "https://127.0.0.2/hook", "--event", "award.created")


@pytest.fixture
def laurel(installed: dict[str, str], tmp_path: Path) -> Any:
    from webapp.cli import main

    def run(*args: str) -> Result:
        env = installed | {"LAUREL_WEBHOOK_NETWORKS": "127.0.0.0/8"}
        return CliRunner().invoke(main, ["webhooks", *args], env=env)

    return run


def test_a_webhook_is_added_listed_and_removed(laurel: Any) -> None:
    """A-12: only the secret is printed, so that scripts can store it."""
    added = laurel(*ADD)
    listed = laurel("list", "--json")
    removed = laurel("remove", "1")

    assert added.stdout.startswith("whsec_")
    (row,) = json.loads(listed.stdout)
    assert (row["id"], row["host"], row["events"]) == (
        "1",
        "https://127.0.0.2/…",
        ["award.created"],
    )
    assert removed.stdout == "Webhook to https://127.0.0.2/… removed.\n"
    assert json.loads(laurel("list", "--json").stdout) == []
    assert laurel("remove", "1").exit_code == 1


def test_a_test_is_sent_and_failed_deliveries_are_sent_again(laurel: Any) -> None:
    laurel(*ADD)
    sent = json.loads(laurel("test", "1", "--json").stdout)

    assert (sent["event"], sent["state"]) == ("webhook.test", "pending")
    assert (
        laurel("redeliver", "1", "--delivery", sent["id"]).stdout == "1 delivery is sent again.\n"
    )
    since = laurel("redeliver", "1", "--since", "2026-05-04", "--json")
    assert json.loads(since.stdout) == {"deliveries": 0}
    assert laurel("redeliver", "1").exit_code == 2


def test_a_second_rotation_within_a_day_must_be_confirmed(laurel: Any) -> None:
    laurel(*ADD)
    first, refused = laurel("rotate", "1"), laurel("rotate", "1")
    second = laurel("rotate", "1", "--drop-previous", "--json")

    assert first.stdout.startswith("whsec_")
    assert refused.exit_code == 1
    assert "cut off" in refused.stderr
    assert json.loads(second.stdout)["secret"].startswith("whsec_")


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("add", "https://10.0.0.1/", "--event", "award.created"), 1, "This address isn't public."),
        (("add", "https://127.0.0.2/", "--event", "nothing"), 2, "'nothing' is not one of"),
        (("test", "9"), 1, "This webhook doesn't exist."),
    ],
)
def test_wrong_requests_are_rejected(
    laurel: Any, args: tuple[str, ...], code: int, said: str
) -> None:
    done = laurel(*args)

    assert done.exit_code == code
    assert said in done.stderr
    assert done.stdout == ""
