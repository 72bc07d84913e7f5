"""Single sign-on: who is signed in, who is refused and why, and every bad answer (SSO-1, SSO-2)."""

from __future__ import annotations

import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from flask import Flask
from joserfc.jwk import RSAKey
from sqlalchemy import inspect, select, update

from tests.factories import Make
from tests.pages.auth.provider import CLIENT, FakeProvider
from tests.pages.client import Answer, ReviewingClient
from webapp import create_app
from webapp.auth.oidc import http, provider
from webapp.config import Settings
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.api_access import keys as api_keys
from webapp.domain.staff import accounts, first_admin
from webapp.models import (
    AuditEvent,
    Origin,
    Role,
    SecondFactor,
    SsoSession,
    Staff,
    StaffIdentity,
    StaffSession,
    TwoFactorRequiredRole,
)
from webapp.transaction import transaction

KEY = RSAKey.generate_key(2048, auto_kid=True)
OTHER_KEY = RSAKey.generate_key(2048, auto_kid=True)
NAME = "Example Login"
PASSWORD = "kettle onion tramway 42"


@pytest.fixture
def idp() -> Iterator[FakeProvider]:
    fake = FakeProvider(KEY)
    yield fake
    fake.close()


@pytest.fixture(scope="module")
def _sso_app(database: Settings) -> Flask:
    return create_app(
        replace(
            database,
            oidc_issuer="https://id.example.org",
            oidc_client_id=CLIENT,
            oidc_client_secret="hush",
            oidc_name=NAME,
            oidc_roles=(("console-admins", "admin"), ("moderators", "manager")),
        )
    )


@pytest.fixture
def sso_app(
    app: Flask, _sso_app: Flask, idp: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Flask]:
    """The console with single sign-on, on the database of `app`."""
    settings = replace(_sso_app.config["LAUREL"], oidc_issuer=idp.issuer)
    monkeypatch.setitem(_sso_app.config, "LAUREL", settings)
    yield _sso_app
    _sso_app.extensions.pop("oidc", None)
    with _sso_app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def client(sso_app: Flask) -> ReviewingClient:
    return ReviewingClient(sso_app, None, use_cookies=True)


@pytest.fixture
def anna(make: Make) -> Staff:
    return make.staff(Role.ADMIN, email="anna@example.org", name="Anna", password="a hash")


def begin(client: ReviewingClient, idp: FakeProvider, path: str = "/sso?next=/members") -> str:
    """Go to the provider; return the state."""
    sent = client.get(path)
    assert sent.status_code == 303
    address = urlsplit(sent.headers["Location"])
    assert f"{address.scheme}://{address.netloc}{address.path}" == f"{idp.issuer}/authorize"
    idp.asked = dict(parse_qsl(address.query))
    return idp.asked["state"]


def come_back(client: ReviewingClient, state: str, **more: str) -> Answer:
    return client.get("/sso/callback?" + urlencode({"code": "c", "state": state, **more}))


def sign_in(client: ReviewingClient, idp: FakeProvider) -> Answer:
    return come_back(client, begin(client, idp))


def refusal(client: ReviewingClient, answer: Answer) -> str:
    """The sentence on the sign-in page that a refusal leads to; no one is signed in."""
    assert answer.status_code == 303
    assert urlsplit(answer.headers["Location"]).path == "/sign-in"
    page = client.get(answer.headers["Location"])
    assert page.status_code == 200
    return page.words(".note.error")


def rows(app: Flask, model: type[Any]) -> list[Any]:
    with app.app_context():
        return list(db.session.scalars(select(model).order_by(*inspect(model).primary_key)))


def verbs(app: Flask) -> list[str]:
    return [entry.verb for entry in rows(app, AuditEvent)]


def test_the_request_is_protected_by_pkce_nonce_and_state(
    client: ReviewingClient, idp: FakeProvider
) -> None:
    begin(client, idp)

    asked = idp.asked
    assert asked["response_type"] == "code"
    assert asked["client_id"] == CLIENT
    assert asked["scope"] == "openid email profile"
    assert asked["redirect_uri"] == "http://localhost:8000/sso/callback"
    assert asked["code_challenge_method"] == "S256"
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 43


def test_an_account_is_linked_once_by_its_verified_email(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, anna: Staff
) -> None:
    """SSO-1: afterwards only issuer and subject count."""
    assert sign_in(client, idp).headers["Location"] == "/members"
    assert client.get("/settings/staff").status_code == 200
    assert rows(sso_app, StaffIdentity)[0].staff_id == anna.id
    assert verbs(sso_app) == ["staff.linked", "staff.signed_in"]

    client.post("/sign-out")
    idp.claims = {"email": "new-name@example.org", "email_verified": False}
    assert sign_in(client, idp).headers["Location"] == "/members"
    assert len(rows(sso_app, StaffIdentity)) == 1


def test_an_unverified_email_links_nothing(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, anna: Staff
) -> None:
    for value in (False, None, "yes"):
        idp.claims = {"email_verified": value}
        assert "hasn't verified your email" in refusal(client, sign_in(client, idp))
    assert rows(sso_app, StaffIdentity) == []
    assert verbs(sso_app)[0] == "staff.sign_in_refused"


def test_a_second_person_with_the_same_email_is_refused(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, anna: Staff
) -> None:
    sign_in(client, idp)
    client.post("/sign-out")
    idp.claims = {"sub": "subject-2"}

    assert "linked to another person" in refusal(client, sign_in(client, idp))
    assert len(rows(sso_app, StaffIdentity)) == 1


