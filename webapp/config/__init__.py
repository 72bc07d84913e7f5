"""Settings, read from environment variables.

The defaults run on one machine with nothing installed: SQLite, an embedded Valkey, and a secret that `laurel start`
creates. `load` raises SettingError with a sentence for the operator if a value is invalid.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from webapp.config import remote_user, single_sign_on
from webapp.config.values import (
    SettingError,
    check_encryption,
    data_folder,
    default_data_folder,
    is_loopback,
    networks,
    number,
    one_of,
    own_hosts,
    read_address,
    read_database_url,
    read_fallbacks,
    read_redis_url,
    read_secret,
    read_token,
    seconds,
    split_list,
)

__all__ = ["SettingError", "Settings", "data_folder", "flask_config", "load"]


@dataclass(frozen=True)
class Settings:
    """Values from the environment. Times are in seconds, sizes in members or entries."""

    environment: str = "production"
    """LAUREL_ENV: `production` (default), `development` or `test`; the last two accept a weak or missing SECRET_KEY."""

    database_url: str = ""
    """DATABASE_URL: SQLite or PostgreSQL (`postgres://` also means psycopg); default `laurel.sqlite` in LAUREL_DATA."""

    redis_url: str = ""
    """REDIS_URL: the queue's Redis or Valkey (redis://, rediss:// or unix://); without it, `laurel start` starts its
    own, which other processes on the same LAUREL_DATA find."""

    secret_key: str = field(default="", repr=False)
    """SECRET_KEY: signs cookies and links; at least 32 bytes, the same in every process."""

    secret_key_fallbacks: tuple[str, ...] = field(default=(), repr=False)
    """SECRET_KEY_FALLBACKS: previous secrets, comma-separated, still accepted during a rotation."""

    data: Path = field(default_factory=default_data_folder)
    """LAUREL_DATA: folder for the SQLite database, Valkey's file and the secret that `laurel start` creates; default
    `instance` in a checkout, otherwise the platform's data folder."""

    port: int = 8000
    """PORT: port of the web process."""

    host: str = "127.0.0.1"
    """LAUREL_HOST: the address to listen on; `0.0.0.0` for all, behind a TLS proxy included in LAUREL_PROXIES."""

    address: str = "http://localhost:8000"
    """LAUREL_ADDRESS: public URL, for links and to decide if cookies are `Secure`; default `http://localhost:PORT`."""

    proxies: int = 0
    """LAUREL_PROXIES: number of trusted proxies in front; 0 ignores every X-Forwarded-* header."""

    trusted_hosts: tuple[str, ...] = ()
    """TRUSTED_HOSTS: accepted host names, comma-separated; default that of the public address, or all loopback names.
    """

    web_workers: int = 2
    """WEB_WORKERS: number of web processes."""

    web_threads: int = 8
    """WEB_THREADS: threads per web process."""

    batch_max_members: int = 5000
    """BATCH_MAX_MEMBERS: maximum number of members in a batch."""

    api_requests: int = 600
    """LAUREL_API_REQUESTS: requests per minute and API key."""

    webhook_networks: tuple[str, ...] = ()
    """LAUREL_WEBHOOK_NETWORKS: non-public networks for webhooks in development, comma-separated: `127.0.0.0/8`."""

    lease_seconds: float = 20
    """LAUREL_LEASE_SECONDS: lease duration; an unresponsive worker loses what it processes after this time."""

    chunk_size: int = 2000
    """LAUREL_CHUNK_SIZE: entries processed in one transaction."""

    slice_seconds: float = 10
    """LAUREL_SLICE_SECONDS: how long a worker processes one batch before others get a turn."""

    tick_seconds: float = 5
    """LAUREL_TICK_SECONDS: how often the scheduler re-enqueues abandoned work."""

    logs: str = "text"
    """LAUREL_LOGS: `text` for people, or `json` for machines: one object per line, and one line per request."""

    metrics_token: str = field(default="", repr=False)
    """LAUREL_METRICS_TOKEN: token that Prometheus sends to `/metrics`; without it the page doesn't exist."""

    oidc_issuer: str = ""
    """LAUREL_OIDC_ISSUER: issuer URL of the OpenID Connect provider; turns on single sign-on."""

    oidc_client_id: str = ""
    """LAUREL_OIDC_CLIENT_ID: the client ID that the provider gave to Laurel."""

    oidc_client_secret: str = field(default="", repr=False)
    """LAUREL_OIDC_CLIENT_SECRET: the client's secret; none for a public client."""

    oidc_client_secret_file: str = ""
    """LAUREL_OIDC_CLIENT_SECRET_FILE: a file that contains the client's secret, instead of the setting."""

    oidc_name: str = "your organization"
    """LAUREL_OIDC_NAME: the provider's name on the sign-in button."""

    oidc_scopes: str = "openid email profile"
    """LAUREL_OIDC_SCOPES: requested scopes, separated by spaces; always with `openid`."""

    oidc_role_claim: str = "groups"
    """LAUREL_OIDC_ROLE_CLAIM: the claim that decides the role; dots lead into objects: `realm_access.roles`."""

    oidc_roles: tuple[tuple[str, str], ...] = ()
    """LAUREL_OIDC_ROLES: values of the claim and their roles: `console-admins=admin,moderators=manager`."""

    oidc_create: str = "no"
    """LAUREL_OIDC_CREATE: `yes` creates an account at the first sign-in of someone with a role."""

    passwords: str = "everyone"
    """LAUREL_PASSWORDS: who may sign in with a password: `everyone`, or `break-glass` for break-glass admins only."""

    remote_user_header: str = ""
    """LAUREL_REMOTE_USER_HEADER: the header in which a proxy sends the email of the person whom it has signed in."""

    remote_user_proxies: tuple[str, ...] = ()
    """LAUREL_REMOTE_USER_PROXIES: addresses or networks of the proxies that may send that header, comma-separated."""

    @property
    def sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")

    @property
    def secure(self) -> bool:
        """True if cookies are `Secure` and `__Host-`: always, except for an HTTP address on loopback."""
        parts = urlsplit(self.address)
        return not (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    environment = environ.get("LAUREL_ENV", "").strip() or "production"
    if environment not in ("production", "development", "test"):
        raise SettingError(
            f"LAUREL_ENV is {environment[:40]!r}, but must be production, development or test."
        )
    data = data_folder(environ)
    database_url = read_database_url(environ.get("DATABASE_URL", "").strip(), data)
    port = number(environ, "PORT", 8000, low=1, high=65535)
    address = read_address(environ.get("LAUREL_ADDRESS", "").strip() or f"http://localhost:{port}")
    host = environ.get("LAUREL_HOST", "").strip() or "127.0.0.1"
    proxies = number(environ, "LAUREL_PROXIES", 0, low=0, high=10)
    if environment == "production":
        check_encryption(address, host, proxies)
    header = remote_user.load(environ, proxies)
    return Settings(
        environment=environment,
        database_url=database_url,
        redis_url=read_redis_url(environ.get("REDIS_URL", "").strip()),
        secret_key=read_secret(environ.get("SECRET_KEY", ""), environment),
        secret_key_fallbacks=read_fallbacks(environ.get("SECRET_KEY_FALLBACKS", ""), environment),
        data=data,
        port=port,
        host=host,
        address=address,
        proxies=proxies,
        trusted_hosts=split_list(environ.get("TRUSTED_HOSTS", "")) or own_hosts(address),
        web_workers=number(environ, "WEB_WORKERS", 2, low=1, high=64),
        web_threads=number(environ, "WEB_THREADS", 8, low=1, high=256),
        batch_max_members=number(environ, "BATCH_MAX_MEMBERS", 5000, low=1, high=1_000_000),
        api_requests=number(environ, "LAUREL_API_REQUESTS", 600, low=1, high=1_000_000),
        webhook_networks=networks(environ, "LAUREL_WEBHOOK_NETWORKS"),
        lease_seconds=seconds(environ, "LAUREL_LEASE_SECONDS", 20),
        chunk_size=number(environ, "LAUREL_CHUNK_SIZE", 2000, low=1, high=5000),
        slice_seconds=seconds(environ, "LAUREL_SLICE_SECONDS", 10),
        tick_seconds=seconds(environ, "LAUREL_TICK_SECONDS", 5),
        logs=one_of(environ, "LAUREL_LOGS", "text", "json"),
        metrics_token=read_token(environ.get("LAUREL_METRICS_TOKEN", "").strip()),
        **header,
        **single_sign_on.load(environ, by_header=bool(header)),
    )


def flask_config(settings: Settings) -> dict[str, Any]:
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
