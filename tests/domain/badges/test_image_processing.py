"""Uploaded images are re-encoded; bombs, disguised and broken files are rejected with a sentence (M-15)."""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from io import BytesIO
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from tests.cpu_time import cpu_seconds
from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.badges import catalogue, image_processing, images
from webapp.domain.errors import DomainError, NotFoundError
from webapp.models import Image as Kept
from webapp.models import Origin
from webapp.transaction import transaction


def file(
    kind: str = "PNG", mode: str = "RGB", size: tuple[int, int] = (90, 60), **more: object
) -> bytes:
    made = BytesIO()
    Image.new(mode, size, None if mode in ("1", "P") else 0).save(made, kind, **more)
    return made.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data), formats=["WEBP"])


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *(("PNG", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
        *(("JPEG", mode) for mode in ("L", "RGB", "CMYK")),
        *(("WEBP", mode) for mode in ("RGB", "RGBA")),
    ],
)
def test_every_kind_becomes_webp_in_two_sizes(kind: str, mode: str) -> None:
    """M-15: at most 512 and 128 pixels, in the image's own proportions."""
    picture = image_processing.reencode(file(kind, mode, (1200, 800)))
    assert opened(picture.content).size == (512, 341)
    assert opened(picture.small).size == (128, 85)


def test_small_images_are_not_enlarged() -> None:
    assert opened(image_processing.reencode(file(size=(64, 40))).content).size == (64, 40)


def test_transparency_stays() -> None:
    assert opened(image_processing.reencode(file(mode="RGBA")).content).mode == "RGBA"


def test_metadata_of_a_file_is_removed() -> None:
    """The location, comments and trailing data are removed; the image is rotated upright."""
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "a secret place", 6  # its description; rotated by 90 degrees
    data = file("JPEG", size=(90, 60), exif=exif) + b"<script>alert(1)</script>"
    picture = image_processing.reencode(data)
    for kept in (picture.content, picture.small):
        assert b"secret" not in kept
        assert b"script" not in kept
        assert opened(kept).size == (60, 90)
        assert not opened(kept).getexif()


def test_of_a_film_the_first_picture_is_kept() -> None:
    made = BytesIO()
    first, second = Image.new("RGB", (64, 64), "red"), Image.new("RGB", (64, 64), "blue")
    first.save(made, "WEBP", save_all=True, append_images=[second], lossless=True)
    kept = opened(image_processing.reencode(made.getvalue()).content)
    red, _, blue = kept.convert("RGB").getpixel((30, 30))
    assert red > 200 > 50 > blue
    assert getattr(kept, "n_frames", 1) == 1


def png(width: int, height: int, pixels: bytes = b"", extra: bytes = b"") -> bytes:
    """A PNG that claims this size, whatever it contains."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """A PNG of 64 × 64 whose comment is a few kB and unpacks to 64 MB."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "x" * 64_000_000, zip=True)
    return file(size=(64, 64), pnginfo=info)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "Choose an image first."),
        (b"GIF89a" + bytes(100), "This isn't a PNG, WebP or JPEG image."),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "This isn't a PNG"),
        (b"<!doctype html><script>alert(1)</script>", "This isn't a PNG"),
        (b"PK\x03\x04" + bytes(200), "This isn't a PNG"),
        (b"\x89PNG\r\n\x1a\n<html>", "This isn't a PNG"),
        (b"\x89PNG\r\n\x1a\n", "This isn't a PNG"),
        (bytes(range(256)) * 40, "This isn't a PNG"),
        (file("GIF"), "This isn't a PNG"),
        (file("BMP"), "This isn't a PNG"),
        (file("TIFF"), "This isn't a PNG"),
        (file("ICO", size=(64, 64)), "This isn't a PNG"),
        (file(size=(31, 500)), "The image is 31 × 500 pixels; each side must be at least 32."),
        (png(30_000, 30_000), "The image is 30,000 × 30,000 pixels; the limit is 16,000,000"),
        (png(2**31 - 1, 2**31 - 1), "the limit is 16,000,000"),
        (png(4000, 3999), "This image is damaged"),
        (png(64, 64, b"no pixels"), "This image is damaged"),
        (file("JPEG", size=(400, 400))[:-900], "This image is damaged"),
        (file("JPEG", size=(90, 60))[:100], "This isn't a PNG"),
        (bytes(2 * 1024 * 1024 + 1), "The image is 2.0 MB; the limit is 2 MB."),
        (text_bomb(), "damaged|isn't a PNG"),
    ],
)
def test_bombs_and_disguised_files_are_refused(data: bytes, sentence: str) -> None:
    """M-15, W95: by content, whatever their name, before they are unpacked."""
    with pytest.raises(DomainError, match=sentence) as refusal:
        image_processing.reencode(data)
    assert refusal.value.field == "image"