def test_without_an_account_people_are_refused(client: ReviewingClient, idp: FakeProvider) -> None:
    assert "has no account in Laurel" in refusal(client, sign_in(client, idp))


def test_accounts_are_created_if_the_setting_says_so(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider
) -> None:
    """SSO-2."""
    sso_app.config["LAUREL"] = replace(sso_app.config["LAUREL"], oidc_create="yes")
    idp.claims = {"groups": ["others", "moderators"]}
    assert sign_in(client, idp).headers["Location"] == "/members"

    (person,) = rows(sso_app, Staff)
    assert (person.email, person.name, person.role) == (
        "anna@example.org",
        "Anna Berg",
        Role.MANAGER,
    )
    assert verbs(sso_app) == ["staff.provisioned", "staff.signed_in"]


def test_a_name_like_a_colleagues_is_not_taken(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, make: Make
) -> None:
    make.staff(Role.SUPPORT, name="Anna Berg")
    sso_app.config["LAUREL"] = replace(sso_app.config["LAUREL"], oidc_create="yes")

    assert sign_in(client, idp).headers["Location"] == "/members"
    assert {person.name for person in rows(sso_app, Staff)} == {"Anna Berg", "anna@example.org"}


@pytest.mark.parametrize("groups", [[], ["others"], None, "others", {"a": 1}, [["x"]], 7])
def test_people_without_a_role_are_refused(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, anna: Staff, groups: object
) -> None:
    """SSO-2: and nothing is linked."""
    idp.claims = {"groups": groups}

    assert "give you no role in Laurel" in refusal(client, sign_in(client, idp))
    assert rows(sso_app, StaffIdentity) == []


def test_several_groups_give_the_highest_role(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, make: Make
) -> None:
    make.staff(Role.SUPPORT, email="anna@example.org")
    idp.claims = {"groups": ["moderators", "console-admins", "others"]}
    sign_in(client, idp)

    assert rows(sso_app, Staff)[0].role == Role.ADMIN


def test_a_nested_claim_and_userinfo_give_the_role(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, make: Make
) -> None:
    make.staff(Role.SUPPORT, email="anna@example.org")
    settings = sso_app.config["LAUREL"]
    sso_app.config["LAUREL"] = replace(settings, oidc_role_claim="realm_access.roles")
    idp.claims = {"email": None, "email_verified": None}
    idp.in_userinfo = {
        "sub": "subject-1",
        "email": "anna@example.org",
        "email_verified": True,
        "realm_access": {"roles": ["moderators"]},
    }
    sign_in(client, idp)
    assert rows(sso_app, Staff)[0].role == Role.MANAGER

    client.post("/sign-out")
    idp.in_userinfo["sub"] = "subject-2"
    assert "couldn't be verified" in refusal(client, sign_in(client, idp))


def test_a_role_that_falls_reduces_the_running_session(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, make: Make, anna: Staff
) -> None:
    """SSO-2."""
    make.staff(Role.ADMIN, password="a hash")
    sign_in(client, idp)
    assert client.get("/settings/staff").status_code == 200

    other = ReviewingClient(sso_app, None, use_cookies=True)
    idp.claims = {"groups": ["moderators"]}
    sign_in(other, idp)
    assert client.get("/settings/staff").status_code == 403
    assert "staff.role_claimed" in verbs(sso_app)


def test_a_role_that_is_gone_ends_the_running_sessions(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, anna: Staff
) -> None:
    sign_in(client, idp)
    idp.claims = {"groups": []}
    other = ReviewingClient(sso_app, None, use_cookies=True)
    refusal(other, sign_in(other, idp))

    assert urlsplit(client.get("/members").headers["Location"]).path == "/sign-in"


def test_the_last_admin_with_a_password_stays_admin(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, anna: Staff
) -> None:
    """SSO-3: otherwise no one could repair the groups if the provider is away."""
    idp.claims = {"groups": ["moderators"]}
    sign_in(client, idp)

    assert rows(sso_app, Staff)[0].role == Role.ADMIN
    assert "staff.role_kept" in verbs(sso_app)


def test_a_disabled_account_is_refused(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, anna: Staff
) -> None:
    with sso_app.app_context(), transaction():
        db.session.execute(update(Staff).values(active=False))

    assert "is disabled" in refusal(client, sign_in(client, idp))


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"aud": []},
        {"aud": [CLIENT, "another"]},  # without azp
        {"azp": "another"},
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"iat": 99_999_999_999},
        {"nbf": 99_999_999_999},
        {"sub": None},
        {"sub": ""},
        {"sub": "s" * 256},
        {"sub": 7},
        {"at_hash": "wrong"},
    ],
    ids=str,
)
def test_a_token_with_a_wrong_claim_signs_no_one_in(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, anna: Staff, wrong: dict[str, Any]
) -> None:
    idp.claims = wrong

    assert "couldn't be verified" in refusal(client, sign_in(client, idp))
    assert rows(sso_app, StaffSession) == []


def _unsigned(idp: FakeProvider) -> str:
    header = urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    return f"{header}.{idp.signed().split('.')[1]}."


