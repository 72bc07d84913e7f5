"""Render a guide from Markdown to HTML that the strict CSP accepts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup
from PIL import Image


@dataclass(frozen=True)
class Heading:
    anchor: str
    text: str


@dataclass(frozen=True)
class Guide:
    title: str
    body: Markup  # everything below the title
    headings: list[Heading]  # of the second level


# HTML in the source is shown as text; links to script are refused by the parser.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


def anchor(heading: str) -> str:
    """The anchor that GitHub gives this heading too, so one link works in both places."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def render(
    path: Path, link: Callable[[str], str | None], picture: Callable[[str], str | None]
) -> Guide:
    """Render a guide.

    Args:
        path: The Markdown file. It starts with its title, a heading of the first level.
        link: Returns the address for a link's target, or None if the link can't be followed here:
            its words are kept without a link.
        picture: The same for a picture's file; its alternative text is kept.
    """
    tokens = _MARKDOWN.parse(path.read_text(encoding="utf-8"))
    title, tokens = _text(tokens[1]), tokens[3:]
    headings = []
    labels: list[str] = []
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            text = _text(tokens[place + 1])
            token.attrSet("id", anchor(text))
            if token.tag == "h2":
                headings.append(Heading(anchor(text), text))
        elif token.type == "thead_open":
            labels = []
        elif token.type == "th_open":
            token.attrSet("scope", "col")
            labels.append(_text(tokens[place + 1]))
        elif token.type == "tr_open" and labels:
            column = iter(labels)
        elif token.type == "td_open":
            _label_cell(token, next(column), labels)
        elif token.type == "inline":
            token.children = list(_inline(token.children or [], path.parent, link, picture))
    html = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    return Guide(title, Markup(html), headings)


def _text(token: Token) -> str:
    """The plain text of an inline token."""
    return "".join(
        " " if one.type == "softbreak" else one.content
        for one in token.children or []
        if one.type in ("text", "code_inline", "softbreak")
    )


def _label_cell(cell: Token, label: str, labels: list[str]) -> None:
    """On a phone each row is a card: a cell shows the heading of its column."""
    if label != labels[0]:
        cell.attrSet("data-label", label)
        if len(labels) < 5:
            cell.attrSet("class", "wide")


def _inline(
    tokens: list[Token],
    folder: Path,
    link: Callable[[str], str | None],
    picture: Callable[[str], str | None],
) -> list[Token]:
    """Point links and pictures at addresses of the console; drop links that lead nowhere here."""
    kept: list[Token] = []
    followed: list[bool] = []
    for token in tokens:
        if token.type == "link_open":
            address = link(str(token.attrGet("href")))
            followed.append(address is not None)
            if address is None:
                continue
            token.attrSet("href", address)
        elif token.type == "link_close" and not followed.pop():
            continue
        elif token.type == "image":
            source = str(token.attrGet("src"))
            address = picture(source)
            if address is None:
                kept.extend(token.children or [])
                continue
            with Image.open(folder / source) as opened:
                width, height = opened.size
            token.attrs |= {"src": address, "width": width, "height": height, "loading": "lazy"}
        kept.append(token)
    return kept


def _table_open(*_: object) -> str:
    return '<div class="card"><div class="scroll"><table class="table cards fields">'


def _table_close(*_: object) -> str:
    return "</table></div></div>"


_MARKDOWN.renderer.rules["table_open"] = _table_open  # type: ignore[attr-defined]
_MARKDOWN.renderer.rules["table_close"] = _table_close  # type: ignore[attr-defined]
