"""The settings: defaults run on one machine, each value is judged, a wrong one gets a sentence."""

import secrets
from dataclasses import fields
from pathlib import Path

import pytest

from webapp import config
from webapp.config import SettingError, Settings, flask_config, load

GOOD = {"SECRET_KEY": secrets.token_urlsafe(48)}


def test_the_defaults_run_on_one_machine() -> None:
    settings = load(GOOD)

    assert settings.environment == "production"
    assert settings.database_url == f"sqlite:///{Path.cwd() / 'instance' / 'laurel.sqlite'}"
    assert (settings.host, settings.port, settings.proxies) == ("127.0.0.1", 8000, 0)
    assert settings.trusted_hosts == ("localhost", "127.0.0.1")
    assert settings.batch_max_members == 5000
    assert (settings.lease_seconds, settings.slice_seconds, settings.tick_seconds) == (20, 10, 5)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgresql://u:p@h/d?sslmode=require", "postgresql+psycopg://u:p@h/d?sslmode=require"),
        ("postgresql+psycopg://h/d", "postgresql+psycopg://h/d"),
        ("sqlite:////tmp/x.sqlite", "sqlite:////tmp/x.sqlite"),
    ],
)
def test_database_urls(given: str, read: str) -> None:
    settings = load({**GOOD, "DATABASE_URL": given})

    assert settings.database_url == read
    assert settings.chunk_size == 500


@pytest.mark.parametrize(
    ("address", "secure", "cookie", "hosts"),
    [
        ("http://localhost:8000", False, "laurel", ("localhost", "127.0.0.1")),
        ("http://127.0.0.1", False, "laurel", ("localhost", "127.0.0.1")),
        ("https://localhost", True, "__Host-laurel", ("localhost", "127.0.0.1")),
        ("http://badges.example.org", True, "__Host-laurel", ("badges.example.org",)),
        ("https://badges.example.org/", True, "__Host-laurel", ("badges.example.org",)),
    ],
)
def test_the_public_address_decides_the_cookie_and_the_host_names(
    address: str, secure: bool, cookie: str, hosts: tuple[str, ...]
) -> None:
    settings = load({**GOOD, "LAUREL_ADDRESS": address})
    flask = flask_config(settings)

    assert flask["SESSION_COOKIE_SECURE"] is secure
    assert flask["SESSION_COOKIE_NAME"] == cookie
    assert tuple(flask["TRUSTED_HOSTS"]) == hosts


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("SECRET_KEY", "", "SECRET_KEY is not set; "),
        ("SECRET_KEY", " " * 40, "SECRET_KEY is not set; "),
        ("SECRET_KEY", "0123456789abcdefghijklmnopqrstu", "SECRET_KEY is too weak; "),
        ("SECRET_KEY", "change-me-change-me-change-me-please", "SECRET_KEY is too weak; "),
        ("SECRET_KEY", "my-development-secret-key-for-laurel", "SECRET_KEY is too weak; "),
        ("LAUREL_ENV", "prod", "LAUREL_ENV is 'prod'; "),
        ("PORT", "0", "PORT is '0'; "),
        ("PORT", "٨٠٠٠", "PORT is '٨٠٠٠'; "),
        ("PORT", "9" * 5000, "PORT is '999"),
        ("WEB_THREADS", "-1", "WEB_THREADS is '-1'; "),
        ("BATCH_MAX_MEMBERS", "many", "BATCH_MAX_MEMBERS is 'many'; "),
        ("LAUREL_LEASE_SECONDS", "nan", "LAUREL_LEASE_SECONDS is 'nan'; "),
        ("LAUREL_TICK_SECONDS", "soon", "LAUREL_TICK_SECONDS is 'soon'; "),
        ("LAUREL_LOGS", "xml", "LAUREL_LOGS is 'xml'; it can be text or json."),
        ("LAUREL_METRICS_TOKEN", "hunter2", "LAUREL_METRICS_TOKEN must be at least 20 "),
        ("LAUREL_METRICS_TOKEN", "ключ" * 6, "LAUREL_METRICS_TOKEN must be at least 20 "),
        ("DATABASE_URL", "mysql://root:hunter2@h/d", "DATABASE_URL must begin with "),
        ("DATABASE_URL", "hunter2", "DATABASE_URL must begin with "),
        ("REDIS_URL", "valkey://:hunter2@h", "REDIS_URL must begin with "),
        ("LAUREL_ADDRESS", "badges.example.org", "LAUREL_ADDRESS must be like "),
        ("LAUREL_ADDRESS", "https://x.org/sub", "LAUREL_ADDRESS must be like "),
        ("LAUREL_ADDRESS", "https://anna:hunter2@x.org", "LAUREL_ADDRESS must be like "),
        ("LAUREL_ADDRESS", "https://[x", "LAUREL_ADDRESS must be like "),
    ],
)
def test_w102_a_value_that_cannot_be_meant_gets_a_sentence(
    name: str, value: str, sentence: str
) -> None:
    """W102 for the secret; the others alike: the setting is named, a password is not repeated."""
    with pytest.raises(SettingError) as told:
        load({**GOOD, name: value})

    assert str(told.value).startswith(sentence)
    assert str(told.value).endswith((".", ")."))
    assert len(str(told.value)) < 250
    assert "hunter2" not in str(told.value)


def test_w102_a_random_secret_is_never_taken_for_a_weak_one() -> None:
    """W102: what the refusal proposes is accepted, whatever the dice give."""
    for _ in range(2000):
        load({"SECRET_KEY": secrets.token_urlsafe(48)})
        load({"SECRET_KEY": secrets.token_hex(32)})


def test_development_and_tests_need_no_secret() -> None:
    for environment in ("development", "test"):
        assert load({"LAUREL_ENV": environment}).secret_key


def test_secrets_do_not_show_in_the_settings_text() -> None:
    settings = load({**GOOD, "SECRET_KEY_FALLBACKS": "former-secret"})

    assert GOOD["SECRET_KEY"] not in repr(settings)
    assert "former-secret" not in repr(settings)
    assert flask_config(settings)["SECRET_KEY_FALLBACKS"] == ["former-secret"]


def test_every_setting_tells_its_variable_and_its_meaning() -> None:
    source = Path(config.__file__).read_text(encoding="utf-8")

    for setting in fields(Settings):
        declared = source.split(f"    {setting.name}: ", 1)[1].split("\n", 1)[1]
        assert declared.lstrip().startswith('"""'), f"{setting.name} does not say what it means"
