"""Badges as files with their credential baked in, and their pictures on other sites (OB-1, OB-2)."""

from __future__ import annotations

import io
import json
import math
import re
import struct
import zlib
from pathlib import Path
from xml.etree import ElementTree

import pytest
from flask import Flask
from PIL import Image

from tests.factories import Make
from tests.pages.client import Answer, ReviewingClient
from tests.pages.outside.conftest import ACTOR, credential_of, path_of, shared
from webapp.domain.awards import manual
from webapp.domain.badges import image_processing, images
from webapp.domain.credentials import baking, signing
from webapp.infrastructure import svg_renderer
from webapp.models import Award, Badge, Member, Quest
from webapp.pages.http import template_helpers
from webapp.pages.outside import pictures
from webapp.transaction import transaction

STYLES = Path(__file__).parents[3] / "static" / "css"
ELEMENT = "{https://purl.imsglobal.org/ob/v3p0}credential"
NAMES = ("anna.secret", "Anna Hidden", "anna@example.org")


def chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    """Read the chunks of a PNG and check their sums, as the standard describes them."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    found, place = [], 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        kind, data = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        assert png[place + 8 + length : place + 12 + length] == struct.pack(
            ">I", zlib.crc32(kind + data)
        )
        found.append((kind, data))
        place += 12 + length
    return found


def in_png(png: bytes) -> str:
    (text,) = [data for kind, data in chunks(png) if kind == b"iTXt"]
    assert text.startswith(b"openbadgecredential" + b"\0" * 5)  # not compressed, no language
    return text[len("openbadgecredential") + 5 :].decode()


def in_svg(svg: bytes) -> str:
    (found,) = ElementTree.fromstring(svg).iter(ELEMENT)
    return found.text or ""


def size_of(png: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(png)) as opened:
        opened.load()
        return opened.size


def own(client: ReviewingClient, page: str, award: Award, kind: str) -> Answer:
    return client.post(f"{page}/awards/{award.id}/credential", {"kind": kind}, review=False)


@pytest.fixture
def badge_id(app: Flask, award: Award) -> int:
    with app.app_context():
        return signing.open_award(award.id).quest.badge_id


def upload(app: Flask, badge_id: int, colour: str) -> None:
    file = io.BytesIO()
    Image.new("RGBA", (300, 200), colour).save(file, "PNG")
    with app.app_context(), transaction():
        images.put(badge_id, image_processing.reencode(file.getvalue()), ACTOR)


def test_a_member_downloads_their_badge_as_png_and_svg(
    client: ReviewingClient, page: str, award: Award
) -> None:
    """Without sharing it; each file contains the same credential, and `/verify` reads it."""
    text = credential_of(client, page, award)
    png, svg = own(client, page, award, "png"), own(client, page, award, "svg")
    assert (png.mimetype, svg.mimetype) == ("image/png", "image/svg+xml")
    assert 'filename="badge-' in png.headers["Content-Disposition"]
    assert in_png(png.data) == in_svg(svg.data) == text
    assert size_of(png.data) == (512, 512)
    for file in (png, svg):
        answer = client.post_file("/verify", file.data, "badge", "file")
        assert answer.words("#result").startswith("Genuine")
    assert own(client, page, award, "exe").status_code == 404


def test_the_page_of_a_shared_badge_has_the_same_files(
    client: ReviewingClient, page: str, award: Award
) -> None:
    text, public = credential_of(client, page, award), shared(client, page, award)
    links = [str(link["href"]) for link in client.get(public).page.select("a[download]")]
    assert [link.rpartition(".")[2] for link in links] == ["png", "svg", "json"]
    png, svg, document = (client.get(link, review=False) for link in links)
    assert in_png(png.data) == in_svg(svg.data) == document.text == text
    assert client.get(f"{public}/credential.exe", review=False).status_code == 404
    client.post(f"{page}/awards/{award.id}/sharing/end")
    for link in links:
        assert client.get(link, review=False).status_code == 404


def test_files_show_the_uploaded_image(
    app: Flask, client: ReviewingClient, page: str, award: Award, badge_id: int
) -> None:
    """A later image appears in later files; the credential in them doesn't change."""
    text = credential_of(client, page, award)
    for colour, seen in (("#ff0000", (255, 0, 0)), ("#0000ff", (0, 0, 255))):
        upload(app, badge_id, colour)
        png, svg = own(client, page, award, "png").data, own(client, page, award, "svg").data
        assert in_png(png) == in_svg(svg) == text
        embedded = re.search(rb"data:image/png;base64,", svg)
        assert embedded
        with Image.open(io.BytesIO(png)) as opened:
            pixel = opened.convert("RGB").getpixel((256, 256))
        assert isinstance(pixel, tuple)
        assert math.dist(pixel, seen) < 12


