"""The documentation page is all that a client's author needs (A-1). Its examples are extracted and run."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select

from tests.browser.site import Site
from tests.pages.client import ReviewingClient
from webapp.api.framework.operations import OPERATIONS
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.api_access import keys as api_keys
from webapp.domain.batches import processing
from webapp.domain.permissions import Scope
from webapp.models import Badge, Member, Origin
from webapp.schemas.problems import TITLES
from webapp.transaction import transaction

# What an example requires, in addition to the results of earlier examples.
ORDER = ["put_member", "import_members", "make_award", "make_batch", "publish_batch", "put_rule"]


@pytest.fixture(params=["sqlite", "postgresql"])
def served(request: pytest.FixtureRequest) -> Iterator[tuple[Site, dict[str, str]]]:
    """A console with real processes on either database, and the two variables that the page says to set."""
    url = ""
    if request.param == "postgresql":
        from tests.browser.conftest import _new_database

        url = _new_database(request.getfixturevalue("postgres"), "documented")
    site = Site(url, Path(tempfile.mkdtemp(prefix="d-")))
    site.make.quest("Passed", site.make.badge("Helper"))
    site.start_queue()
    site.start_web()
    yield site, {"LAUREL": site.url, "LAUREL_KEY": new_key(site, list(Scope))}
    site.stop()


def new_key(site: Site, scopes: Sequence[str]) -> str:
    with site.app.app_context(), transaction():
        actor = Actor(datetime.now(UTC), Origin.COMMAND_LINE)
        return api_keys.create("LMS", scopes, None, actor).text


def documented(site: Site) -> dict[str, str]:
    """The code samples of the page, by id; requested without a key or an account."""
    page = BeautifulSoup(urlopen(f"{site.url}/api/docs").read(), "html5lib")
    return {str(code["id"]): code.get_text() for code in page.select("pre code[id]")}


def run(code: str, environ: dict[str, str], *, shell: bool = False) -> str:
    """Run a code sample in its own process; on failure, show its output."""
    done = process(code, environ, shell=shell)
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def process(
    code: str, environ: dict[str, str], *, shell: bool = False
) -> subprocess.CompletedProcess[str]:
    command = ["bash", "-euo", "pipefail", "-c"] if shell else [sys.executable, "-W", "error", "-c"]
    return subprocess.run(
        [*command, code],
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.starts_processes
def test_a_client_written_from_the_page_alone_works(served: tuple[Site, dict[str, str]]) -> None:
    """A-1, A-2: members, an award, a batch, its progress to `Published`, a revocation; nothing of it remains."""
    site, environ = served
    site.start_worker()
    code = documented(site)
    page = BeautifulSoup(urlopen(f"{site.url}/api/docs").read(), "html5lib")
    scopes = [scope.get_text() for scope in page.select("#example-scopes code")]
    environ |= {"LAUREL_KEY": new_key(site, scopes)}
    said = run(code["python"] + code["script"], environ).splitlines()

    assert said[0] == "20 created, 0 unchanged, 0 errors"
    prefix = said[1].partition("-1 now has ")[0]
    assert said[1].endswith(f" now has {prefix} badge")
    assert prefix.startswith("example-")
    assert said[2] == "20 added, 0 errors"
    counts = "{'published': 20, 'error': 0, 'unpublished': 0, 'already_held': 1}"
    progress = [line.rsplit(" ", 2) for line in said[3 : said.index(counts)]]
    assert progress[-1] == ["Published", "100", "%"]
    percents = [int(percent) for _, percent, _ in progress]
    assert percents == sorted(percents)
    assert f"{prefix}-1 revoked" in said
    assert site.awards() == 0
    with site.app.app_context():
        left = select(Member.external_id).where(Member.external_id.startswith(prefix))
        assert db.session.scalars(left).all() == []
        made = db.session.scalars(select(Badge).where(Badge.name == f"{prefix} badge")).one()
        assert (made.archived_at is None, made.holders) == (False, 0)


@pytest.mark.slow
@pytest.mark.starts_processes
@pytest.mark.parametrize("served", ["sqlite"], indirect=True)
def test_the_full_example_says_what_is_wrong(served: tuple[Site, dict[str, str]]) -> None:
    """A-5: with a key that lacks scopes, it prints the problem's detail and cleans up."""
    site, environ = served
    code = documented(site)
    key = {"LAUREL_KEY": new_key(site, [Scope.BADGES_WRITE])}
    done = process(code["python"] + code["script"], environ | key)
    assert done.returncode == 1
    assert "POST /member-imports: API key lacks this scope. " in done.stderr
    assert "members:write" in done.stderr
    assert "Traceback" not in done.stderr
    with site.app.app_context():
        made = select(Badge).where(Badge.name.startswith("example-"))
        assert db.session.scalars(made).one().archived_at is not None


