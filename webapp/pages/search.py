"""One search over members, badges, quests, batches and pages, in a dialog or on a page of its own (E-3)."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, redirect, render_template, url_for
from htmx_flask import request
from werkzeug.wrappers import Response

from webapp.domain import search
from webapp.domain.permissions import Permission
from webapp.domain.search import Results
from webapp.pages.help.help import titles
from webapp.pages.http.authorization import navigation, permit, reachable
from webapp.pages.http.list_query import QueryReader
from webapp.pages.members.query import LONGEST

blueprint = Blueprint("search", __name__, url_prefix="/search")

RECENT = (
    "recent"  # a cookie that the pages' script writes: `member-12.badge-3`, the last opened first
)
_RECENT_ITEM = re.compile(r"(member|badge|batch)-([1-9][0-9]{0,17})")
MOST_RECENT = 6
MOST_PAGES = 5
# Pages that the menu doesn't name.
PAGES = (
    ("Award Badge", "badges.award_window", "award"),
    ("Create Badge", "badges.new", "award"),
    ("Create Batch", "batches.new", "layers"),
    ("Import members", "members.imports", "file-up"),
    ("Your account", "account.index", "user"),
    ("Keyboard shortcuts", "help.shortcuts", "keyboard"),
)

Hit = tuple[str, Any]  # the kind of the item, and the item


@blueprint.get("")
@permit(Permission.VIEW)
def index() -> str | Response:
    """The page. Leads straight to the member whose ID, username or email is searched for."""
    text = _text()
    results = search.find(text)
    if results.exact:
        return redirect(url_for("members.show", member_id=results.exact.id), 303)
    groups = _groups_of(results, text) if text else _recent()
    return render_template(
        "search/index.html", groups=groups, text=text, longest=LONGEST, most=search.MOST
    )


@blueprint.get("/results")
@permit(Permission.VIEW)
def results() -> str | Response:
    """What the dialog lists while its field is being edited."""
    text = _text()
    if not request.htmx:
        return redirect(url_for(".index", q=text), 303)
    groups = _groups_of(search.find(text), text) if text else _recent()
    return render_template("search/_results.html", groups=groups, text=text)


def _text() -> str:
    return QueryReader(request.args).text("q", LONGEST)


def _groups_of(results: Results, text: str) -> list[tuple[str, list[Hit]]]:
    groups: list[tuple[str, list[Hit]]] = [
        ("Members", [("member", member) for member in results.members]),
        ("Badges", [("badge", badge) for badge in results.badges]),
        ("Quests", [("quest", quest) for quest in results.quests]),
        ("Batches", [("batch", batch) for batch in results.batches]),
        ("Pages", [("page", page) for page in _pages(text)]),
    ]
    return [(heading, hits) for heading, hits in groups if hits]


def _recent() -> list[tuple[str, list[Hit]]]:
    """The items that were opened last in this browser."""
    opened = [
        (kind, int(number))
        for kind, number in _RECENT_ITEM.findall(request.cookies.get(RECENT, ""))[:MOST_RECENT]
    ]
    if not opened:
        return []
    ids = {kind: [number for other, number in opened if other == kind] for kind, _ in opened}
    known = search.by_id(ids.get("member", []), ids.get("badge", []), ids.get("batch", []))
    items: dict[tuple[str, int], Any] = {("member", one.id): one for one in known.members}
    items |= {("badge", one.id): one for one in known.badges}
    items |= {("batch", one.id): one for one in known.batches}
    hits = [(key[0], items[key]) for key in opened if key in items]
    return [("Recently opened", hits)] if hits else []


def _pages(text: str) -> list[tuple[str, str, str]]:
    """Pages and guides in whose name each word of the text begins a word."""
    menu = [(label, url, icon) for _, links in navigation() for label, url, icon, _ in links]
    more = [(label, url_for(end), icon) for label, end, icon in PAGES if reachable(end)]
    guides = [(f"Help: {title}", url, "circle-question-mark") for title, url in titles()]
    begun = [re.compile(rf"\b{re.escape(word)}", re.I) for word in text.split()]
    pages = [page for page in menu + more + guides if all(one.search(page[0]) for one in begun)]
    return pages[:MOST_PAGES]
