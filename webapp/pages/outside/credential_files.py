"""Credentials as files: JSON, or a PNG or SVG of the badge with the credential baked in (OB-1)."""

from __future__ import annotations

from flask import Response

from webapp.domain.credentials import baking
from webapp.models import Quest
from webapp.pages.outside import pictures
from webapp.pages.outside.pictures import Look

KINDS = {"png": "image/png", "svg": "image/svg+xml", "json": "application/vc+ld+json"}


def respond(kind: str, quest: Quest, text: str, name: str) -> Response:
    """Respond with a file to save. Shows the badge as it looks now; the credential stays as it was signed."""
    look = Look.of(quest)
    content: str | bytes = text
    if kind == "png":
        content = baking.into_png(pictures.drawn(look, pictures.png), text)
    elif kind == "svg":
        content = baking.into_svg(pictures.svg(look), text)
    headers = {"Content-Disposition": f'attachment; filename="{name}.{kind}"'}
    return Response(content, mimetype=KINDS[kind], headers=headers)
