"""Badges as SVG and PNG for the world outside: downloads, images of credentials, and previews of links.

Pictures show the badge and who issued it, never its member. Each is drawn once per process for as long as it looks
the same, however often and under however many addresses it is requested.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from flask import Response, abort, render_template, request
from markupsafe import Markup
from werkzeug.exceptions import ServiceUnavailable

from webapp import package
from webapp.domain import community
from webapp.domain.badges import image_processing, images
from webapp.infrastructure import svg_renderer
from webapp.infrastructure.svg_renderer import RendererBusyError
from webapp.models import Badge, Quest
from webapp.pages.http import template_helpers

MAX_AGE = 300  # seconds in which the badge's page may end and its picture not
RETRY_AFTER = 5  # seconds

# Rim and face of badges: the colors of tokens.css, because renderers of SVG don't know its functions.
HUES = {
    "green": ("#006132", "#247f4d"),
    "blue": ("#005094", "#296eb4"),
    "amber": ("#964e00", "#b76c03"),
    "red": ("#99151d", "#bb3b3a"),
    "violet": ("#573b91", "#7359b1"),
    "teal": ("#005e5f", "#027c7c"),
    "pink": ("#942d66", "#b54c84"),
    "orange": ("#a83a00", "#ca5a29"),
    "slate": ("#3c4958", "#576574"),
    "gold": ("#996b00", "#b98a02"),
}
# The rim of each tier, as in components.css.
METALS = ("#ca8657", "#bbc2c9", "#eec743", "#9ae0df", "#c8a5f0")

TITLE_WIDTH = 610  # pixels
SIZES = ((64, 3), (46, 5))  # of the title: font size and number of lines


@dataclass(frozen=True)
class Look:
    """All that a picture shows: the same look gives the same bytes."""

    badge_id: int
    image: str  # the hash of the badge's image, or "" if it is drawn from the next four
    shape: str
    colour: str
    icon: str
    letter: str
    tier: int
    title: str
    issuer: str = ""  # only in previews

    @classmethod
    def of(cls, quest: Quest) -> Look:
        badge, letter = quest.badge, template_helpers.initials_of(quest.badge.name)[:1]
        art = (badge.shape, badge.colour, badge.icon, letter)
        return cls(badge.id, badge.art_hash, *art, quest.tier, quest.title)

    @property
    def etag(self) -> str:
        """Differs for each look and version of Laurel."""
        return hashlib.sha256(f"{package.version()} {self!r}".encode()).hexdigest()[:32]


def preview_of(quest: Quest) -> Look:
    """Return the look of the picture that other sites show next to a link."""
    return Look(**{**vars(Look.of(quest)), "issuer": community.brand().name})


@lru_cache(maxsize=16)
def svg(look: Look) -> str:
    return render_template("outside/picture.svg", **_parts(look))


@lru_cache(maxsize=32)
def png(look: Look) -> bytes:
    """Draw the badge, 512 pixels wide. Raises RendererBusyError."""
    return svg_renderer.png(svg(look))


@lru_cache(maxsize=32)
def preview(look: Look) -> bytes:
    """Draw the badge next to its name and its issuer's, 1200 × 630 pixels. Raises RendererBusyError."""
    for size, at_most in SIZES:
        title = svg_renderer.lines(look.title, size, TITLE_WIDTH, at_most)
        if not title[-1].endswith("…"):
            break
    issuer = svg_renderer.lines(look.issuer, 34, TITLE_WIDTH, 1)
    words = {"title": title, "size": size, "issuer": issuer[0], "family": svg_renderer.FAMILY}
    return svg_renderer.png(render_template("outside/preview.svg", **_parts(look), **words))


def respond(look: Look, draw: Callable[[Look], bytes]) -> Response:
    """Respond with a picture, or 304 if the browser has it already; 503 while many are being drawn."""
    response = Response(mimetype="image/png")
    response.set_etag(look.etag)
    response.cache_control.public = True
    response.cache_control.max_age = MAX_AGE
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if request.if_none_match.contains_weak(look.etag):
        response.status_code = 304
    else:
        response.data = drawn(look, draw)
    return response


def drawn(look: Look, draw: Callable[[Look], bytes]) -> bytes:
    """Draw a picture, or respond with 503 while too many are being drawn."""
    try:
        return draw(look)
    except RendererBusyError:
        raise ServiceUnavailable(
            "Too many images are being drawn. Please try again.", retry_after=RETRY_AFTER
        ) from None


def uploaded(badge: Badge) -> Response:
    """The badge's image, strictly as an image: other pages of a badge's images need an account (R-2)."""
    content = images.find(badge.id, badge.art_hash, small=False) if badge.art_hash else None
    if content is None:
        abort(404)
    return Response(content, mimetype=image_processing.MIMETYPE)


def _parts(look: Look) -> dict[str, object]:
    """What the templates need to draw a badge."""
    content = images.find(look.badge_id, look.image, small=False) if look.image else None
    if look.image and content is None:  # replaced since the badge was read
        abort(404)
    rim, face = HUES.get(look.colour, HUES["slate"])
    shape = look.shape if look.shape in template_helpers.SHAPES else "circle"
    return {
        "alt": look.title,
        "image": b64encode(image_processing.as_png(content)).decode() if content else "",
        "outline": template_helpers.SHAPES[shape],
        "rim": METALS[min(look.tier, len(METALS)) - 1] if look.tier else rim,
        "face": face,
        "icon": _icon(look.icon, shape),
        "letter": look.letter,
        "tier": look.tier,
    }


def _icon(name: str, shape: str) -> Markup | None:
    if not name or not template_helpers.has_icon(name):
        return None
    corner, side = template_helpers.ICON_BOXES.get(shape, template_helpers.DEFAULT_ICON_BOX)
    box = {"width": side, "height": side, "x": corner, "y": corner, "stroke-width": 2.2}
    return template_helpers.icon(name, "", **box)
