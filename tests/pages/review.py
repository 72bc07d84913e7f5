"""Review an HTML response; each problem is a sentence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import html5lib
from bs4 import BeautifulSoup, Tag
from bs4.builder import HTML5TreeBuilder

if TYPE_CHECKING:
    from tests.pages.client import Answer

UNTYPED = ("hidden", "submit", "button", "reset")  # inputs without keyboard entry
NAMING = ("aria-describedby", "aria-labelledby", "aria-controls", "for")
NO_DOCTYPE = "expected-doctype-but-got-"
ICON = re.compile(r'(<svg\b(?=[^>]*\bclass="icon)[^>]*>)(.*?)</svg>', re.DOTALL)


class Reader(HTML5TreeBuilder):
    """Parses once for both: the tree, and the parser's complaints in `errors`."""

    errors: list[tuple[tuple[int, int], str, dict[str, Any]]]

    def feed(self, markup: Any) -> None:
        """Parse the whole text."""
        parser = html5lib.HTMLParser(tree=self.create_treebuilder)
        parser.parse(markup)
        self.errors = parser.errors


class Soup(BeautifulSoup):
    """A page or a fragment as a browser parses it, with the parser's complaints in `errors`."""

    errors: list[tuple[tuple[int, int], str, dict[str, Any]]]


def read(text: str) -> Soup:
    """Parse a page or a fragment. Icons are empty in the tree: drawing each again takes a third of the time."""
    return _parse(ICON.sub(r"\1</svg>", text))


def _parse(text: str) -> Soup:
    reader = Reader(store_line_numbers=False)
    soup = Soup(text, builder=reader)
    soup.errors = reader.errors
    return soup


def problems(answer: Answer, *, fragment: bool = False) -> list[str]:
    """The problems of a response; a fragment is inserted by htmx into an existing page."""
    found = list(_of_headers(answer))
    text = answer.text
    if 300 <= answer.status_code < 400 or not text.strip():
        return found
    whole = text.lstrip().lower().startswith("<!doctype")
    if not whole and not fragment:
        found.append("a page must begin with its doctype")
    soup = answer.page
    if fragment and text.lstrip().startswith("<tr"):  # a row is parsed in the context of a table
        row = read(f"<table>{text}</table>").select_one("tr")
        identity = row["id"] if row else ""
        soup = read(f'<table id="around-{identity}"><tbody>{text}</tbody></table>')
    tags = soup.find_all(True)
    return [
        *found,
        *(problem for icon in ICON.finditer(text) for problem in _of_icon(icon[0])),
        *_of_syntax(soup, whole),
        *(_of_page(soup, tags) if whole else _of_fragment(soup)),
        *_of_markup(soup, tags),
    ]


@cache
def _of_icon(text: str) -> list[str]:
    soup = _parse(text)
    return [*_of_syntax(soup, whole=False), *_of_markup(soup, soup.find_all(True))]


def _of_headers(answer: Answer) -> Iterator[str]:
    policy = answer.headers.get("Content-Security-Policy", "")
    if "default-src 'none'" not in policy or "unsafe" in policy:
        yield f"the Content-Security-Policy is {policy!r}"
    if answer.headers.get("X-Content-Type-Options") != "nosniff":
        yield "X-Content-Type-Options: nosniff is missing"
    if "HX-Request" not in answer.headers.get("Vary", ""):
        yield "Vary does not name HX-Request"


def _of_syntax(soup: Soup, whole: bool) -> Iterator[str]:
    for (line, _), code, found in soup.errors:
        if whole or not code.startswith(NO_DOCTYPE):
            yield f"line {line}: {code} {found}"


def _of_page(soup: Soup, tags: list[Tag]) -> Iterator[str]:
    if not soup.title or not soup.title.get_text(strip=True).removesuffix("· Laurel").strip():
        yield "the title is empty"
    if not soup.html or not soup.html.get("lang"):
        yield "the language is not stated"
    for name in ("main", "h1"):
        number = sum(tag.name == name for tag in tags)
        if number != 1:
            yield f"there must be one <{name}>, not {number}"
    ids = {str(tag["id"]) for tag in tags if "id" in tag.attrs}
    for tag in tags:
        for attribute in NAMING:
            value = tag.attrs.get(attribute, "")
            for one in value.split() if isinstance(value, str) else value:
                if one not in ids:
                    yield f"{attribute} names #{one}, which is nowhere"


def _of_fragment(soup: Soup) -> Iterator[str]:
    assert soup.body is not None
    roots = [*soup.body.children, *(soup.head.children if soup.head else [])]
    main = [
        tag
        for tag in roots
        if isinstance(tag, Tag)
        and tag.name not in ("hx-partial", "title")  # htmx shows a title as the page's
        and not tag.has_attr("hx-swap-oob")
    ]
    if len(main) > 1:
        yield f"a fragment has one root, not {[tag.name for tag in main]}"
    elif main and not main[0].get("id") and main[0].name != "tr":
        yield f"the root <{main[0].name}> has no id"


def _of_markup(soup: Soup, tags: list[Tag]) -> Iterator[str]:
    ids = Counter(str(tag["id"]) for tag in tags if "id" in tag.attrs)
    yield from (f"the id {one} is there twice" for one, number in ids.items() if number > 1)
    labelled = {str(tag["for"]) for tag in tags if tag.name == "label" and "for" in tag.attrs}
    for tag in tags:
        for name, value in tag.attrs.items():
            if name == "style" or name.startswith(("on", "hx-on")):
                yield f"<{tag.name}> has the inline {name}"
            if str(value).strip().lower().startswith(("javascript:", "js:")):
                yield f"<{tag.name}> has script in {name}"
        if tag.name == "style" or (tag.name == "script" and not tag.get("src")):
            yield f"an inline <{tag.name}>"
        if _is_field(tag) and not _is_labelled(tag, labelled):
            yield f"no label for {tag}"
        if tag.name == "button" or (tag.name == "a" and "href" in tag.attrs):
            named = tag.get("aria-label") or tag.get("aria-labelledby")
            if not named and not tag.get_text(strip=True):
                yield f"no name for {tag}"
        if tag.name == "form" and str(tag.get("method", "get")).lower() == "post":
            yield from _of_form(tag)


# Pages that use no session; a member's link is a secret of its own.
WITHOUT_SESSION = ("/m/", "/verify")


def _of_form(form: Tag) -> Iterator[str]:
    if str(form.get("action")).startswith(WITHOUT_SESSION):
        return
    token = form.find("input", attrs={"name": "csrf_token"})
    if not isinstance(token, Tag) or not token.get("value"):
        yield f"no CSRF token in the form to {form.get('action')}"


def _is_field(tag: Tag) -> bool:
    return tag.name in ("select", "textarea") or (
        tag.name == "input" and tag.get("type") not in UNTYPED
    )


def _is_labelled(field: Tag, labelled: set[str]) -> bool:
    if field.get("aria-label") or field.get("aria-labelledby"):
        return True
    return str(field.get("id", "")) in labelled or field.find_parent("label") is not None