def _with_public_key_as_secret(idp: FakeProvider) -> str:
    header = urlsafe_b64encode(b'{"alg":"HS256"}').decode().rstrip("=")
    signed = f"{header}.{idp.signed().split('.')[1]}"
    digest = hmac.digest(KEY.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{urlsafe_b64encode(digest).decode().rstrip('=')}"


@pytest.mark.parametrize(
    "forge",
    [
        _unsigned,
        _with_public_key_as_secret,
        lambda idp: idp.signed(OTHER_KEY),
        lambda idp: idp.signed()[:-8] + "AAAAAAAA",
        lambda idp: "not a token",
        lambda idp: "a.b.c",
        lambda idp: "é.é.é",
    ],
    ids=["none", "HS256", "other key", "altered", "text", "dots", "not ASCII"],
)
def test_a_token_that_is_not_signed_by_the_provider_signs_no_one_in(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, anna: Staff, forge: Any
) -> None:
    state = begin(client, idp)
    idp.id_token = forge(idp)

    assert "couldn't be verified" in refusal(client, come_back(client, state))
    assert rows(sso_app, StaffSession) == []


def test_a_rotated_key_is_fetched(
    client: ReviewingClient, idp: FakeProvider, anna: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "PAUSE", -1.0)
    sign_in(client, idp)
    client.post("/sign-out")
    idp.key = idp.published = OTHER_KEY

    assert sign_in(client, idp).headers["Location"] == "/members"
    assert idp.came.count("/keys") == 2


def test_unknown_keys_do_not_make_the_console_ask_again_and_again(
    client: ReviewingClient, idp: FakeProvider, anna: Staff
) -> None:
    idp.key = OTHER_KEY  # but not published
    for _ in range(3):
        assert "couldn't be verified" in refusal(client, sign_in(client, idp))
    assert idp.came.count("/keys") == 1


def test_a_state_is_good_once_and_in_one_browser(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, anna: Staff
) -> None:
    state = begin(client, idp)
    other = ReviewingClient(sso_app, None, use_cookies=True)
    assert "in another browser" in refusal(other, come_back(other, state))
    assert "in another browser" in refusal(client, come_back(client, "x" * 43))
    assert come_back(client, state).headers["Location"] == "/members"
    client.post("/sign-out")
    assert "already used" in refusal(client, come_back(client, state))


def test_two_tabs_can_sign_in(client: ReviewingClient, idp: FakeProvider, anna: Staff) -> None:
    first = begin(client, idp, "/sso?next=/badges")
    asked = idp.asked
    second = begin(client, idp)
    assert come_back(client, second).headers["Location"] == "/members"
    idp.asked = asked
    assert come_back(client, first).headers["Location"] == "/badges"


def test_a_sign_in_that_takes_too_long_begins_again(
    client: ReviewingClient, idp: FakeProvider, anna: Staff
) -> None:
    state = begin(client, idp)
    with client.session_transaction() as kept:
        kept["sso"] = {state: [*kept["sso"][state][:2], int(time.time()) - 601, "/", 0]}
    assert "took too long" in refusal(client, come_back(client, state))


@pytest.mark.parametrize(
    "onward", ["https://evil.example", "//evil.example", "/\\evil.example", "/a b", "x" * 3000]
)
def test_signing_in_never_leads_to_another_site(
    client: ReviewingClient, idp: FakeProvider, anna: Staff, onward: str
) -> None:
    state = begin(client, idp, "/sso?" + urlencode({"next": onward}))
    assert come_back(client, state).headers["Location"] == "/"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("access_denied", "it was cancelled"),
        ("server_error", "the sign-in provider answered “server_error”"),
        ("<script>" + "x" * 3000, "answered “<script>xxx"),
    ],
    ids=["denied", "failed", "long"],
)
def test_an_error_from_the_provider_is_explained(
    client: ReviewingClient, idp: FakeProvider, error: str, sentence: str
) -> None:
    assert sentence in refusal(client, come_back(client, begin(client, idp), error=error))


def test_the_response_must_name_the_issuer_if_the_provider_says_so(
    client: ReviewingClient, idp: FakeProvider, anna: Staff
) -> None:
    idp.more_metadata = {"authorization_response_iss_parameter_supported": True}
    for more in ({}, {"iss": "https://evil.example"}):
        assert "couldn't be verified" in refusal(
            client, come_back(client, begin(client, idp), **more)
        )
    answer = come_back(client, begin(client, idp), iss=idp.issuer)
    assert answer.headers["Location"] == "/members"


BAD = {
    "html": (200, "text/html", b"<h1>Sign in to the wifi</h1>"),
    "status 500": (500, "application/json", b"{}"),
    "10 MB": (200, "application/json", b" " * 10_000_000 + b"{}"),
    "list": (200, "application/json", b"[]"),
    "nonsense": (200, "application/json", b"\xff{"),
    "empty": (200, "application/json", b""),
    "redirect": (302, "application/json", b"{}"),
    "deep": (200, "application/json", b"[" * 200_000),
}