def test_any_text_survives_in_an_svg() -> None:
    hostile = json.dumps({"name": "]]></svg> & <script>\ufffe"}, ensure_ascii=False)
    svg = baking.into_svg('<svg xmlns="http://www.w3.org/2000/svg"></svg>', hostile)
    assert json.loads(in_svg(svg)) == json.loads(hostile)


def test_the_preview_of_a_link_names_no_member(
    client: ReviewingClient, page: str, award: Award
) -> None:
    """Not even if they share the badge with their name: copies of the picture can't be called back."""
    public = shared(client, page, award, "name")
    head = client.get(public).page
    tags = {str(tag["property"]): str(tag["content"]) for tag in head.select("meta[property]")}
    assert tags["og:image"] == f"http://localhost:8000{public}/preview.png"
    assert not [name for name in NAMES if name in str(tags)]
    png = client.get(f"{public}/preview.png", review=False)
    assert size_of(png.data) == (1200, 630)
    assert {kind for kind, _ in chunks(png.data)} <= {b"IHDR", b"IDAT", b"IEND", b"pHYs", b"sRGB"}
    looks = pictures.Look.__dataclass_fields__
    assert not {"member", "name", "username"} & set(looks)
    client.post(f"{page}/awards/{award.id}/sharing/end")
    assert client.get(f"{public}/preview.png", review=False).status_code == 404


def test_a_credential_names_an_image_that_anyone_may_load(
    app: Flask, client: ReviewingClient, page: str, award: Award, member: Member
) -> None:
    """Also of a badge that isn't shared, because it shows only the badge; not after it was revoked."""
    text = credential_of(client, page, award)
    image = json.loads(text)["credentialSubject"]["achievement"]["image"]
    assert image["type"] == "Image"
    path = image["id"].removeprefix("http://localhost:8000")
    answer = client.get(path, review=False)
    assert size_of(answer.data) == (512, 512)
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert (
        client.get(path.replace("credentials/", "credentials/9"), review=False).status_code == 404
    )
    with app.app_context(), transaction():
        manual.revoke(member.id, award.id, "", ACTOR)
    assert client.get(path, review=False).status_code == 404


def test_signing_again_after_a_new_image_gives_the_same_bytes(
    app: Flask, award: Award, badge_id: int
) -> None:
    with app.app_context():
        before = signing.sign(signing.open_award(award.id), "https://x.example").document
    upload(app, badge_id, "#ff0000")
    with app.app_context():
        assert signing.sign(signing.open_award(award.id), "https://x.example").document == before


def test_a_picture_is_drawn_once_for_all_who_share_the_badge(
    app: Flask, client: ReviewingClient, page: str, award: Award, badge_id: int, make: Make
) -> None:
    """However often it is requested, under however many addresses; browsers that have it get 304."""
    publics = [shared(client, page, award)]
    for _ in range(3):
        other = make.member()
        theirs = make.award(other.id, award.quest_id)
        with app.app_context():
            publics.append(shared(client, path_of(other.id), theirs))
    pictures.preview.cache_clear()
    answers = [
        client.get(f"{public}/preview.png?x={number}", review=False)
        for public in publics
        for number in range(5)
    ]
    assert pictures.preview.cache_info().misses == 1
    (etag,) = {answer.headers["ETag"] for answer in answers}
    assert answers[0].headers["Cache-Control"] == "public, max-age=300"

    path = f"{publics[0]}/preview.png"
    kept = client.get(path, headers={"If-None-Match": etag}, review=False)
    assert (kept.status_code, kept.data) == (304, b"")
    upload(app, badge_id, "#00ff00")
    new = client.get(path, headers={"If-None-Match": etag}, review=False)
    assert new.status_code == 200
    assert new.headers["ETag"] != etag