def scanned(number: int, size: tuple[int, int] = (4000, 4000)) -> bytes:
    """A progressive JPEG of one color whose last scan is repeated until it has this many."""
    data = file("JPEG", "L", size, progressive=True)
    usual = data.count(b"\xff\xda")
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * (number - usual) + data[-2:]


def test_a_jpeg_has_at_most_100_scans() -> None:
    """W95: 800 scans of 16 million pixels, in 90 kB, took four seconds; rejected before decoding."""
    assert opened(image_processing.reencode(scanned(100, (400, 400))).content).size == (400, 400)
    data = scanned(20_000)

    def refuse() -> None:
        with pytest.raises(
            DomainError, match=r"This JPEG has more than 100 scans and can't be read\."
        ):
            image_processing.reencode(data)

    assert cpu_seconds(refuse) < 1.0


def test_only_a_jpegs_own_scans_count() -> None:
    """Not those of a thumbnail in its metadata, of a second image after it, or bytes that look like one."""
    plain = file("JPEG", size=(400, 400))
    thumbnail = scanned(200, (64, 64))
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    for data in (
        plain[:2] + segment + plain[2:],
        plain + thumbnail,
        plain[:2] + b"\xff\xfe\x00\x04\xff\xda" * 300 + plain[2:],
    ):
        assert image_processing.scans(data, 100) == 1
        image_processing.reencode(data)
    noise = Image.effect_noise((400, 400), 100)
    made = BytesIO()
    noise.save(made, "JPEG", quality=95, progressive=True, restart_marker_rows=1)
    assert 1 < image_processing.scans(made.getvalue(), 100) < 15
    for other in (
        file("PNG"),
        file("WEBP"),
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff",
        b"\xff\xd8" + b"\xff" * 999,
    ):
        assert image_processing.scans(other, 100) == 0


@pytest.mark.parametrize(
    "data",
    [
        png(64, 64, extra=struct.pack(">I", 0) + b"teXt" + struct.pack(">I", zlib.crc32(b"teXt"))),
        b"\xff\xd8" + b"\xff\xe1\x00\x02" * 500_000,
        b"\xff\xd8" + b"\xff\xda\x00\x02" + b"\xff\x00" * 1_000_000,
        b"\xff\xd8" + b"\xff" * 2_000_000,
        b"\xff\xd8" + b"\xff\xda\x00\x02\xff\xd0" * 300_000,
    ],
    ids=["PNG", "segments", "stuffing", "fill", "restarts"],
)
def test_files_of_many_small_parts_cost_little(data: bytes) -> None:
    """W95: 2 MB of the smallest chunks of a format."""
    if data.startswith(b"\x89PNG"):
        head, part, tail = data[:33], data[33:45], data[45:]
        data = head + part * 170_000 + tail

    def read() -> None:
        with suppress(DomainError):
            image_processing.reencode(data)

    assert cpu_seconds(read) < 4.0


GOOD = [file("PNG", size=(64, 64)), file("JPEG", size=(64, 64)), file("WEBP", size=(64, 64))]


@settings(max_examples=150)
@given(st.sampled_from(GOOD), st.integers(0, 2**32 - 1), st.integers(1, 12), st.booleans())
def test_a_broken_file_is_an_image_or_a_sentence(
    good: bytes, seed: int, number: int, cut: bool
) -> None:
    """M-15: changed bytes and truncation give either an image or an error."""
    random = Random(seed)
    data = bytearray(good)
    for _ in range(number):
        data[random.randrange(len(data))] = random.randrange(256)
    if cut:
        del data[random.randrange(len(data)) :]
    with suppress(DomainError):
        assert opened(image_processing.reencode(bytes(data)).content).format == "WEBP"


def test_a_badge_has_one_image_at_most(make: Make) -> None:
    """M-15: added, repeated, replaced, removed, removed again; the audit log has the changes."""
    badge, actor = make.badge(), Actor(NOW, Origin.CONSOLE, make.staff())
    first = image_processing.reencode(file(size=(64, 64)))
    second = image_processing.reencode(file(size=(80, 64)))
    with transaction():
        assert images.put(badge.id, first, actor)
        assert not images.put(badge.id, first, actor)
    name = catalogue.get(badge.id).art_hash
    assert images.find(badge.id, name, small=False) == first.content
    assert images.find(badge.id, name, small=True) == first.small
    with transaction():
        assert images.put(badge.id, second, actor)
    assert images.find(badge.id, name, small=False) is None
    assert len(db.session.query(Kept).all()) == 1
    with transaction():
        assert images.remove(badge.id, actor)
        assert not images.remove(badge.id, actor)
    assert (catalogue.get(badge.id).art_hash, db.session.query(Kept).all()) == ("", [])
    with pytest.raises(NotFoundError), transaction():
        images.put(10**30, first, actor)