@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/token"])
def test_a_bad_document_signs_no_one_in(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, anna: Staff, path: str, what: str
) -> None:
    """Each has a sentence on the sign-in page, and passwords still work there."""
    idp.replies = {path: BAD[what]}
    sent = client.get("/sso?next=/members")
    if path != "/.well-known/openid-configuration":
        idp.asked = dict(parse_qsl(urlsplit(sent.headers["Location"]).query))
        sent = come_back(client, idp.asked["state"])

    sentence = refusal(client, sent)
    assert "The sign-in provider" in sentence
    assert rows(sso_app, StaffSession) == []


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/token"])
def test_a_slow_provider_is_given_up(
    client: ReviewingClient,
    idp: FakeProvider,
    anna: Staff,
    path: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    idp.replies = {path: (200, "application/json", b"slowly")}
    monkeypatch.setattr(http, "READ", 0.2)
    sent = client.get("/sso?next=/members")
    if path != "/.well-known/openid-configuration":
        idp.asked = dict(parse_qsl(urlsplit(sent.headers["Location"]).query))
        sent = come_back(client, idp.asked["state"])

    assert "can't be reached at the moment" in refusal(client, sent)


def test_a_provider_that_is_away_is_asked_rarely(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider
) -> None:
    idp.replies = {"/.well-known/openid-configuration": BAD["status 500"]}
    for _ in range(3):
        refusal(client, client.get("/sso"))
    assert len(idp.came) == 1


def test_old_documents_stay_in_use_if_the_provider_is_away(
    client: ReviewingClient, idp: FakeProvider, anna: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(client, idp)
    client.post("/sign-out")
    monkeypatch.setattr(provider, "KEPT", -1.0)
    monkeypatch.setattr(provider, "PAUSE", -1.0)
    idp.replies = dict.fromkeys(["/.well-known/openid-configuration", "/keys"], BAD["html"])

    assert sign_in(client, idp).headers["Location"] == "/members"


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"token_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": "https://["},
        {"token_endpoint": 7},
    ],
    ids=str,
)
def test_a_wrong_discovery_document_is_not_used(
    client: ReviewingClient, idp: FakeProvider, metadata: dict[str, Any]
) -> None:
    idp.more_metadata = metadata
    assert "couldn't be used" in refusal(client, client.get("/sso"))


def test_the_provider_asks_for_the_second_factor(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, anna: Staff
) -> None:
    """A role that requires Laurel's applies to passwords only."""
    with sso_app.app_context(), transaction():
        db.session.add(TwoFactorRequiredRole(role=Role.ADMIN, since=anna.created_at))
    sign_in(client, idp)

    assert client.get("/members").status_code == 200


def test_the_id_token_is_stored_encrypted(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, anna: Staff
) -> None:
    idp.claims = {"sid": "session-1"}
    sign_in(client, idp)

    (kept,) = rows(sso_app, SsoSession)
    assert kept.sid == "session-1"
    assert "eyJ" not in kept.id_token.partition(".")[2][:3]


def test_a_change_of_access_is_confirmed_at_the_provider(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, make: Make, anna: Staff
) -> None:
    """R-4: and the form is offered again afterwards."""
    sam = make.staff(Role.SUPPORT)
    sign_in(client, idp)
    long_ago = datetime.now(UTC) - timedelta(minutes=11)
    with sso_app.app_context(), transaction():
        db.session.execute(update(StaffSession).values(confirmed_at=long_ago))
    asks = client.post(f"/settings/staff/{sam.id}/role", {"role": "dev"})
    assert "To change a role, sign in again with Example Login." in asks.words("main")
    link = asks.page.select_one("main a.primary")
    assert link is not None

    for wrong, sentence in (
        ({"auth_time": int(time.time()) - 3600}, "didn't ask for your password again"),
        ({"auth_time": None}, "didn't say when you entered your password"),
        ({"auth_time": True}, "didn't say when you entered your password"),
        ({"auth_time": int(time.time()) + 3600}, "didn't say when you entered your password"),
        ({"auth_time": 1e308 * 10}, "didn't say when you entered your password"),
        ({"sub": "subject-2"}, "as someone else"),
    ):
        idp.claims = wrong
        state = begin(client, idp, str(link["href"]))
        assert (idp.asked["prompt"], idp.asked["max_age"]) == ("login", "0")
        came = come_back(client, state)
        landed = client.get(client.get(came.headers["Location"]).headers["Location"])
        assert sentence in landed.words(".note.error")
        assert "To change a role" in client.post(
            f"/settings/staff/{sam.id}/role", {"role": "dev"}
        ).words("main")

    idp.claims = {}
    came = come_back(client, begin(client, idp, str(link["href"])))
    assert came.headers["Location"] == "/sign-in/typed"
    form = client.get("/sign-in/typed")
    assert "Dev" in form.words("main")
    saved = client.post(f"/settings/staff/{sam.id}/role", {"role": "dev"})
    assert saved.status_code == 303
    assert rows(sso_app, Staff)[1].role == Role.DEV


def asks_to_confirm(client: ReviewingClient, person: Staff) -> bool:
    """True if a change of access would first lead to the provider."""
    page = client.post(f"/settings/staff/{person.id}/role", {"role": "dev"})
    return page.status_code == 200 and "To change a role, sign in again" in page.words("main")


@pytest.mark.parametrize(
    ("age", "asks"),
    [(0, False), (540, False), (-30, False), (660, True), (-3600, True), (None, True)],
    ids=["just now", "9 minutes", "clocks differ", "11 minutes", "future", "missing"],
)
def test_a_new_session_is_confirmed_only_by_credentials_that_were_just_entered(
    client: ReviewingClient,
    idp: FakeProvider,
    make: Make,
    anna: Staff,
    age: int | None,
    asks: bool,
) -> None:
    """R-4: the provider signs people in without asking if they have a session there."""
    sam = make.staff(Role.SUPPORT)
    idp.claims = {"auth_time": None if age is None else int(time.time()) - age}
    sign_in(client, idp)
    assert is_in(client)

    assert asks_to_confirm(client, sam) is asks


def test_credentials_that_were_entered_earlier_count_from_then(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, anna: Staff
) -> None:
    """R-4: not for another ten minutes from the sign-in here."""
    entered = int(time.time()) - 540
    idp.claims = {"auth_time": entered}
    sign_in(client, idp)

    assert rows(sso_app, StaffSession)[0].confirmed_at == datetime.fromtimestamp(entered, UTC)


