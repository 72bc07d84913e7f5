"""Our WordPress plugin, in a real WordPress (`make connections`): who may write, and what people see."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.adapters.fakes import LOOPBACK
from tests.adapters.real_wordpress import RealWordPress
from tests.adapters.test_bad_input import code
from tests.adapters.test_contract import change
from webapp.adapters.contract import Credentials, Done
from webapp.adapters.wordpress import WordPress

pytestmark = pytest.mark.connections
HOSTILE = '<img src=x onerror="alert(1)"> “Helper” & </li>'


@pytest.fixture(scope="module")
def running() -> Iterator[RealWordPress]:
    site = RealWordPress()
    yield site
    site.close()


@pytest.fixture
def site(running: RealWordPress) -> Iterator[RealWordPress]:
    running.reset()
    yield running
    assert running.problems() == []


@pytest.fixture
def adapter(site: RealWordPress) -> Iterator[WordPress]:
    made = WordPress(site.to, site.credentials, LOOPBACK)
    yield made
    made.close()


def send(
    site: RealWordPress, method: str, route: str, auth: tuple[str, str] | None, body: object = None
) -> httpx.Response:
    path, _, query = route.partition("?")
    address = f"{site.address}/?rest_route={path}{'&' + query if query else ''}"
    return httpx.request(method, address, auth=auth, json=body, timeout=60)


def test_only_administrators_may_write(site: RealWordPress, adapter: WordPress) -> None:
    """Members can't give themselves badges, neither by our routes nor by WordPress's own."""
    member = site.add_user("member")
    badge = adapter.create_badge("Good helper", "").id
    body = {"changes": [{"user": int(member), "badge": badge, "held": True}]}
    meta = {"meta": {"laurel_badges": [{"id": badge}]}}
    for auth, refused in ((None, 401), (("member", site.application_password(member)), 403)):
        for method, route, sent in (
            ("POST", "/laurel/v1/changes", body),
            ("POST", "/laurel/v1/badges", {"name": "Mine"}),
            ("GET", "/laurel/v1/badges", None),
            ("GET", "/laurel/v1/status", None),
            ("GET", f"/laurel/v1/holders?badge={badge}", None),
            ("POST", f"/wp/v2/users/{member}", meta),
        ):
            assert send(site, method, route, auth, sent).status_code == refused
    assert site.badges_of(member) == []
    assert [one.name for one in adapter.badges()] == ["Good helper"]


def test_lists_are_sanitized(site: RealWordPress, adapter: WordPress) -> None:
    """Also those that an administrator writes by WordPress's own route."""
    member = site.add_user("member")
    auth = (site.credentials.account, site.credentials.secret)
    badges = [
        {"id": "badge-1", "at": "2026-03-04T05:06:07Z", "reason": "<b>Help</b> \\ & “more”\n\n"},
        {"id": "badge-1", "reason": "again"},
        {"id": "badge 2"},
        {"id": "<script>"},
        {"id": "x" * 65},
        {"id": "badge-3", "reason": "y" * 5_000},
    ]
    route = f"/wp/v2/users/{member}"
    sent = send(site, "POST", route, auth, {"meta": {"laurel_badges": badges}})
    assert sent.status_code == 200
    kept = site.badges_of(member)
    assert [one["id"] for one in kept] == ["badge-1", "badge-3"]
    assert [len(one["reason"]) for one in kept] == [5, 1_000]
    many = [{"id": f"badge-{n}"} for n in range(600)]
    send(site, "POST", route, auth, {"meta": {"laurel_badges": many}})
    assert len(site.badges_of(member)) == 500
    unknown = send(site, "POST", route, auth, {"meta": {"laurel_badges": [{"role": "admin"}]}})
    assert unknown.status_code == 400


def test_badges_are_shown_and_escaped(site: RealWordPress, adapter: WordPress) -> None:
    """On the author's page, the profile in the admin area, by the shortcode and by the block."""
    member, other = site.add_user("member"), site.add_user("other")
    badge = adapter.create_badge("Help & <answers> “quickly”", HOSTILE).id
    assert adapter.set_badges([change(member, badge)]) == [Done()]
    assert site.badges_of(member)[0]["reason"] == "For “help” \\ & more"
    seen = [
        site.page(f"/?author={member}"),
        site.profile(member),
        site.render('[laurel_badges user="member"]'),
        site.render(f'<!-- wp:laurel/badges {{"user":"{member}"}} /-->'),
    ]
    for html in seen:
        assert 'class="laurel-badges"' in html
        assert "Help &amp; “quickly”" in html
        assert "March 4, 2026" in html
        assert "onerror" not in html
        assert "<answers>" not in html
    assert 'laurel-badges"' not in site.page(f"/?author={other}")
    assert "No badges." in site.profile(other)
    for nothing in ('user="no-such-user"', 'user="999"', 'user="<b>"', ""):
        assert site.render(f"[laurel_badges {nothing}]") == ""


def test_changes_at_the_same_moment_are_all_kept(site: RealWordPress, adapter: WordPress) -> None:
    """Each replaces the list only if it is the one that it read."""
    member = site.add_user("member")
    badges = [adapter.create_badge(f"Badge {n}", "").id for n in range(12)]
    first = adapter.create_badge("First", "").id
    adapter.set_badges([change(member, first)])

    def give(badge: str) -> object:
        own = WordPress(site.to, site.credentials, LOOPBACK)
        outcomes = own.set_badges([change(member, badge)])
        own.close()
        return outcomes

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(give, badges)) == [[Done()]] * 12
    assert {one["id"] for one in site.badges_of(member)} == {first, *badges}


def test_revoked_passwords_and_stopped_sites(site: RealWordPress, adapter: WordPress) -> None:
    wrong = WordPress(site.to, Credentials("laurel", "wrong"), LOOPBACK)
    assert code(wrong.check) == "connections.remote_credentials"
    assert code(wrong.pull) == "connections.remote_credentials"
    assert code(wrong.badges) == "connections.remote_credentials"
    wrong.close()
    member = site.add_user("member")
    password = site.application_password(member)
    mere = WordPress(site.to, Credentials("member", password), LOOPBACK)
    assert code(mere.check) == "connections.remote_rights"
    assert code(mere.pull) == "connections.remote_rights"
    mere.close()
    site.kill()
    assert code(adapter.pull) == "connections.remote_unreachable"
    site.start()
    assert len(adapter.pull().members) == 2
