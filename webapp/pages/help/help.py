"""The pages `Help`: the list of guides, and each guide."""

from __future__ import annotations

from functools import cache

from flask import Blueprint, Flask, abort, render_template, send_from_directory, url_for
from flask.typing import ResponseReturnValue
from htmx_flask import request

from webapp import package
from webapp.pages.help.rendering import Guide, render
from webapp.pages.http.authorization import public

blueprint = Blueprint("help", __name__, url_prefix="/help")

FOLDER = package.folder("docs/guides")
INDEX = "index"
GUIDES = (
    "first-steps",
    "award",
    "batch",
    "badges-and-rules",
    "members",
    "open-badges",
    "audit",
    "staff",
    "connections",
    "connect",
    "account",
)

# The guide for a page, by its endpoint or else its blueprint.
_GUIDE_OF = {
    "account": "account",
    "activities": "badges-and-rules",
    "api_keys": "connect",
    "audit_log": "audit",
    "badges": "badges-and-rules",
    "badges.award_group": "award",
    "badges.award_window": "award",
    "badges.recipients": "award",
    "batches": "batch",
    "community": "staff",
    "connections": "connections",
    "home": "first-steps",
    "insights": "audit",
    "members": "members",
    "members.award": "award",
    "members.link_window": "open-badges",
    "members.revoke": "award",
    "members.show": "award",
    "open_badges": "open-badges",
    "outside": "open-badges",
    "staff": "staff",
    "system": "staff",
    "webhooks": "connect",
}


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
    app.jinja_env.globals["guide_for_page"] = guide_for_page


# Open to everyone, like the API documentation: people who can't sign in need help too.
@blueprint.get("")
@public
def index() -> ResponseReturnValue:
    """List the guides."""
    return render_template("help/index.html", guide=rendered(INDEX))


@blueprint.get("/shortcuts")
@public
def shortcuts() -> ResponseReturnValue:
    """List the keyboard shortcuts; in a dialog for htmx."""
    return render_template("help/_shortcuts.html" if request.htmx else "help/shortcuts.html")


@blueprint.get("/<guide>")
@public
def show(guide: str) -> ResponseReturnValue:
    """Show one guide."""
    if guide not in GUIDES:
        abort(404)
    return render_template("help/guide.html", guide=rendered(guide))


@blueprint.get("/images/<image>")
@public
def picture(image: str) -> ResponseReturnValue:
    """Send a screenshot of a guide."""
    response = send_from_directory(FOLDER / "images", image, max_age=3600)
    response.cache_control.public = True
    return response


@cache
def rendered(name: str) -> Guide:
    """Render a guide once per process: guides change only with a new version of Laurel."""
    return render(FOLDER / f"{name}.md", _link, _picture)


def guide_for_page() -> tuple[str, str] | None:
    """The title and address of the guide for the current page, if there is one."""
    name = _GUIDE_OF.get(request.endpoint or "") or _GUIDE_OF.get(request.blueprint or "")
    return (title_of(name), url_for("help.show", guide=name)) if name else None


@cache
def title_of(name: str) -> str:
    """The title of a guide, without rendering it: other pages need no more than this."""
    with (FOLDER / f"{name}.md").open(encoding="utf-8") as file:
        return file.readline().removeprefix("# ").strip()


def titles() -> list[tuple[str, str]]:
    """The title and address of each guide."""
    return [(title_of(name), url_for("help.show", guide=name)) for name in GUIDES]


def _link(target: str) -> str | None:
    """Links between guides lead to their pages; the console has no other documents."""
    file, _, anchor = target.partition("#")
    if not file:
        return target
    name = file.removesuffix(".md")
    if name == INDEX:
        return url_for("help.index")
    return url_for("help.show", guide=name, _anchor=anchor or None) if name in GUIDES else None


def _picture(source: str) -> str | None:
    folder, _, image = source.partition("/")
    return url_for("help.picture", image=image) if folder == "images" else None