def test_the_sign_in_that_links_an_account_confirms_nothing_without_auth_time(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, make: Make, anna: Staff
) -> None:
    """R-4: neither does one that creates an account."""
    sam = make.staff(Role.SUPPORT)
    sso_app.config["LAUREL"] = replace(sso_app.config["LAUREL"], oidc_create="yes")
    for email in ("anna@example.org", "new@example.org"):
        idp.claims = {"auth_time": None, "email": email, "sub": email}
        sign_in(client, idp)
        assert asks_to_confirm(client, sam)
        client.post("/sign-out")
    assert verbs(sso_app).count("staff.linked") == verbs(sso_app).count("staff.provisioned") == 1


def test_renewing_a_session_confirms_nothing(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, make: Make, anna: Staff
) -> None:
    """R-4."""
    sam = make.staff(Role.SUPPORT)
    idp.claims = {"auth_time": int(time.time()) - 660}
    idp.more_tokens = {"refresh_token": "first"}
    sign_in(client, idp)
    idp.claims = {}
    idp.renewal = {
        "access_token": "a",
        "token_type": "Bearer",
        "expires_in": 300,
        "id_token": idp.signed(),
    }
    later(sso_app)
    assert is_in(client)
    assert "first" in idp.came

    assert asks_to_confirm(client, sam)


def test_without_a_provider_nothing_shows(app: Flask) -> None:
    client = ReviewingClient(app, None, use_cookies=True)
    assert "Or sign in with a password" not in client.get("/sign-in").text
    for path in ("/sso", "/sso/callback"):
        assert client.get(path).headers["Location"] == "/sign-in"


def test_people_without_a_password_see_none_on_their_account(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, make: Make
) -> None:
    make.staff(Role.ADMIN, email="anna@example.org")
    sign_in(client, idp)

    page = client.get("/account")
    assert "You sign in with Example Login." in page.words("main")
    assert page.page.select_one("#password") is None
    assert "Signs in with Example Login, linked" in client.get("/settings/staff/1").words("main")


def with_password(make: Make, **given: Any) -> Staff:
    return make.staff(Role.ADMIN, password=accounts.hash_of(PASSWORD), **given)


def enter(client: ReviewingClient, person: Staff) -> Answer:
    return client.post("/sign-in", {"email": person.email, "password": PASSWORD})


def test_only_break_glass_admins_use_passwords_if_the_setting_says_so(
    client: ReviewingClient, sso_app: Flask, make: Make
) -> None:
    """SSO-3: a right password isn't told from a wrong one."""
    sso_app.config["LAUREL"] = replace(sso_app.config["LAUREL"], passwords="break-glass")
    assert "Passwords are only for break-glass admins:" in client.get("/sign-in").words("form")
    refused = enter(client, with_password(make))
    assert (refused.status_code, refused.words(".note.error")) == (
        422,
        "Incorrect email or password.",
    )
    assert enter(client, with_password(make, break_glass=True)).status_code == 303


def test_the_first_admin_can_come_back_without_the_provider(
    client: ReviewingClient, sso_app: Flask
) -> None:
    sso_app.config["LAUREL"] = replace(sso_app.config["LAUREL"], passwords="break-glass")
    with sso_app.app_context(), transaction():
        key = first_admin.create_link(Actor(datetime.now(UTC), Origin.COMMAND_LINE))
    client.post(f"/setup/{key}", {"email": "b@example.org", "password": PASSWORD})

    assert rows(sso_app, Staff)[0].break_glass


