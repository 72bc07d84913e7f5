"""Images that people upload are drawn anew: what is kept is ours, whatever the file was or carried."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from io import BytesIO

from PIL import Image as Pillow
from PIL import ImageOps

from webapp.domain.errors import DomainError

FORMATS = ("PNG", "WEBP", "JPEG")
MIMETYPE = "image/webp"
AT_MOST = 2 * 1024 * 1024  # bytes of a file
PIXELS = 16_000_000  # that are unpacked: 64 MB of memory
LEAST = 32  # pixels of a side
SCANS = 100  # of a JPEG: each goes over all of its pixels; cameras and editors write up to 12
SIDE, SMALL_SIDE = 512, 128  # pixels of the longer side that is kept
QUALITY = 90
PATIENCE = 10.0  # seconds
MISSING = "badges.image_missing"

Pillow.MAX_IMAGE_PIXELS = None  # it only warns; sizes are judged here

_STANDALONE = (0x01, *range(0xD0, 0xD9))  # markers of a JPEG without a length
_START_OF_SCAN, _END = 0xDA, 0xD9
# Within a scan, a 0xFF of the data is followed by a zero or by one of the eight restart markers.
_AFTER_SCAN = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")

# Unpacked, an image takes fifty times its file: one at once, whoever asks.
_place = threading.BoundedSemaphore(1)


@dataclass(frozen=True)
class Picture:
    """An image as it is kept: WebP, at most 512 and 128 pixels on its longer side, never enlarged."""

    content: bytes
    small: bytes


def redrawn(data: bytes) -> Picture:
    """Draws an uploaded PNG, WebP or JPEG anew, upright and with nothing but its pixels; of a film the first picture.

    Raises DomainError, for the field `image`, for anything else, for files over 2 MB and images over 16 million pixels.
    """
    if not data:
        raise DomainError(MISSING, "image")
    if len(data) > AT_MOST:
        megabytes = f"{len(data) / 1024 / 1024:,.1f}"
        raise DomainError(
            "badges.image_too_large", "image", megabytes=megabytes, limit=AT_MOST >> 20
        )
    if not _place.acquire(timeout=PATIENCE):
        raise DomainError("badges.image_busy", "image")
    try:
        return _drawn(data)
    finally:
        _place.release()


def _drawn(data: bytes) -> Picture:
    try:
        opened = Pillow.open(BytesIO(data), formats=FORMATS)  # reads the head alone
    except Exception:
        raise DomainError("badges.image_type", "image") from None
    with opened:
        width, height = opened.size
        if width * height > PIXELS:
            raise DomainError(
                "badges.image_pixels", "image", width=width, height=height, limit=PIXELS
            )
        if min(width, height) < LEAST:
            raise DomainError(
                "badges.image_too_small", "image", width=width, height=height, minimum=LEAST
            )
        if scans(data, SCANS) > SCANS:
            raise DomainError("badges.image_scans", "image", limit=SCANS)
        try:
            upright = ImageOps.exif_transpose(opened)
            plain = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
        except Exception:  # decoders stumble in many ways over a file that is broken
            raise DomainError("badges.image_damaged", "image") from None
    return Picture(_encoded(plain, SIDE), _encoded(plain, SMALL_SIDE))


def scans(data: bytes, enough: int) -> int:
    """How many scans a JPEG has, counted up to one more than `enough`; 0 for anything else.

    By its segments, so that neither a thumbnail in one of them nor the pixels' own bytes count. Nothing is decoded.
    """
    if not data.startswith(b"\xff\xd8"):
        return 0
    counts, place = 0, 2
    while counts <= enough:
        place = data.find(b"\xff", place)  # what stands between segments is skipped, as decoders do
        while 0 <= place < len(data) and data[place] == 0xFF:
            place += 1
        if not 0 <= place < len(data) or data[place] == _END:
            break
        marker = data[place]
        place += 1
        if marker in _STANDALONE or marker == 0:
            continue
        place += max(int.from_bytes(data[place : place + 2]), 2)
        if marker == _START_OF_SCAN:
            counts += 1
            after = _AFTER_SCAN.search(data, place)
            if after is None:
                break
            place = after.start()
    return counts


def _encoded(image: Pillow.Image, side: int) -> bytes:
    kept = image.copy()
    kept.thumbnail((side, side), Pillow.Resampling.LANCZOS)
    file = BytesIO()
    kept.save(file, "WEBP", quality=QUALITY, exif=b"", icc_profile=None)
    return file.getvalue()
