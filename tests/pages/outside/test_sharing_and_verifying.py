"""Member pages, public badges and `/verify`, for people without an account (OB-2, OB-3, OB-4)."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest
from flask import Flask
from openbadgeslib import baking
from PIL import Image

from tests.factories import Make
from tests.pages.client import Answer, ReviewingClient
from tests.pages.outside.conftest import ACTOR, credential_of, path_of, shared
from webapp.domain.awards import manual
from webapp.domain.credentials import sharing
from webapp.domain.erasure import erase
from webapp.models import Award, Member
from webapp.transaction import transaction

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def checked(client: ReviewingClient, text: str) -> str:
    return client.post("/verify", {"credential": text}).words("#result")


@pytest.mark.databases("sqlite", "postgresql")
def test_a_badge_is_private_until_it_is_shared(
    client: ReviewingClient, page: str, award: Award
) -> None:
    """Shared with the chosen name only; private again, its links are gone, and sharing makes a new one."""
    mine = client.get(page)
    assert "Private" in mine.words("main")
    assert mine.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert "Set-Cookie" not in mine.headers
    text = credential_of(client, page, award)
    own_url = json.loads(text)["id"].partition("/credentials/")[2]
    assert client.get(f"/credentials/{own_url}", review=False).status_code == 404

    public = shared(client, page, award)
    for shown, names in (
        ("anonymous", ()),
        ("username", ("anna.secret",)),
        ("name", ("Anna Hidden",)),
        ("everything", ()),
    ):
        assert shared(client, page, award, shown) == public
        answer = client.get(public)
        for name in ("anna.secret", "Anna Hidden", "anna@example.org"):
            assert (name in answer.text + str(answer.headers)) == (name in names), shown
    served = client.get(f"/credentials/{own_url}", review=False)
    assert served.text == text == credential_of(client, page, award)
    assert "linkedin.com/profile/add?startTask=CERTIFICATION_NAME" in client.get(page).text

    client.post(f"{page}/awards/{award.id}/sharing/end")
    for gone in (public, f"/credentials/{own_url}"):
        assert client.get(gone, review=False).status_code == 404
    assert shared(client, page, award) != public


@pytest.mark.parametrize(
    ("rest", "code"), [("/awards/1/sharing", 405), ("/awards/1/credential", 405), ("/nowhere", 404)]
)
def test_a_wrong_address_offers_nothing_that_needs_an_account(
    client: ReviewingClient, page: str, rest: str, code: int
) -> None:
    answer = client.get(page + rest)
    assert answer.status_code == code
    assert answer.words("h1") == "Page not found"
    assert not answer.page.select("a")
    assert "Set-Cookie" not in answer.headers


def test_an_ended_link_offers_nothing_that_needs_an_account(client: ReviewingClient) -> None:
    answer = client.get("/m/1-ended")
    assert answer.status_code == 404
    assert answer.words("h1") == "Page not found"
    assert answer.words("main").endswith("Ask the person who gave you the link for a new one.")
    assert not answer.page.select("a")
    assert "Set-Cookie" not in answer.headers


def test_staff_are_led_back_from_an_ended_link(client: ReviewingClient, make: Make) -> None:
    answer = client.sign_in(make.staff()).get("/m/1-ended")
    assert answer.status_code == 404
    assert answer.words("main .button.primary") == "Back to home"


def test_dates_have_a_year(client: ReviewingClient, page: str, award: Award) -> None:
    """As in the credential: the day in UTC, however recent it is."""
    at = award.awarded_at
    for path in (page, shared(client, page, award)):
        answer = client.get(path)
        assert answer.words("main time") == f"{at.day} {at:%b %Y}"
        assert answer.page.select_one(f"main time[datetime='{at.date()}']")


def test_links_cannot_be_guessed_or_used_for_others(
    client: ReviewingClient, page: str, award: Award, make: Make
) -> None:
    other = make.award(make.member().id, award.quest_id)
    token = page.removeprefix("/m/")
    number, mac = token.split("-", 1)
    tried = [f"{int(number) + 1}-{mac}", f"{number}-{mac[:-2]}AA", number, "x-y", "9" * 30 + "-a"]
    for wrong in tried:
        assert client.get(f"/m/{wrong}", review=False).status_code == 404, wrong
        assert client.get(f"/credentials/{wrong}", review=False).status_code == 404, wrong
    assert client.get(f"/credentials/{token}", review=False).status_code == 404
    for action in ("sharing", "sharing/end", "credential"):
        answer = client.post(f"{page}/awards/{other.id}/{action}", review=False)
        assert answer.status_code == 404, action


def test_revoking_replacing_and_erasing_end_it(
    app: Flask, client: ReviewingClient, page: str, award: Award, member: Member, make: Make
) -> None:
    text, public = credential_of(client, page, award), shared(client, page, award)
    second = make.award(member.id, make.quest().id)
    later = credential_of(client, page, second)
    assert checked(client, text).startswith("Genuine")
    with app.app_context(), transaction():
        manual.revoke(member.id, award.id, "", ACTOR)
    assert client.get(public, review=False).status_code == 404
    assert checked(client, text).startswith("Revoked")
    with app.app_context(), transaction():
        sharing.replace_link(member.id, ACTOR)
    assert client.get(page, review=False).status_code == 404
    with app.app_context():
        page = path_of(member.id)
    public = shared(client, page, second)
    with app.app_context(), transaction():
        erase.erase(member.id, ACTOR)
    for gone in (page, public):
        assert client.get(gone, review=False).status_code == 404
    assert checked(client, later).startswith("Revoked")


def test_verify_says_why_something_is_not_genuine(
    app: Flask, client: ReviewingClient, page: str, award: Award
) -> None:
    text = credential_of(client, page, award)
    document = json.loads(text)

    def changed(**values: object) -> str:
        return json.dumps({**document, **values})

    wrong_key = {**document["proof"], "verificationMethod": document["issuer"]["id"] + "#key-9"}
    for forged, why in (
        (changed(validFrom="2020-01-01T00:00:00Z"), "changed after it was signed"),
        (changed(proof=wrong_key), "isn't signed with a key of its issuer"),
        (changed(nonsense="x"), "its signature doesn't cover"),
        (changed(**{"@context": document["@context"][:1]}), "Not genuine"),
        (changed(proof=None), "Not genuine"),
        (changed(issuer={"id": "did:web:other.example"}), "Unknown issuer"),
        (changed(issuer="did:key:zzz"), "Not genuine"),
    ):
        assert why in checked(client, forged), why


def test_verify_reads_images_and_our_addresses(
    client: ReviewingClient, page: str, award: Award
) -> None:
    text = credential_of(client, page, award)
    picture = io.BytesIO()
    Image.new("RGB", (40, 40)).save(picture, "PNG")
    png = baking.bake_png(picture.getvalue(), text, keyword=baking.ITXT_KEYWORD_OB3)
    svg = SVG.replace(
        b"</svg>",
        b'<openbadges:credential xmlns:openbadges="https://purl.imsglobal.org/ob/v3p0"><![CDATA['
        + text.encode()
        + b"]]></openbadges:credential></svg>",
    )
    for name, data in (("a.png", png), ("a.svg", svg), ("a.json", text.encode())):
        answer = client.post("/verify", {"file": (io.BytesIO(data), name)})
        assert answer.words("#result").startswith("Genuine"), name
        assert "alert(1)" not in answer.text
    public = shared(client, page, award)
    assert checked(client, f"http://localhost:8000{public}").startswith("Genuine")
    button = client.get(public).page.select_one("input[name=credential]")
    assert button is not None
    assert checked(client, str(button["value"])).startswith("Genuine")


def test_staff_see_and_replace_the_link(
    client: ReviewingClient,
    as_manager: ReviewingClient,
    as_support: ReviewingClient,
    page: str,
    member: Member,
) -> None:
    window = as_manager.get(f"/members/{member.id}/link", htmx=True)
    assert page in window.text
    assert as_support.get(f"/members/{member.id}/link").status_code == 403
    as_manager.post(f"/members/{member.id}/link")
    assert client.get(page, review=False).status_code == 404
    window = as_manager.get(f"/members/{member.id}/link", htmx=True)
    assert page not in window.text
    assert "replaced the link to the page of" in as_manager.get("/audit-log").words("main")


def refused(answer: Answer) -> str:
    assert answer.status_code == 422
    return answer.words("#credential-error")


def test_bad_input_gets_a_clear_sentence(client: ReviewingClient, award: Award) -> None:
    chunk = b"\x00\x00\x00\x0dIHDR" + b"\xff" * 8 + b"\x08\x02\x00\x00\x00"
    bomb = b'<!DOCTYPE s [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><svg>&b;</svg>'
    plain = io.BytesIO()
    Image.new("RGB", (40, 40)).save(plain, "PNG")
    for data, said in (
        (b"", "Paste a credential"),
        (b"hello", "isn't an Open Badges credential"),
        (b"[" * 100_000, "isn't an Open Badges credential"),
        (b"{" + b'"a":' * 50_000, "isn't an Open Badges credential"),
        (b"{" + b" " * 300_000 + b"}", "larger than 256 KB"),
        (b"https://elsewhere.example/1", "Only addresses that start with"),
        (b"http://localhost:8000/badges/1/awards/nope", "There is no shared badge"),
        (b"\x89PNG\r\n\x1a\n" + chunk, "damaged"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * (5 << 20), "larger than 5 MB"),
        (plain.getvalue(), "doesn't contain"),
        (SVG, "doesn't contain"),
        (bomb, "damaged"),
        (b"\x00\xff\xfe", "isn't an Open Badges credential"),
    ):
        answer = client.post_file("/verify", data or b" ", "a", "file")
        assert said in refused(answer), data[:40]
    for odd in ("{}", '{"issuer": []}', '{"issuer": {"id": 1}, "proof": []}'):
        assert client.post("/verify", {"credential": odd}, review=False).status_code in (200, 422)


def test_a_file_of_10_mb_is_refused_before_it_is_read(
    client: ReviewingClient, award: Award
) -> None:
    body = b"credential=" + b"x" * 10_000_000
    sent = client.open(
        "/verify",
        method="POST",
        data=body,
        content_type="application/x-www-form-urlencoded",
        review=False,
    )
    assert sent.status_code == 413


def test_other_issuers_are_checked_by_the_key_inside(client: ReviewingClient, award: Award) -> None:
    """Expired, if it was: the signature is checked first."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from openbadgeslib.ob3 import Achievement, Issuer, OB3LdpSigner, OpenBadgeCredential
    from openbadgeslib.ob3.did import _public_key_to_pem as pem_of
    from openbadgeslib.ob3.did import did_key_from_pem

    private = Ed25519PrivateKey.generate()
    did = did_key_from_pem(pem_of(private.public_key()))
    for until, said in ((None, "Genuine"), (datetime(2021, 1, 1, tzinfo=UTC), "Expired")):
        made = OpenBadgeCredential(
            id="urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
            issuer=Issuer(id=did, name="Elsewhere", url="https://elsewhere.example"),
            recipient_id="mailto:x@example.org",
            achievement=Achievement(
                id="https://elsewhere.example/1",
                name="Other badge",
                description="Other",
                criteria_narrative="Other",
            ),
            issuance_date=datetime(2020, 1, 1, tzinfo=UTC),
            expiration_date=until,
        )
        signed = OB3LdpSigner(private).sign_to_json(made)
        answer = checked(client, signed)
        assert answer.startswith(said)
        assert "Other badge" in answer
        assert checked(client, signed.replace("Other badge", "Better")).startswith("Not genuine")