def test_an_outage_shows_until_the_provider_works_again(
    client: ReviewingClient,
    sso_app: Flask,
    idp: FakeProvider,
    make: Make,
    anna: Staff,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SSO-3: on the sign-in page for everyone, and on the System page; sessions go on, and passwords work."""
    monkeypatch.setattr(provider, "PAUSE", -1.0)
    admin = ReviewingClient(sso_app, None, use_cookies=True).sign_in(anna)
    idp.replies = {"/.well-known/openid-configuration": BAD["status 500"]}
    refusal(client, client.get("/sso"))

    other = ReviewingClient(sso_app, None, use_cookies=True)
    assert "hasn't worked lately" in other.get("/sign-in").words(".note.warning")
    assert "Single sign-on hasn't worked since" in admin.get("/settings/system").words("#state")
    assert enter(other, with_password(make)).status_code == 303

    idp.replies = {}
    sign_in(client, idp)
    assert "hasn't worked" not in admin.get("/settings/system").text


def test_the_system_page_warns_if_there_is_no_break_glass_admin(
    sso_app: Flask, make: Make, anna: Staff
) -> None:
    sso_app.config["LAUREL"] = replace(sso_app.config["LAUREL"], passwords="break-glass")
    admin = ReviewingClient(sso_app, None, use_cookies=True).sign_in(anna)
    sentence = "No one can sign in if the sign-in provider is away."
    assert sentence in admin.get("/settings/system").text
    with_password(make, break_glass=True)
    assert sentence not in admin.get("/settings/system").text


def test_an_admin_chooses_break_glass_admins(sso_app: Flask, make: Make, anna: Staff) -> None:
    admin = ReviewingClient(sso_app, None, use_cookies=True).sign_in(anna)
    path = f"/settings/staff/{anna.id}"
    refused = admin.post(f"{path}/break-glass", {"on": "yes"})
    assert "needs the role Admin, a password and two-factor" in refused.words(".note.error")
    with sso_app.app_context(), transaction():
        at = datetime.now(UTC)
        db.session.add(SecondFactor(staff_id=anna.id, secret="x", created_at=at, confirmed_at=at))
    assert admin.post(f"{path}/break-glass", {"on": "yes"}).status_code == 303
    assert "Remove as break-glass admin" in admin.get(path).words("main")

    refused = admin.post(f"{path}/break-glass", {})
    assert "is the last break-glass admin" in refused.words(".note.error")
    with_password(make, break_glass=True)
    assert admin.post(f"{path}/break-glass", {}).status_code == 303


def test_a_break_glass_admin_keeps_the_role_whatever_the_groups(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, make: Make
) -> None:
    with_password(make)
    with_password(make, email="anna@example.org", break_glass=True)
    idp.claims = {"groups": ["moderators"]}
    sign_in(client, idp)
    assert client.get("/settings/staff").status_code == 200


def test_the_staff_page_lists_keys_that_a_lower_role_left(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, make: Make
) -> None:
    """SSO-2."""
    boss = with_password(make)
    anna = make.staff(Role.DEV, email="anna@example.org")
    with sso_app.app_context(), transaction():
        by_anna = Actor(datetime.now(UTC), Origin.CONSOLE, anna)
        api_keys.create("Importer", ["badges:read"], None, by_anna)
    idp.claims = {"groups": ["moderators"]}
    sign_in(client, idp)

    (claimed,) = [one for one in rows(sso_app, AuditEvent) if one.verb == "staff.role_claimed"]
    assert claimed.detail["keys"] == "Importer"
    admin = ReviewingClient(sso_app, None, use_cookies=True).sign_in(boss)
    page = admin.get(f"/settings/staff/{anna.id}")
    assert "Importer" in page.words(".note.warning")


def is_in(client: ReviewingClient) -> bool:
    return client.get("/members").status_code == 200


def logout_token(idp: FakeProvider, **changes: Any) -> str:
    """A logout token, with changed claims; None leaves one out."""
    usual = dict.fromkeys(idp.usual_claims())
    event = {"http://schemas.openid.net/event/backchannel-logout": {}}
    own = {"iss": idp.issuer, "aud": CLIENT, "iat": int(time.time()), "events": event, "jti": "j"}
    idp.claims = {**usual, **own, "sid": "session-1", **changes}
    return idp.signed()


def log_out(sso_app: Flask, token: str) -> Answer:
    """The provider's own request: without cookies and without a CSRF token."""
    other = ReviewingClient(sso_app, None, use_cookies=False)
    return other.post("/sso/back-channel-logout", {"logout_token": token}, csrf=False)


@pytest.mark.parametrize("by", [{}, {"sid": None, "sub": "subject-1"}], ids=["sid", "sub"])
def test_back_channel_logout_ends_sessions_at_once(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, anna: Staff, by: dict[str, Any]
) -> None:
    """SSO-4."""
    idp.claims = {"sid": "session-1"}
    sign_in(client, idp)
    assert is_in(client)
    assert log_out(sso_app, logout_token(idp, **by)).status_code == 200
    assert not is_in(client)
    assert verbs(sso_app)[-1] == "staff.ended_by_provider"


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"iat": 1},
        {"iat": None},
        {"iat": 99_999_999_999},
        {"exp": 1},
        {"events": None},
        {"events": {}},
        {"events": 7},
        {"nonce": "n"},
        {"sid": None},
        {"sid": 7},
    ],
    ids=str,
)
def test_a_wrong_logout_token_ends_nothing(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, anna: Staff, wrong: dict[str, Any]
) -> None:
    idp.claims = {"sid": "session-1"}
    sign_in(client, idp)
    assert log_out(sso_app, logout_token(idp, **wrong)).status_code == 400
    assert log_out(sso_app, "nonsense").status_code == 400
    assert is_in(client)


def test_a_logout_token_of_another_key_ends_nothing(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, anna: Staff
) -> None:
    idp.claims = {"sid": "session-1"}
    sign_in(client, idp)
    logout_token(idp)
    assert log_out(sso_app, idp.signed(OTHER_KEY)).status_code == 400
    assert is_in(client)


def test_front_channel_logout_ends_the_session(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, anna: Staff
) -> None:
    """SSO-4."""
    idp.claims = {"sid": "session-1"}
    sign_in(client, idp)
    other = ReviewingClient(sso_app, None, use_cookies=False)
    path = "/sso/front-channel-logout?"
    assert other.get(path + urlencode({"iss": idp.issuer})).status_code == 400
    assert other.get(path + "sid=session-1").status_code == 400
    assert other.get(path + urlencode({"iss": idp.issuer, "sid": "other"})).status_code == 200
    assert is_in(client)
    assert other.get(path + urlencode({"iss": idp.issuer, "sid": "session-1"})).status_code == 200
    assert not is_in(client)


def test_signing_out_leads_to_the_providers_sign_out(
    client: ReviewingClient, idp: FakeProvider, anna: Staff
) -> None:
    sign_in(client, idp)
    left = client.post("/sign-out")

    address = urlsplit(left.headers["Refresh"].removeprefix("0; url="))
    query = dict(parse_qsl(address.query))
    assert f"{address.scheme}://{address.netloc}{address.path}" == f"{idp.issuer}/logout"
    assert query["post_logout_redirect_uri"] == "http://localhost:8000/sign-in"
    assert query["id_token_hint"].count(".") == 2
    assert not is_in(client)
    assert client.post("/sign-out").status_code == 303


def later(sso_app: Flask) -> None:
    """Let the tokens expire."""
    with sso_app.app_context(), transaction():
        db.session.execute(update(SsoSession).values(check_at=datetime.now(UTC)))


