"""Settings, all from the environment, each with its meaning.

The defaults run on one machine with nothing installed: SQLite, an embedded Valkey, a secret that
`laurel start` makes and keeps. `load` reads and judges them; a value that cannot be meant raises
`SettingError`, whose text is the sentence for the operator.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

SECRET_BYTES = 32  # a shorter secret can be guessed; 13.3.3 of OWASP ASVS asks for real randomness
KNOWN_WORDS = re.compile("change|this|your|secret|key|dev|test|password|laurel|example|production")


class SettingError(ValueError):
    """A setting is missing or cannot be meant; the text names it and says what to do."""


@dataclass(frozen=True)
class Settings:
    """What the environment asks for. Times are in seconds, sizes in members or entries."""

    environment: str = "production"
    """LAUREL_ENV: `production` (default), `development` or `test`; the latter two accept a weak
    or missing SECRET_KEY."""

    database_url: str = ""
    """DATABASE_URL: where the data is, SQLite or PostgreSQL; default `laurel.sqlite` in
    LAUREL_DATA. `postgres://` and `postgresql://` are read as psycopg's."""

    redis_url: str = ""
    """REDIS_URL: the queue's Redis or Valkey (redis://, rediss:// or unix://); without it
    `laurel start` starts its own."""

    secret_key: str = field(default="", repr=False)
    """SECRET_KEY: signs cookies and links; at least 32 bytes, the same in every process."""

    secret_key_fallbacks: tuple[str, ...] = field(default=(), repr=False)
    """SECRET_KEY_FALLBACKS: former secrets, comma-separated, still accepted while one rotates."""

    data: Path = Path("instance")
    """LAUREL_DATA: folder for the SQLite database, Valkey's file and the made secret."""

    port: int = 8000
    """PORT: where the web process listens."""

    host: str = "127.0.0.1"
    """LAUREL_HOST: the address it listens on; `0.0.0.0` for all, behind a proxy that does TLS."""

    address: str = "http://localhost:8000"
    """LAUREL_ADDRESS: the console's public address, for links and to know whether cookies must be
    `Secure`; default `http://localhost:PORT`."""

    proxies: int = 0
    """LAUREL_PROXIES: how many trusted proxies stand in front; 0 ignores every X-Forwarded-*."""

    trusted_hosts: tuple[str, ...] = ()
    """TRUSTED_HOSTS: host names answered to, comma-separated; default the public address's own
    and, where that is loopback, every loopback name."""

    web_workers: int = 2
    """WEB_WORKERS: web processes."""

    web_threads: int = 8
    """WEB_THREADS: threads of each web process."""

    batch_max_members: int = 5000
    """BATCH_MAX_MEMBERS: the most members one batch may hold."""

    lease_seconds: float = 20
    """LAUREL_LEASE_SECONDS: how long a worker that fell silent keeps its batch."""

    chunk_size: int = 500
    """LAUREL_CHUNK_SIZE: entries decided in one transaction; default 500, on SQLite 250."""

    slice_seconds: float = 10
    """LAUREL_SLICE_SECONDS: how long a worker stays with one batch before others have a turn."""

    tick_seconds: float = 5
    """LAUREL_TICK_SECONDS: how often the clock looks for work that nobody does."""

    @property
    def sqlite(self) -> bool:
        """Whether the data is in SQLite."""
        return self.database_url.startswith("sqlite")

    @property
    def secure(self) -> bool:
        """Whether cookies are `Secure` and `__Host-`: always, but on a loopback HTTP address."""
        parts = urlsplit(self.address)
        return not (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings from `environ`; raises `SettingError` with one sentence."""
    environment = environ.get("LAUREL_ENV", "").strip() or "production"
    if environment not in ("production", "development", "test"):
        raise SettingError(
            f"LAUREL_ENV is {environment!r}; it can be production, development or test."
        )
    data = data_folder(environ)
    database_url = read_database_url(environ.get("DATABASE_URL", "").strip(), data)
    port = number(environ, "PORT", 8000, low=1, high=65535)
    address = read_address(environ.get("LAUREL_ADDRESS", "").strip() or f"http://localhost:{port}")
    chunk = 250 if database_url.startswith("sqlite") else 500
    return Settings(
        environment=environment,
        database_url=database_url,
        redis_url=read_redis_url(environ.get("REDIS_URL", "").strip()),
        secret_key=read_secret(environ.get("SECRET_KEY", ""), environment),
        secret_key_fallbacks=listed(environ.get("SECRET_KEY_FALLBACKS", "")),
        data=data,
        port=port,
        host=environ.get("LAUREL_HOST", "").strip() or "127.0.0.1",
        address=address,
        proxies=number(environ, "LAUREL_PROXIES", 0, low=0, high=10),
        trusted_hosts=listed(environ.get("TRUSTED_HOSTS", "")) or own_hosts(address),
        web_workers=number(environ, "WEB_WORKERS", 2, low=1, high=64),
        web_threads=number(environ, "WEB_THREADS", 8, low=1, high=256),
        batch_max_members=number(environ, "BATCH_MAX_MEMBERS", 5000, low=1, high=1_000_000),
        lease_seconds=seconds(environ, "LAUREL_LEASE_SECONDS", 20),
        chunk_size=number(environ, "LAUREL_CHUNK_SIZE", chunk, low=1, high=5000),
        slice_seconds=seconds(environ, "LAUREL_SLICE_SECONDS", 10),
        tick_seconds=seconds(environ, "LAUREL_TICK_SECONDS", 5),
    )


def data_folder(environ: Mapping[str, str]) -> Path:
    """LAUREL_DATA as an absolute path; `~` is the home folder."""
    return Path(environ.get("LAUREL_DATA", "").strip() or "instance").expanduser().absolute()


def flask_config(settings: Settings) -> dict[str, Any]:
    """What Flask and its extensions read, from the settings that the operator gave."""
    return {
        "SECRET_KEY": settings.secret_key,
        "SECRET_KEY_FALLBACKS": list(settings.secret_key_fallbacks),
        "SQLALCHEMY_DATABASE_URI": settings.database_url,
        "TRUSTED_HOSTS": list(settings.trusted_hosts),
        "SESSION_COOKIE_NAME": "__Host-laurel" if settings.secure else "laurel",
        "SESSION_COOKIE_SECURE": settings.secure,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_PATH": "/",
        "LAUREL": settings,
    }


def number(environ: Mapping[str, str], name: str, default: int, *, low: int, high: int) -> int:
    """A whole number between `low` and `high`, both included."""
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and low <= int(text[:20]) <= high):
        raise SettingError(f"{name} is {text!r}; it must be a whole number from {low} to {high}.")
    return int(text)


def seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    """A length of time in seconds, from a tenth of one to an hour."""
    text = environ.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0.1 <= value <= 3600:
        raise SettingError(f"{name} is {text!r}; it must be a number of seconds from 0.1 to 3600.")
    return value


def listed(text: str) -> tuple[str, ...]:
    """The parts of a comma-separated list that are not empty."""
    return tuple(part for part in (part.strip() for part in text.split(",")) if part)


def read_database_url(url: str, data: Path) -> str:
    """SQLAlchemy's URL for DATABASE_URL, or for the SQLite file in the data folder."""
    if not url:
        # Quoted: `?` and `%` in a folder's name are no query and no escape.
        return "sqlite:///" + quote(str(data / "laurel.sqlite"), safe="/ ")
    scheme, separator, rest = url.partition("://")
    if separator and scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        return f"postgresql+psycopg://{rest}"
    if separator and scheme == "sqlite":
        return url
    # The address may hold a password: name its beginning only.
    raise SettingError(
        f"DATABASE_URL begins with {scheme[:20]!r}; it must begin with postgresql:// or sqlite:///."
    )


def read_redis_url(url: str) -> str:
    """REDIS_URL as given, where it is one that the queue's client knows."""
    if url and url.partition("://")[0] not in ("redis", "rediss", "unix"):
        raise SettingError("REDIS_URL must begin with redis://, rediss:// or unix://.")
    return url


def read_secret(secret: str, environment: str) -> str:
    """SECRET_KEY, refused in production where it is missing, short or well known."""
    if environment != "production":
        return secret or "not a secret: for development and tests only"
    if not secret.strip():
        raise SettingError(
            "SECRET_KEY is not set; set it to at least 32 random bytes, the same in every "
            "process (`laurel start` makes one for a single machine)."
        )
    own = KNOWN_WORDS.sub("", secret.lower())  # "change-me-…" leaves too little to be random
    if len(secret.encode()) < SECRET_BYTES or len(set(own)) < 8:
        raise SettingError(
            f"SECRET_KEY is too weak; set it to at least {SECRET_BYTES} random bytes, for example "
            "what `python3 -c 'import secrets; print(secrets.token_urlsafe(48))'` prints."
        )
    return secret


def read_address(address: str) -> str:
    """LAUREL_ADDRESS without a final slash, where it is an http or https address of a host."""
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.path.strip("/") or parts.query or parts.fragment:
        raise SettingError(
            f"LAUREL_ADDRESS is {address!r}; it must be like https://badges.example.org, "
            "without a path."
        )
    return address.rstrip("/")


def own_hosts(address: str) -> tuple[str, ...]:
    """The host names answered to where none are set: the address's own, or all of loopback."""
    host = urlsplit(address).hostname or ""
    return ("localhost", "127.0.0.1") if is_loopback(host) else (host,)


def is_loopback(host: str) -> bool:
    """Whether a host name means this machine alone."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
