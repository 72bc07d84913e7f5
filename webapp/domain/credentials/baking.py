"""Bake credentials into pictures: a PNG or SVG that contains the credential it stands for (OB-1)."""

from __future__ import annotations

import re

NAMESPACE = "https://purl.imsglobal.org/ob/v3p0"
# What a CDATA section of XML can't contain, and JSON only has in strings: its end, and two non-characters.
UNFIT = re.compile(r"(?<=]])>|[\ufffe\uffff]")


def into_png(picture: bytes, credential: str) -> bytes:
    """Add an uncompressed `iTXt` chunk with the credential."""
    from openbadgeslib import baking

    return baking.bake_png(picture, credential, keyword=baking.ITXT_KEYWORD_OB3)


def into_svg(picture: str, credential: str) -> bytes:
    """Add an element with the credential at the end of an SVG of ours."""
    text = UNFIT.sub(lambda found: f"\\u{ord(found[0]):04x}", credential)
    head, end, rest = picture.rpartition("</svg>")
    element = (
        f'<openbadges:credential xmlns:openbadges="{NAMESPACE}"><![CDATA[{text}]]>'
        "</openbadges:credential>"
    )
    return f"{head}{element}{end}{rest}".encode()