def test_a_session_is_renewed_at_the_provider(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, anna: Staff
) -> None:
    """SSO-4: with the newest refresh token, once for each lifetime."""
    idp.more_tokens = {"refresh_token": "first"}
    sign_in(client, idp)
    assert is_in(client)
    idp.renewal = {"access_token": "a", "token_type": "Bearer", "expires_in": 300}
    for _ in range(2):
        later(sso_app)
        idp.renewal |= {"refresh_token": "second"}
        assert is_in(client)
        assert is_in(client)
    assert [one for one in idp.came if one in ("first", "second")] == ["first", "second"]


def renewed(client: ReviewingClient, sso_app: Flask, idp: FakeProvider, **claims: Any) -> int:
    """Renew a session with an ID token of these claims; return the status of the page that asked for it."""
    idp.more_tokens = {"refresh_token": "first"}
    idp.claims = {"nonce": None, **claims}
    idp.renewal = {
        "access_token": "a",
        "token_type": "Bearer",
        "expires_in": 300,
        "id_token": idp.signed(),
    }
    later(sso_app)
    return client.get("/settings/staff").status_code


@pytest.fixture
def running(client: ReviewingClient, idp: FakeProvider, anna: Staff) -> ReviewingClient:
    """A browser in which Anna signed in as an admin, with a refresh token."""
    idp.more_tokens = {"refresh_token": "first"}
    sign_in(client, idp)
    assert client.get("/settings/staff").status_code == 200
    return client


def test_a_role_that_falls_at_the_provider_falls_at_the_renewal(
    running: ReviewingClient, sso_app: Flask, idp: FakeProvider, make: Make, anna: Staff
) -> None:
    """SSO-2: with the page that asks for it, and the person's API keys are listed."""
    make.staff(Role.ADMIN, password="a hash")
    with sso_app.app_context(), transaction():
        by_anna = Actor(datetime.now(UTC), Origin.CONSOLE, db.session.get_one(Staff, anna.id))
        api_keys.create("Importer", ["badges:read"], None, by_anna)
    assert renewed(running, sso_app, idp, groups=["moderators"]) == 403
    assert is_in(running)

    claimed = rows(sso_app, AuditEvent)[-2]
    assert (claimed.verb, claimed.actor) == ("staff.role_claimed", "Laurel")
    assert claimed.detail == {"before": "admin", "role": "manager", "keys": "Importer"}


def test_a_role_that_rises_at_the_provider_rises_at_the_renewal(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, make: Make
) -> None:
    """SSO-2."""
    make.staff(Role.SUPPORT, email="anna@example.org")
    idp.more_tokens = {"refresh_token": "first"}
    idp.claims = {"groups": ["moderators"]}
    sign_in(client, idp)
    assert renewed(client, sso_app, idp, groups=["console-admins"]) == 200


@pytest.mark.parametrize("groups", [[], ["others"], None], ids=["empty", "others", "missing"])
def test_someone_without_a_role_is_signed_out_at_the_renewal(
    running: ReviewingClient, sso_app: Flask, idp: FakeProvider, groups: list[str] | None
) -> None:
    """SSO-2: in every browser, and told why when they sign in again."""
    idp.claims = {}
    other = ReviewingClient(sso_app, None, use_cookies=True)
    sign_in(other, idp)
    assert renewed(running, sso_app, idp, groups=groups) == 303
    assert not is_in(running)
    assert not is_in(other)
    assert rows(sso_app, StaffSession) == []
    assert verbs(sso_app)[-1] == "staff.ended_without_role"


def test_a_renewal_changes_nothing_for_a_break_glass_admin_with_a_lower_role(
    running: ReviewingClient, sso_app: Flask, idp: FakeProvider, make: Make
) -> None:
    """SSO-3: without a role only the session that began at the provider ends."""
    with_password(make)
    with sso_app.app_context(), transaction():
        db.session.execute(update(Staff).where(Staff.id == 1).values(break_glass=True))
    with sso_app.app_context():
        anna = db.session.get_one(Staff, 1)
        direct = ReviewingClient(sso_app, None, use_cookies=True).sign_in(anna)
    before = verbs(sso_app)
    assert renewed(running, sso_app, idp, groups=["moderators"]) == 200
    assert verbs(sso_app) == before

    assert renewed(running, sso_app, idp, groups=[]) == 303
    assert is_in(direct)


def test_the_role_is_read_from_userinfo_if_a_renewal_has_no_id_token(
    running: ReviewingClient, sso_app: Flask, idp: FakeProvider, make: Make
) -> None:
    """SSO-2: some providers don't send a new one. UserInfo without the claim says nothing about the role."""
    make.staff(Role.ADMIN, password="a hash")
    idp.renewal = {"access_token": "a", "token_type": "Bearer", "expires_in": 300}
    for more, status in (({}, 200), ({"groups": ["moderators"]}, 403)):
        idp.in_userinfo = {"sub": "subject-1", **more}
        later(sso_app)
        assert running.get("/settings/staff").status_code == status


@pytest.mark.parametrize(
    "wrong",
    [
        {"sub": "subject-2"},
        {"aud": "another"},
        {"iss": "https://evil.example"},
        {"exp": 1},
    ],
    ids=str,
)
def test_an_answer_that_cannot_be_verified_ends_the_session(
    running: ReviewingClient, sso_app: Flask, idp: FakeProvider, wrong: dict[str, Any]
) -> None:
    """SSO-2: the role in it isn't read."""
    assert renewed(running, sso_app, idp, groups=["moderators"], **wrong) == 303
    assert verbs(sso_app)[-1] == "staff.ended_unverified"
    assert rows(sso_app, Staff)[0].role == Role.ADMIN


