"""A test client that reviews every HTML response before a test sees it."""

from __future__ import annotations

import hashlib
import io
import os
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from bs4 import BeautifulSoup
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from tests.pages.review import problems, read
from webapp.auth import staff_sessions as sessions
from webapp.models import Staff

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


class Answer(TestResponse):
    """A response with its HTML as `page`: `answer.page.select_one("#members")`."""

    @cached_property
    def page(self) -> BeautifulSoup:  # parsed once: the parser is slow
        return read(self.text)

    def words(self, selector: str = "body") -> str:
        """The text of the first match of `selector`, with whitespace collapsed; fails if there is none."""
        found = self.page.select_one(selector)
        assert found is not None, f"nothing matches {selector!r} in {self.text}"
        return " ".join(found.get_text(" ").split())


class ReviewingClient(FlaskClient):
    """Adds the CSRF token to requests (unless `csrf=False`) and reviews responses.

    `get` and `post` take `htmx=True`, or `htmx="members"` for a request with that target id.
    """

    def __init__(self, app: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(app, Answer, *args[1:], **kwargs)

    def sign_in(self, staff: Staff) -> ReviewingClient:
        """Sign this browser in with a new session, without a password."""
        with self.application.app_context():
            key = sessions.start(staff.id, datetime.now(UTC))
        with self.session_transaction() as session:
            session["account"] = staff.security_stamp
            session["key"] = key
        return self

    def token(self) -> str:
        """A CSRF token for this browser's session."""
        with self.session_transaction() as session:
            if "csrf_token" not in session:
                session["csrf_token"] = hashlib.sha1(os.urandom(64)).hexdigest()
            raw = session["csrf_token"]
        return URLSafeTimedSerializer(self.application.secret_key, salt="wtf-csrf-token").dumps(raw)

    def post_file(
        self,
        path: str,
        data: bytes | str,
        name: str = "members.csv",
        field: str = "file",
        **more: Any,
    ) -> Answer:
        """Send a form with one file, encoded here: for large files, the client leaves a temporary file open."""
        content = io.BytesIO(data.encode() if isinstance(data, str) else data)
        boundary, body = encode_multipart({field: FileStorage(content, name)})
        kind = f"multipart/form-data; boundary={boundary}"
        return self.post(path, body, content_type=kind, **more)

    def post(self, path: str, data: Any = None, *args: Any, **kwargs: Any) -> Answer:
        return self.open(path, *args, method="POST", data=data, **kwargs)

    def htmx(self, path: str, data: Any = None, **kwargs: Any) -> Answer:
        """Send a request as htmx does: a POST if there is `data`, else a GET."""
        method = kwargs.pop("method", "GET" if data is None else "POST")
        return self.open(path, method=method, data=data, htmx=kwargs.pop("target", True), **kwargs)

    def open(
        self,
        *args: Any,
        htmx: bool | str = False,
        csrf: bool = True,
        review: bool = True,
        **kwargs: Any,
    ) -> Answer:
        headers = dict(kwargs.pop("headers", None) or {})
        method = kwargs.get("method", "GET").upper()
        if htmx:
            headers = {"HX-Request": "true", "HX-Request-Type": "partial", **headers}
            if isinstance(htmx, str):
                headers.setdefault("HX-Target", f"div#{htmx}")
        if csrf and method in UNSAFE:
            headers.setdefault("X-CSRFToken", self.token())
        kwargs.setdefault("buffered", True)
        answer = super().open(*args, headers=headers, **kwargs)
        if review and answer.mimetype == "text/html":
            found = problems(answer, fragment=bool(htmx))
            assert not found, "\n".join(found) + "\n\n" + answer.text[:3000]
        return answer
