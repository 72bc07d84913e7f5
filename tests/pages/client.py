"""A test client that reads like a careful reviewer: every HTML answer is parsed and judged before a test sees it."""

from __future__ import annotations

import hashlib
import io
import os
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import html5lib
from bs4 import BeautifulSoup, Tag
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from webapp import sessions
from webapp.models import Staff

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
# What browsers know and html5lib, of 2020, does not.
NEWER_THAN_THE_PARSER: set[str] = set()
# What everybody does with their own account, and no other.
ONES_OWN = {
    f"account.{act}"
    for act in (
        "rename",
        "change_password",
        "end_session",
        "end_sessions",
        "begin",
        "confirm",
        "renew_codes",
        "remove",
    )
}
FIELDS = "input:not([type=hidden],[type=submit],[type=button],[type=reset]), select, textarea"


class Answer(TestResponse):
    """An answer with its HTML as `page`: `answer.page.select_one("#members")`."""

    @cached_property
    def page(self) -> BeautifulSoup:  # read once: the parser is a slow one
        return BeautifulSoup(self.text, "html5lib")

    def words(self, selector: str = "body") -> str:
        """What stands in the first element of `selector`, blanks run together; fails where there is none."""
        found = self.page.select_one(selector)
        assert found is not None, f"nothing matches {selector!r} in {self.text}"
        return " ".join(found.get_text(" ").split())