@pytest.mark.parametrize("subject", ["subject-2", None, 7])
def test_userinfo_about_someone_else_ends_the_session(
    running: ReviewingClient, sso_app: Flask, idp: FakeProvider, subject: object
) -> None:
    idp.renewal = {"access_token": "a", "token_type": "Bearer", "expires_in": 300}
    idp.in_userinfo = {"sub": subject, "groups": ["console-admins"]}
    later(sso_app)
    assert not is_in(running)


def test_a_renewed_token_is_kept_if_userinfo_is_away(
    running: ReviewingClient, sso_app: Flask, idp: FakeProvider
) -> None:
    """SSO-3: the session goes on, and a minute later the provider is asked with the newest token."""
    idp.renewal = {
        "access_token": "a",
        "token_type": "Bearer",
        "expires_in": 300,
        "refresh_token": "second",
    }
    idp.replies = {"/userinfo": BAD["status 500"]}
    for _ in range(2):
        later(sso_app)
        assert is_in(running)
    assert [one for one in idp.came if one in ("first", "second")] == ["first", "second"]


def test_a_confirmation_reads_the_role_again(
    running: ReviewingClient, sso_app: Flask, idp: FakeProvider, make: Make
) -> None:
    """SSO-2: like a sign-in."""
    make.staff(Role.ADMIN, password="a hash")
    idp.claims = {"groups": ["moderators"]}
    come_back(running, begin(running, idp, "/sso/confirmation"))
    assert running.get("/settings/staff").status_code == 403

    idp.claims = {"groups": []}
    came = come_back(running, begin(running, idp, "/sso/confirmation"))
    assert "give you no role in Laurel" in refusal(running, came)
    assert rows(sso_app, StaffSession) == []


def test_disabling_someone_at_the_provider_ends_the_session(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, anna: Staff
) -> None:
    """SSO-4: when the provider's tokens expire."""
    idp.more_tokens = {"refresh_token": "first"}
    sign_in(client, idp)
    later(sso_app)
    idp.replies = {"/token": (400, "application/json", b'{"error": "invalid_grant"}')}
    assert not is_in(client)
    assert rows(sso_app, StaffSession) == []
    assert verbs(sso_app)[-1] == "staff.ended_by_provider"


@pytest.mark.parametrize("token", ["first", None])
def test_sessions_go_on_while_the_provider_is_away(
    client: ReviewingClient,
    sso_app: Flask,
    idp: FakeProvider,
    anna: Staff,
    token: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SSO-3: without a refresh token, the session ends when the provider answers again."""
    monkeypatch.setattr(provider, "PAUSE", -1.0)
    idp.more_tokens = {"refresh_token": token}
    sign_in(client, idp)
    away = (500, "application/json", b"{}")
    idp.replies = dict.fromkeys(["/token", "/.well-known/openid-configuration"], away)
    later(sso_app)
    assert is_in(client)

    idp.replies = {}
    idp.renewal = {"access_token": "a", "token_type": "Bearer", "expires_in": 300}
    later(sso_app)
    assert is_in(client) is bool(token)


def test_staff_pages_say_how_people_sign_in(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, make: Make, anna: Staff
) -> None:
    """SSO-3: also if passwords are only for break-glass admins."""
    boss = with_password(make, email="boss@example.org", break_glass=True)
    other = with_password(make, email="other@example.org")
    new = make.staff(Role.SUPPORT, email="new@example.org")
    sign_in(client, idp)
    admin = ReviewingClient(sso_app, None, use_cookies=True).sign_in(boss)

    def row(person: Staff) -> str:
        page = admin.get("/settings/staff").page
        link = page.select_one(f'a[href="/settings/staff/{person.id}"]')
        assert link is not None
        cell = link.find_parent("tr").select_one('td[data-label="Signs in with"]')  # type: ignore[union-attr]
        assert cell is not None
        return cell.get_text(strip=True)

    assert [row(one) for one in (anna, boss, other, new)] == [
        "Single sign-on, Password",
        "Password",
        "Password",
        "–",
    ]
    sso_app.config["LAUREL"] = replace(sso_app.config["LAUREL"], passwords="break-glass")
    assert [row(one) for one in (anna, boss, other)] == ["Single sign-on", "Password", "–"]
    page = admin.get(f"/settings/staff/{other.id}").words("main")
    assert "Can't sign in with the password, because only break-glass admins can." in page
    page = admin.get(f"/settings/staff/{anna.id}").words("main")
    assert "Also has a password, but only break-glass admins can sign in with one." in page
    page = admin.get("/settings/staff/invitations").words("main")
    assert "They sign in with Example Login" in page
    page = admin.get(f"/settings/staff/{new.id}").words("main")
    assert "Invited. Signs in with Example Login." in page


@pytest.mark.parametrize(
    ("passwords", "sentence"),
    [
        ("everyone", "Until it works again, you can sign in with a password"),
        ("break-glass", "Until it works again, only break-glass admins can sign in"),
    ],
)
def test_the_sign_in_page_says_how_to_get_in_during_an_outage(
    client: ReviewingClient, sso_app: Flask, idp: FakeProvider, passwords: str, sentence: str
) -> None:
    """SSO-3: for the person who has tried, and for the next one."""
    sso_app.config["LAUREL"] = replace(sso_app.config["LAUREL"], passwords=passwords)
    idp.replies = {"/.well-known/openid-configuration": BAD["status 500"]}
    sent = client.get("/sso")
    assert sentence in client.get(sent.headers["Location"]).words("form")
    assert sentence in client.get("/sign-in").words("form")
