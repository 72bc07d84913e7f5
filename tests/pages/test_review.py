"""The review of pages finds the problems it looks for."""

from __future__ import annotations

import pytest
from werkzeug.wrappers import Response

from tests.pages.client import Answer
from tests.pages.review import problems

HEADERS = {
    "Content-Security-Policy": "default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Vary": "HX-Request",
}
PAGE = """<!doctype html><html lang="en"><head><title>Badges · Laurel</title></head>
<body><main><h1>Badges</h1>{}</main></body></html>"""


def answer(text: str, **headers: str) -> Answer:
    sent = Response(text, mimetype="text/html", headers={**HEADERS, **headers})
    return Answer(sent.response, sent.status, sent.headers, request=None)  # type: ignore[arg-type]


def test_a_good_page_has_no_problems() -> None:
    good = '<label for="q">Search</label><input id="q"><button>Go</button><a href="/">Home</a>'
    assert problems(answer(PAGE.format(good))) == []
    assert problems(answer('<p id="said">Saved.</p>'), fragment=True) == []
    assert problems(answer('<tr id="batch-1"><td>One</td></tr>'), fragment=True) == []


@pytest.mark.parametrize(
    ("piece", "problem"),
    [
        ("<p></b></p>", "unexpected-end-tag"),
        ("<h1>Again</h1>", "there must be one <h1>, not 2"),
        ('<p id="a"></p><p id="a"></p>', "the id a is there twice"),
        ('<p aria-describedby="gone">x</p>', "aria-describedby names #gone, which is nowhere"),
        ('<p style="color:red">x</p>', "<p> has the inline style"),
        ('<p onclick="x()">x</p>', "<p> has the inline onclick"),
        ('<p hx-on:click="x()">x</p>', "<p> has the inline hx-on:click"),
        ('<a href=" JavaScript:x()">x</a>', "<a> has script in href"),
        ("<script>x()</script>", "an inline <script>"),
        ("<style>p{}</style>", "an inline <style>"),
        ('<input name="q">', "no label for <input"),
        ("<select><option>1</select>", "no label for <select"),
        ("<textarea>x</textarea>", "no label for <textarea"),
        ("<button><svg></svg></button>", "no name for <button"),
        ('<svg class="icon"><g style="x"></g></svg>', "<g> has the inline style"),
        ('<svg class="icon"><a></g></svg>', "unexpected-end-tag"),
        ('<a href="/"> </a>', "no name for <a"),
        ('<form method="POST" action="/x"></form>', "no CSRF token in the form to /x"),
    ],
)
def test_problems_of_a_page_are_reported(piece: str, problem: str) -> None:
    assert any(problem in one for one in problems(answer(PAGE.format(piece))))


def test_problems_around_a_page_are_reported() -> None:
    bare = "<!doctype html><html><head><title> · Laurel</title></head><body></body></html>"
    found = problems(answer(bare, **dict.fromkeys(HEADERS, "")))
    assert found == [
        "the Content-Security-Policy is ''",
        "X-Content-Type-Options: nosniff is missing",
        "Vary does not name HX-Request",
        "the title is empty",
        "the language is not stated",
        "there must be one <main>, not 0",
        "there must be one <h1>, not 0",
    ]
    assert "a page must begin with its doctype" in problems(answer('<p id="x">x</p>'))


def test_problems_of_a_fragment_are_reported() -> None:
    assert problems(answer("<p>x</p>"), fragment=True) == ["the root <p> has no id"]
    two = problems(answer('<p id="a">x</p><p id="b">y</p>'), fragment=True)
    assert two == ["a fragment has one root, not ['p', 'p']"]