class ReviewingClient(FlaskClient):
    """Adds the CSRF token to what is sent (unless `csrf=False`) and reviews what comes back.

    `get` and `post` take `htmx=True`, or `htmx="members"` for a request with that target's id.
    """

    def __init__(self, app: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(app, Answer, *args[1:], **kwargs)

    def sign_in(self, staff: Staff) -> ReviewingClient:
        """Signs this browser in, by a session of its own and without a password."""
        with self.application.app_context():
            key = sessions.start(staff.id, datetime.now(UTC))
        with self.session_transaction() as session:
            session["_user_id"] = staff.fs_uniquifier
            session["_fresh"] = True
            session["key"] = key
        return self

    def token(self) -> str:
        """A CSRF token of this browser's session."""
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
        """Sends a form with one file, encoded here: given a large one, the client leaves a temporary file open."""
        content = io.BytesIO(data.encode() if isinstance(data, str) else data)
        boundary, body = encode_multipart({field: FileStorage(content, name)})
        kind = f"multipart/form-data; boundary={boundary}"
        return self.post(path, body, content_type=kind, **more)

    def post(self, path: str, data: Any = None, *args: Any, **kwargs: Any) -> Answer:
        return self.open(path, *args, method="POST", data=data, **kwargs)

    def htmx(self, path: str, data: Any = None, **kwargs: Any) -> Answer:
        """What htmx asks: a POST where there is `data`, else a GET."""
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
            review_answer(answer, fragment=bool(htmx))
        return answer


def review_answer(answer: Answer, *, fragment: bool = False) -> None:
    """Fails with a sentence for each thing a careful reviewer would send back."""
    problems = list(_header_problems(answer))
    text = answer.text
    if 300 <= answer.status_code < 400 or not text.strip():
        assert not problems, "\n".join(problems)
        return
    whole = text.lstrip().lower().startswith("<!doctype")
    if not whole and not fragment:
        problems.append("a page must begin with its doctype")
    if fragment and text.lstrip().startswith("<tr"):  # a row is read where it will stand
        identity = BeautifulSoup(f"<table>{text}</table>", "html5lib").select_one("tr")["id"]
        text = f'<table id="around-{identity}"><tbody>{text}</tbody></table>'
    problems += _parse_errors(text, whole)
    soup = answer.page if text == answer.text else BeautifulSoup(text, "html5lib")
    problems += _page_problems(soup) if whole else _fragment_problems(soup)
    problems += _markup_problems(soup)
    assert not problems, "\n".join(problems) + "\n\n" + text[:3000]


def _header_problems(answer: Answer) -> list[str]:
    policy = answer.headers.get("Content-Security-Policy", "")
    problems = []
    if "default-src 'none'" not in policy or "unsafe" in policy:
        problems.append(f"the Content-Security-Policy is {policy!r}")
    if answer.headers.get("X-Content-Type-Options") != "nosniff":
        problems.append("X-Content-Type-Options: nosniff is missing")
    if "HX-Request" not in answer.headers.get("Vary", ""):
        problems.append("Vary does not name HX-Request")
    return problems


def _parse_errors(text: str, whole: bool) -> list[str]:
    parser = html5lib.HTMLParser()
    parser.parse(text) if whole else parser.parseFragment(text)
    return [
        f"line {line}: {code} {found}"
        for (line, _), code, found in parser.errors
        if found.get("name") not in NEWER_THAN_THE_PARSER
    ]


def _page_problems(soup: BeautifulSoup) -> list[str]:
    problems = []
    if not soup.title or not soup.title.get_text(strip=True).removesuffix("· Laurel").strip():
        problems.append("the title is empty")
    if not soup.html or not soup.html.get("lang"):
        problems.append("the language is not stated")
    for name in ("main", "h1"):
        if len(soup.find_all(name)) != 1:
            problems.append(f"there must be one <{name}>, not {len(soup.find_all(name))}")
    ids = {str(tag["id"]) for tag in soup.select("[id]")}
    for attribute in ("aria-describedby", "aria-labelledby", "aria-controls", "for"):
        for tag in soup.select(f"[{attribute}]"):
            value = tag[attribute]
            named = value.split() if isinstance(value, str) else list(value)
            problems += [
                f"{attribute} names #{one}, which is nowhere" for one in named if one not in ids
            ]
    return problems


def _fragment_problems(soup: BeautifulSoup) -> list[str]:
    assert soup.body is not None
    roots = [tag for tag in soup.body.children if isinstance(tag, Tag)] + [
        tag for tag in (soup.head.children if soup.head else []) if isinstance(tag, Tag)
    ]
    main = [tag for tag in roots if tag.name != "hx-partial" and not tag.has_attr("hx-swap-oob")]
    if len(main) > 1:
        return [f"a fragment has one root, not {[tag.name for tag in main]}"]
    return [
        f"the root <{tag.name}> has no id" for tag in main if not tag.get("id") and tag.name != "tr"
    ]


def _markup_problems(soup: BeautifulSoup) -> list[str]:
    problems = []
    for tag in soup.find_all(True):
        for name, value in tag.attrs.items():
            if name == "style" or name.startswith(("on", "hx-on")):
                problems.append(f"<{tag.name}> has the inline {name}")
            if str(value).strip().lower().startswith(("javascript:", "js:")):
                problems.append(f"<{tag.name}> has script in {name}")
    problems += ["an inline <script>" for tag in soup.find_all("script") if not tag.get("src")]
    problems += ["an inline <style>" for _ in soup.find_all("style")]
    ids = [str(tag["id"]) for tag in soup.select("[id]")]
    problems += [
        f"the id {one} is there twice" for one in {one for one in ids if ids.count(one) > 1}
    ]
    for field in soup.select(FIELDS):
        if not _is_labelled(field, soup):
            problems.append(f"no label for {field}")
    for tag in soup.select("button, a[href]"):
        if not (tag.get_text(strip=True) or tag.get("aria-label") or tag.get("aria-labelledby")):
            problems.append(f"no name for {tag}")
    for form in soup.select("form"):
        field = form.select_one("input[name=csrf_token]")
        if str(form.get("method", "get")).lower() == "post" and not (field and field.get("value")):
            problems.append(f"no CSRF token in the form to {form.get('action')}")
    return problems


def _is_labelled(field: Tag, soup: BeautifulSoup) -> bool:
    if field.get("aria-label") or field.get("aria-labelledby") or field.find_parent("label"):
        return True
    return bool(field.get("id")) and soup.find("label", attrs={"for": field["id"]}) is not None