@pytest.mark.slow
@pytest.mark.starts_processes
@pytest.mark.parametrize("served", ["sqlite"], indirect=True)
def test_a_copy_that_follows_events_equals_a_new_one(served: tuple[Site, dict[str, str]]) -> None:
    """A-8: after members and awards were created, changed, revoked and erased, and with nothing to follow."""
    _, environ = served
    code = documented(served[0])
    changes = """
def members(*names):
    call("POST", "/member-imports", {"members": [{"id": n, "username": n} for n in names]})
def award(name):
    return call("POST", "/awards", {"quest": "1", "member": {"id": name}, "reason": "x"})["id"]
members("kept", "erased", "renamed")
revoked, _ = award("kept"), award("erased")
copy, after = load()
assert len(copy["members"]) == 3 and len(copy["awards"]) == 2
members("new")
call("PUT", "/members/renamed", {"username": "other"})
call("POST", f"/awards/{revoked}/revocation", {"reason": "x"})
award("new")
call("DELETE", "/members/erased")
after = follow(copy, after)
fresh, _ = load()
assert copy["members"] == fresh["members"], (copy, fresh)
named = [{i: a for i, a in one["awards"].items() if a["member"]["id"] in fresh["members"]} for one in (copy, fresh)]
assert named[0] == named[1] and len(named[0]) == 2, (copy, fresh)
assert "erased" not in str(copy)
assert follow(copy, after) == after
"""
    said = run(code["python"] + code["sync"] + changes, environ)
    assert said == "0 members, 0 awards\n"


def test_curl_examples_use_only_options_of_old_versions(client: ReviewingClient) -> None:
    """They work with curl 7.68: these options are from before 7.3 (https://curl.se/docs/optionswhen.html)."""
    for block in client.get("/api/docs").page.select("pre code[id*=curl]"):
        command = block.get_text().partition("<<JSON")[0]
        options = {word for word in shlex.split(command) if word.startswith("-")}
        assert options <= {"-X", "-H", "--data-binary"}, block["id"]


