"""An OpenID Connect provider on loopback whose every answer a test can change."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT = "laurel"
Reply = tuple[int, str, bytes]


class Handler(BaseHTTPRequestHandler):
    server: FakeProvider  # type: ignore[assignment]

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.server.came.append(path)
        replies = {
            "/.well-known/openid-configuration": self.server.discovery,
            "/keys": self.server.key_set,
            "/userinfo": self.server.userinfo,
        }
        self._reply(path, replies[path])

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.came.append(self.path)
        form = {name: values[0] for name, values in parse_qs(body).items()}
        self._reply(self.path, lambda: self.server.token_answer(form))

    def _reply(self, path: str, usual: Callable[[], dict[str, Any]]) -> None:
        status, kind, body = self.server.replies.get(path) or (
            200,
            "application/json",
            json.dumps(usual()).encode(),
        )
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status == 302:
            self.send_header("Location", f"{self.server.issuer}/keys")
        self.end_headers()
        if body == b"slowly":
            self.server.released.wait(60)
            return
        with suppress(OSError):  # the console may hang up
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


class FakeProvider(ThreadingHTTPServer):
    """`claims` are those of the next person; `replies` replace the answers of paths."""

    daemon_threads = True

    def __init__(self, key: RSAKey) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.key = self.published = key
        self.issuer = f"http://127.0.0.1:{self.server_port}"
        self.claims: dict[str, Any] = {}
        self.header: dict[str, Any] = {"alg": "RS256"}
        self.in_userinfo: dict[str, Any] = {"sub": "subject-1"}
        self.replies: dict[str, Reply] = {}
        self.more_metadata: dict[str, Any] = {}
        self.more_tokens: dict[str, Any] = {}
        self.renewal: dict[str, Any] = {}  # the answer to a refresh token
        self.id_token: str | None = None  # replaces the usual one
        self.asked: dict[str, str] = {}  # the query of the last authorization request
        self.came: list[str] = []
        self.released = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/logout",
            **self.more_metadata,
        }

    def key_set(self) -> dict[str, Any]:
        return dict(KeySet([self.published]).as_dict())

    def userinfo(self) -> dict[str, Any]:
        return self.in_userinfo

    def token_answer(self, form: dict[str, str]) -> dict[str, Any]:
        """Redeem a code, whatever it is, if the PKCE verifier is right."""
        if form["grant_type"] == "refresh_token":
            self.came.append(form["refresh_token"])
            return self.renewal
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = urlsafe_b64encode(digest).decode().rstrip("=")
        assert challenge == self.asked["code_challenge"]
        return {
            "access_token": "an-access-token",
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": self.id_token or self.signed(),
            **self.more_tokens,
        }

    def usual_claims(self) -> dict[str, Any]:
        now = int(time.time())
        return {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "subject-1",
            "iat": now,
            "exp": now + 300,
            "auth_time": now,
            "nonce": self.asked.get("nonce"),
            "email": "anna@example.org",
            "email_verified": True,
            "name": "Anna Berg",
            "groups": ["console-admins"],
        }

    def signed(self, key: Any = None) -> str:
        given = {**self.usual_claims(), **self.claims}
        claims = {name: value for name, value in given.items() if value is not None}
        header = {"kid": self.key.kid, **self.header}
        return jwt.encode(header, claims, key or self.key, algorithms=[self.header["alg"]])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that closes the connection is not an error."""

    def close(self) -> None:
        self.released.set()
        self.shutdown()
        self.server_close()
