"""The provider: its endpoints by discovery, and its signing keys. Both are cached in each process."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from flask import current_app
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, KeySet

from webapp.auth.oidc import http
from webapp.auth.oidc.http import BadAnswerError
from webapp.config import Settings
from webapp.domain.errors import DomainError

log = logging.getLogger(__name__)

T = TypeVar("T")

DISCOVERY = "/.well-known/openid-configuration"
KEPT = 3600.0  # seconds that documents are used without asking again
PAUSE = 10.0  # seconds between two attempts to fetch the same document


class ProviderError(DomainError):
    """The provider can't be reached, or its documents are wrong. `detail` is for operators."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.detail = detail


@dataclass(frozen=True)
class Metadata:
    """What discovery says."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    auth_methods: tuple[str, ...] = ("client_secret_basic",)
    names_issuer: bool = False  # in the response to the browser (RFC 9207)
    claims: tuple[str, ...] = ()  # that it can send, if it says so


class Document:
    """A cached document. If it can't be fetched again, the previous one stays in use."""

    def __init__(self, fetch: Callable[[], Any]) -> None:
        self._fetch, self._lock = fetch, threading.Lock()
        self._value: Any = None
        self._error: ProviderError | None = None
        self._tried_at = self._fetched_at = float("-inf")

    def get(self, *, renewed: bool = False) -> Any:
        """Return the document; `renewed` asks the provider again, at most every ten seconds."""
        with self._lock:
            now = time.monotonic()
            stale = renewed or self._value is None or now - self._fetched_at > KEPT
            if stale and now - self._tried_at > PAUSE:
                self._tried_at = now
                self._renew()
            if self._value is None:
                assert self._error is not None
                raise self._error
            return self._value

    def raise_last_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _renew(self) -> None:
        try:
            self._value, self._error = self._fetch(), None
            self._fetched_at = time.monotonic()
        except ProviderError as error:
            log.warning("single sign-on: %s", error.detail)
            self._error = error


class Provider:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._metadata = Document(self._discover)
        self._keys = Document(self._fetch_keys)

    def metadata(self) -> Metadata:
        """Raises `ProviderError`."""
        metadata: Metadata = self._metadata.get()
        return metadata

    def keys(self, *, renewed: bool = False) -> KeySet:
        """Raises `ProviderError`."""
        keys: KeySet = self._keys.get(renewed=renewed)
        return keys

    def require_answer(self) -> None:
        """Raise `ProviderError` if the provider doesn't answer now, although its documents are known."""
        self._metadata.get(renewed=True)
        self._metadata.raise_last_error()

    def userinfo(self, access_token: str) -> dict[str, Any]:
        """Raises `ProviderError`."""
        url = self.metadata().userinfo_endpoint
        return asked("its UserInfo endpoint", lambda: http.fetch_json(url, access_token))

    def _discover(self) -> Metadata:
        issuer = self.settings.oidc_issuer
        url = issuer.rstrip("/") + DISCOVERY
        return read_metadata(asked(url, lambda: http.fetch_json(url)), issuer)

    def _fetch_keys(self) -> KeySet:
        url = self.metadata().jwks_uri
        return read_keys(asked(url, lambda: http.fetch_json(url)))


def current_provider() -> Provider:
    """The app's provider; a setting must name one."""
    provider: Provider = current_app.extensions.setdefault(
        "oidc", Provider(current_app.config["LAUREL"])
    )
    return provider


def asked(what: str, request: Callable[[], T]) -> T:
    """Return the answer. Raises `ProviderError` that says why there is none."""
    try:
        return request()
    except BadAnswerError as error:
        raise ProviderError("sso.provider_wrong", f"{what} {error}") from None
    except requests.exceptions.SSLError:
        detail = "the TLS certificate isn't valid for this machine"
    except requests.Timeout:
        detail = "no answer in time"
    except requests.ConnectionError:
        detail = "no connection"
    except (requests.RequestException, ValueError, OSError) as error:
        detail = type(error).__name__
    raise ProviderError("sso.unreachable", f"{what} can't be reached: {detail}")


def read_metadata(document: dict[str, Any], issuer: str) -> Metadata:
    """Validate a discovery document. Raises `ProviderError`."""
    named = document.get("issuer")
    if not isinstance(named, str) or named.rstrip("/") != issuer.rstrip("/"):
        raise _wrong(
            f"its discovery document is for the issuer {str(named)[:120]!r}, not for {issuer!r}: "
            "set LAUREL_OIDC_ISSUER to the issuer that the document names, if it's yours"
        )
    required = {
        name: _url(document, name, issuer)
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
    }
    for name, url in required.items():
        if not url:
            raise _wrong(f"its discovery document has no valid {name}")
    methods = document.get("token_endpoint_auth_methods_supported")
    claims = document.get("claims_supported")
    return Metadata(
        issuer=named,
        **required,
        userinfo_endpoint=_url(document, "userinfo_endpoint", issuer),
        end_session_endpoint=_url(document, "end_session_endpoint", issuer),
        auth_methods=tuple(map(str, methods))
        if isinstance(methods, list)
        else Metadata.auth_methods,
        names_issuer=document.get("authorization_response_iss_parameter_supported") is True,
        claims=tuple(map(str, claims)) if isinstance(claims, list) else (),
    )


def _url(document: dict[str, Any], name: str, issuer: str) -> str:
    """An endpoint, "" if it is missing or less protected than the issuer."""
    value = document.get(name)
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
    except ValueError:
        parts = None
    schemes = {"https", urlsplit(issuer).scheme}
    good = parts and parts.scheme in schemes and parts.hostname and not parts.fragment
    return str(value) if good else ""


def read_keys(document: dict[str, Any]) -> KeySet:
    """Return the keys that verify signatures, ignoring those of unknown kinds. Raises `ProviderError`."""
    keys = []
    listed = document.get("keys")
    for key in listed if isinstance(listed, list) else []:
        if not isinstance(key, dict) or key.get("use", "sig") != "sig" or key.get("kty") == "oct":
            continue
        try:
            keys.append(JWKRegistry.import_key(key))
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    if not keys:
        raise _wrong("its key set has no key that verifies signatures")
    return KeySet(keys)


def _wrong(detail: str) -> ProviderError:
    return ProviderError("sso.provider_wrong", detail)
