"""`laurel oidc check`: says in plain words what is wrong with single sign-on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from joserfc.jwk import RSAKey

from tests.pages.auth.provider import FakeProvider
from webapp.cli import main


@pytest.fixture
def idp() -> Iterator[FakeProvider]:
    fake = FakeProvider(RSAKey.generate_key(2048, auto_kid=True))
    yield fake
    fake.close()


def run(folder: Path, *arguments: str, **environ: str) -> Result:
    given = {
        "LAUREL_ENV": "test",
        "LAUREL_DATA": str(folder),
        "DATABASE_URL": "",
        "LAUREL_ADDRESS": "https://badges.example.org",
        **environ,
    }
    return CliRunner(env=given).invoke(main, ["oidc", "check", *arguments])


def settings(idp: FakeProvider, **more: str) -> dict[str, str]:
    return {
        "LAUREL_OIDC_ISSUER": idp.issuer,
        "LAUREL_OIDC_CLIENT_ID": "laurel",
        "LAUREL_OIDC_CLIENT_SECRET": "hush",
        "LAUREL_OIDC_ROLES": "console-admins=admin",
        **more,
    }


def test_a_good_provider_works(tmp_path: Path, idp: FakeProvider) -> None:
    result = run(tmp_path, **settings(idp))

    assert result.exit_code == 0, result.output
    assert "Redirect URL: https://badges.example.org/sso/callback\n" in result.stdout
    assert f"{idp.issuer} works" in result.stdout
    assert json.loads(run(tmp_path, "--json", **settings(idp)).stdout)["problems"] == []


@pytest.mark.parametrize(
    ("path", "reply", "sentence"),
    [
        ("/.well-known/openid-configuration", (404, "text/html", b""), "answered with status 404"),
        ("/.well-known/openid-configuration", (200, "text/html", b"<h1>"), "sent text/html instead of JSON"),
        ("/keys", (200, "application/json", b'{"keys": []}'), "has no key that verifies signatures"),
        ("/keys", (200, "application/json", b'{"keys": 7}'), "has no key that verifies signatures"),
        ("/keys", (200, "application/json", b'{"keys": [{"kty": "RSA"}, 7]}'), "has no key that"),
    ],
)  # fmt: skip
def test_a_bad_document_is_described(
    tmp_path: Path, idp: FakeProvider, path: str, reply: tuple[int, str, bytes], sentence: str
) -> None:
    idp.replies = {path: reply}
    result = run(tmp_path, **settings(idp))

    assert result.exit_code == 1
    assert sentence in result.stderr


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ({"issuer": "https://other.example"}, "is for the issuer 'https://other.example'"),
        ({"token_endpoint": None}, "has no valid token_endpoint"),
        ({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, "accepts neither"),
        ({"claims_supported": ["sub", "email"]}, "doesn't list the claim auth_time"),
    ],
)
def test_wrong_metadata_is_described(
    tmp_path: Path, idp: FakeProvider, metadata: dict[str, Any], sentence: str
) -> None:
    idp.more_metadata = metadata
    result = run(tmp_path, **settings(idp))

    assert result.exit_code == 1
    assert sentence in result.stderr


def test_settings_that_let_no_one_in_are_described(tmp_path: Path, idp: FakeProvider) -> None:
    result = run(tmp_path, **settings(idp, LAUREL_OIDC_ROLES="moderators=manager"))
    assert "makes no one an admin" in result.stderr
    idp.close()
    assert "can't be reached: no connection" in run(tmp_path, **settings(idp)).stderr


def test_without_a_provider_it_says_so(tmp_path: Path) -> None:
    assert "LAUREL_OIDC_ISSUER isn't set" in run(tmp_path).stderr