def test_caches_of_pictures_are_limited() -> None:
    for cached in (pictures.svg, pictures.png, pictures.preview):
        assert 0 < (cached.cache_info().maxsize or 0) <= 32


def test_while_others_are_drawn_a_request_is_asked_to_come_back(
    client: ReviewingClient, page: str, award: Award, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = shared(client, page, award)
    monkeypatch.setattr(svg_renderer, "PATIENCE", 0.01)
    pictures.preview.cache_clear()
    with svg_renderer._slot:
        busy = client.get(f"{public}/preview.png", review=False)
    assert busy.status_code == 503
    assert busy.headers["Retry-After"] == "5"
    assert client.get(f"{public}/preview.png", review=False).status_code == 200


@pytest.mark.parametrize(
    "title",
    [
        "Helper",
        "W" * 243,
        "many words " * 22,
        "مرحبا بالعالم",
        "日本語のバッジ",
        "<b>&amp;</b> ]]>",
        "🎉",
    ],
)
def test_a_preview_holds_any_title(app: Flask, title: str) -> None:
    art = {"image": "", "shape": "unknown", "colour": "unknown", "icon": "unknown", "letter": "あ"}
    look = pictures.Look(badge_id=1, tier=7, title=title, issuer=title, **art)  # type: ignore[arg-type]
    with app.test_request_context():
        assert size_of(pictures.preview(look)) == (1200, 630)


def test_lines_fit_and_keep_all_words_that_fit() -> None:
    text = "Answered " * 20 + "W" * 60
    lines = svg_renderer.lines(text, 40, 600, 50)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    shortened = svg_renderer.lines(text, 40, 600, 3)
    assert len(shortened) == 3
    assert shortened[-1].endswith("…")
    for line in lines + shortened:
        assert svg_renderer._font(40).getlength(line) <= 600


def hex_of(lightness: float, chroma: float, hue: float) -> str:
    """Convert a color of the style sheets, `oklch(l c h)`, as CSS Color 4 describes it."""
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )
    inside = [min(max(part, 0.0), 1.0) for part in linear]
    encoded = [12.92 * x if x <= 0.0031308 else 1.055 * x ** (1 / 2.4) - 0.055 for x in inside]
    return "#" + "".join(f"{round(part * 255):02x}" for part in encoded)


def test_pictures_have_the_colors_of_the_pages() -> None:
    tokens = (STYLES / "tokens.css").read_text(encoding="utf-8")
    hues = re.findall(r"\.hue-\d+ \{ --h: ([\d.]+); --c: ([\d.]+); --l: ([\d.]+)%", tokens)
    for colour, (h, c, lightness) in zip(template_helpers.COLOURS, hues, strict=False):
        l_value = float(lightness) / 100
        rim, face = (hex_of(one, float(c), float(h)) for one in (l_value - 0.1, l_value))
        assert pictures.HUES[colour] == (rim, face), colour
    components = (STYLES / "components.css").read_text(encoding="utf-8")
    metals = re.findall(r"--metal: oklch\(([\d.]+)% ([\d.]+) ([\d.]+)\)", components)
    assert (
        tuple(hex_of(float(x) / 100, float(y), float(z)) for x, y, z in metals) == pictures.METALS
    )


def test_a_tier_is_part_of_the_picture(app: Flask) -> None:
    badge = Badge(id=1, name="Helper", shape="star", colour="gold", icon="", art_hash="")
    quest = Quest(id=1, name="Ten answers", position=1, badge=badge)
    quest.is_only = False
    with app.test_request_context():
        svg = pictures.svg(pictures.Look.of(quest))
    assert pictures.METALS[1] in svg
    assert ">2</text>" in svg
    assert ">H</text>" in svg