@pytest.mark.slow
@pytest.mark.starts_processes
@pytest.mark.parametrize("served", ["sqlite"], indirect=True)
def test_every_example_runs(served: tuple[Site, dict[str, str]]) -> None:
    """A-1: for each operation, in curl and in Python, in an order that gives each something to do."""
    site, environ = served
    code = documented(site)
    environ |= {"BADGE": "1", "QUEST": "1", "AWARD": "1", "BATCH": "1", "DRAFT": "2"}
    names = {one.name for one in OPERATIONS}
    rest = sorted(names - set(ORDER), key=lambda name: (name == "delete_batch", name))
    webhook = {"url": "https://hooks.example.org/", "events": ["award.created"]}
    environ["WEBHOOK"] = str(_post(environ, "/webhooks", webhook)["id"])
    environ["DELIVERY"] = str(_post(environ, f"/webhooks/{environ['WEBHOOK']}/tests", {})["id"])
    taken = "\n".join(f'{name} = os.environ["{name}"]' for name in environ)
    strict = 'curl() { command curl --fail --silent --show-error "$@"; }\n'
    someone = {"members": [{"id": "4823", "username": "clara"}]}
    drafts = {"make_batch", "publish_batch", "add_members", "delete_batch", "remove_member"}
    for name in [*ORDER, *rest]:
        for language in ("curl", "python"):
            mine = environ
            if name in drafts:
                batch = _draft(environ)
                mine = environ | {"BATCH": batch, "DRAFT": batch}
            elif name == "erase_member":
                _post(environ, "/member-imports", someone)
            elif name in ("remove_webhook", "rotate_webhook"):
                mine = environ | {"WEBHOOK": str(_post(environ, "/webhooks", webhook)["id"])}
            elif name in ("retry_batch", "dismiss_errors", "undo_batch"):
                mine = environ | {"BATCH": _published(site, environ)}
            piece = code[f"{language}-{name}"]
            if name in ("create_badge", "add_quest") and language == "python":  # names are unique
                piece = piece.replace("Event host", "Host").replace("ten events", "five events")
            if language == "curl":
                run(strict + piece, mine, shell=True)
            else:
                run(f"{code['python']}\n{taken}\n{piece}", mine)


def _post(environ: dict[str, str], path: str, body: object) -> Any:
    """Send a request without the page's code, to prepare what an example requires."""
    headers = {"Authorization": f"Bearer {environ['LAUREL_KEY']}"}
    headers["Content-Type"] = "application/json"
    request = Request(f"{environ['LAUREL']}/api/v1{path}", json.dumps(body).encode(), headers)
    with urlopen(request) as answer:
        return json.load(answer)


def _draft(environ: dict[str, str]) -> str:
    body = {"name": "x", "quest": environ["QUEST"], "members": [{"id": "4821"}]}
    return str(_post(environ, "/batches", body)["id"])


def _published(site: Site, environ: dict[str, str]) -> str:
    batch = _draft(environ)
    _post(environ, f"/batches/{batch}/publication", {})
    with site.app.app_context():
        with transaction():
            claimed = processing.claim(int(batch), "test", 60, 500, datetime.now(UTC))
        more: Any = True
        while more:
            with transaction():
                more = processing.process_chunk(claimed, 500, datetime.now(UTC))
    return batch


def test_the_documented_code_verifies_messages(client: ReviewingClient) -> None:
    """A-6: the receiver's code on the page accepts what we sign, and nothing else."""
    from webapp.domain.webhooks import signatures

    page = client.get("/api/docs").page
    found = page.select_one("#verify")
    assert found is not None
    scope: dict[str, Any] = {}
    exec(found.get_text(), scope)
    former, secret = signatures.new_secret(), signatures.new_secret()
    body = '{"type": "award.created", "data": {"id": "ü"}}'.encode()
    headers = signatures.headers([secret, former], "msg_1", datetime.now(UTC), body)
    assert scope["verified"](headers, body, secret)
    assert scope["verified"](headers, body, former)
    assert not scope["verified"](headers, body + b" ", secret)
    assert not scope["verified"](headers, body, signatures.new_secret())
    assert not scope["verified"]({**headers, "webhook-timestamp": "1"}, body, secret)


def test_the_page_is_public(client: ReviewingClient, as_support: ReviewingClient) -> None:
    """A-1: signed in or not; every operation, problem and scope; nothing from another host."""
    for browser in (client, as_support):
        answer = browser.get("/api/docs")
        assert answer.status_code == 200
        page = answer.page
        ids = {str(one["id"]) for one in page.select("[id]")}
        assert {one.name for one in OPERATIONS} <= ids
        assert {f"problem-{kind}" for kind in TITLES} <= ids
        assert {str(link["href"]) for link in page.select("a[href^='#']")} <= {
            f"#{one}" for one in ids
        }
        words = " ".join(page.get_text(" ").split())
        assert all(f"{scope} {scope.sentence}" in words for scope in Scope)
    assert "Set-Cookie" not in client.get("/api/docs").headers
