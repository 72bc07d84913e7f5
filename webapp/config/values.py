"""Read and validate the text of one setting."""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

from platformdirs import user_data_path

from webapp import package

SECRET_BYTES = 32
GUESSES = 20.0  # logarithm, base 10; for 16 random bytes in hexadecimal it exceeds 27, for a keyboard row it is 12
LOOKED_AT = 72  # characters of a secret; zxcvbn's limit
GOOD_SECRET = (
    f"at least {SECRET_BYTES} random bytes, for example the output of "
    "`python3 -c 'import secrets; print(secrets.token_urlsafe(48))'`."
)
TOKEN_LENGTH = 20
KNOWN_WORDS = re.compile(
    "change|this|your|my|for|the|secret|key|development|dev|test|password|laurel|example|production"
)


class SettingError(ValueError):
    """A setting is missing or invalid; the message names it and says what to do."""


def number(environ: Mapping[str, str], name: str, default: int, *, low: int, high: int) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
        raise SettingError(
            f"{name} is {text[:40]!r}, but must be a whole number from {low} to {high}."
        )
    return int(text)


def seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0.1 <= value <= 3600:
        raise SettingError(
            f"{name} is {text[:40]!r}, but must be a number of seconds from 0.1 to 3600."
        )
    return value


def one_of(environ: Mapping[str, str], name: str, *words: str) -> str:
    text = environ.get(name, "").strip() or words[0]
    if text not in words:
        raise SettingError(f"{name} is {text[:40]!r}, but must be {' or '.join(words)}.")
    return text


def read_token(token: str) -> str:
    if token and (len(token) < TOKEN_LENGTH or not token.isascii() or not token.isprintable()):
        raise SettingError(
            f"LAUREL_METRICS_TOKEN must have at least {TOKEN_LENGTH} ASCII characters. Use for example the output of "
            "`python3 -c 'import secrets; print(secrets.token_urlsafe(24))'`."
        )
    return token


def split_list(text: str) -> tuple[str, ...]:
    return tuple(part for part in (part.strip() for part in text.split(",")) if part)


def networks(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    texts = split_list(environ.get(name, ""))
    for text in texts:
        try:
            ipaddress.ip_network(text)
        except ValueError:
            raise SettingError(
                f"{name} contains {text[:40]!r}, but must be a comma-separated list of networks such as 127.0.0.0/8."
            ) from None
    return texts


def read_database_url(url: str, data: Path) -> str:
    """Return SQLAlchemy's URL for DATABASE_URL, or for the SQLite file in the data folder."""
    if not url:
        # Quoted, because a folder's name may contain `?` or `%`.
        return "sqlite:///" + quote(str(data / "laurel.sqlite"), safe="/ ")
    scheme, separator, rest = url.partition("://")
    if separator and scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        return f"postgresql+psycopg://{rest}"
    if separator and scheme == "sqlite":
        return url
    # Don't repeat the URL: it may contain a password.
    raise SettingError("DATABASE_URL must start with postgresql:// or sqlite:///.")


def read_redis_url(url: str) -> str:
    """Return REDIS_URL unchanged if the queue's client supports it."""
    if url and url.partition("://")[0] not in ("redis", "rediss", "unix"):
        raise SettingError("REDIS_URL must start with redis://, rediss:// or unix://.")
    try:
        _ = urlsplit(url).port
    except ValueError:  # don't repeat the URL: it may contain a password
        raise SettingError(
            "REDIS_URL isn't a valid URL. It looks like redis://:PASSWORD@HOST:6379."
        ) from None
    return url


def read_secret(secret: str, environment: str) -> str:
    """Return SECRET_KEY; in production, reject a key that is missing, short or easy to guess."""
    if environment != "production":
        return secret or "not a secret: for development and tests only"
    if not secret.strip():
        raise SettingError(
            "SECRET_KEY isn't set. Set it to at least 32 random bytes, the same in every "
            "process. On a single machine, `laurel start` creates one."
        )
    if is_weak(secret):
        raise SettingError(f"SECRET_KEY is too weak. Set it to {GOOD_SECRET}")
    return secret


def read_fallbacks(text: str, environment: str) -> tuple[str, ...]:
    """Return SECRET_KEY_FALLBACKS, each validated like SECRET_KEY because it decrypts the same data."""
    secrets = split_list(text)
    if environment == "production" and any(map(is_weak, secrets)):
        raise SettingError(
            "SECRET_KEY_FALLBACKS contains a secret that is too weak. Remove it; sessions signed with it will end. "
            f"Each secret must have {GOOD_SECRET}"
        )
    return secrets


def is_weak(secret: str) -> bool:
    own = KNOWN_WORDS.sub("", secret.lower())  # the rest of "change-me-…" is too short to be random
    if len(secret.encode()) < SECRET_BYTES or len(set(own)) < 8:
        return True
    from zxcvbn import zxcvbn  # slow to import, and most tests need no secret

    return float(zxcvbn(secret[:LOOKED_AT])["guesses_log10"]) < GUESSES


def read_address(address: str) -> str:
    """Return LAUREL_ADDRESS without a trailing slash; it must be an http or https URL with a host."""
    try:
        parts = urlsplit(address)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        good = known and parts.username is None
    except ValueError:
        good = False
    if not good or parts.path.strip("/") or parts.query or parts.fragment:
        raise SettingError(
            "LAUREL_ADDRESS must look like https://badges.example.org, without a path or a username."
        )
    return address.rstrip("/")


def own_hosts(address: str) -> tuple[str, ...]:
    """Default host names: the one of the address, or all of loopback."""
    host = urlsplit(address).hostname or ""
    return ("localhost", "127.0.0.1") if is_loopback(host) else (host,)


def check_encryption(address: str, host: str, proxies: int) -> None:
    """Reject plain HTTP on a network: passwords need TLS, which only a proxy provides."""
    if proxies:
        return
    if not is_loopback(host):
        raise SettingError(
            f"LAUREL_HOST is {host[:60]!r}, so other machines would send passwords in plain HTTP. Put a proxy "
            "that does TLS in front and set LAUREL_PROXIES to 1, or leave LAUREL_HOST at 127.0.0.1."
        )
    parts = urlsplit(address)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise SettingError(
            "LAUREL_ADDRESS is plain HTTP, so passwords would cross the network unencrypted. Use https://, put a "
            "proxy that does TLS in front, and set LAUREL_PROXIES to 1."
        )


def is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def data_folder(environ: Mapping[str, str]) -> Path:
    """Return LAUREL_DATA as an absolute path; `~` is expanded."""
    path = environ.get("LAUREL_DATA", "").strip()
    return Path(path).expanduser().absolute() if path else default_data_folder()


def default_data_folder() -> Path:
    """Return `instance` in a checkout, or the platform's user data folder if the wheel is installed."""
    if package.IN_CHECKOUT:
        return Path("instance").absolute()
    return user_data_path("laurel", appauthor=False)
