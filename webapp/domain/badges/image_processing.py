"""Re-encode uploaded images, so that only pixels are stored, whatever the file contained."""

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
AT_MOST = 2 * 1024 * 1024  # bytes per file
PIXELS = 16_000_000  # decoded pixels: 64 MB of memory
LEAST = 32  # pixels per side
SCANS = 100  # of a JPEG: each covers all pixels; cameras and editors write up to 12
SIDE, SMALL_SIDE = 512, 128  # pixels of the longer side
QUALITY = 90
PATIENCE = 10.0  # seconds to wait for another image
MISSING = "badges.image_missing"

Pillow.MAX_IMAGE_PIXELS = None  # Pillow only warns; sizes are checked here

_STANDALONE = (0x01, *range(0xD0, 0xD9))  # JPEG markers without a length
_START_OF_SCAN, _END = 0xDA, 0xD9
# Within a scan, a 0xFF of the data is followed by zero or one of the eight restart markers.
_AFTER_SCAN = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")

# A decoded image takes fifty times its file's size, so only one is processed at a time.
_slot = threading.BoundedSemaphore(1)


@dataclass(frozen=True)
class Picture:
    """A stored image: WebP, at most 512 and 128 pixels on its longer side, never enlarged."""

    content: bytes
    small: bytes


def reencode(data: bytes) -> Picture:
    """Re-encode an uploaded PNG, WebP or JPEG: upright, without metadata, only the first frame.

    Raises DomainError for the field `image` for other formats, files over 2 MB and images over 16 million pixels.
    """
    if not data:
        raise DomainError(MISSING, "image")
    if len(data) > AT_MOST:
        megabytes = f"{len(data) / 1024 / 1024:,.1f}"
        raise DomainError(
            "badges.image_too_large", "image", megabytes=megabytes, limit=AT_MOST >> 20
        )
    if not _slot.acquire(timeout=PATIENCE):
        raise DomainError("badges.image_busy", "image")
    try:
        return _draw(data)
    finally:
        _slot.release()


def as_png(content: bytes) -> bytes:
    """Return a stored image as PNG, for programs that don't read WebP."""
    file = BytesIO()
    with Pillow.open(BytesIO(content), formats=("WEBP",)) as stored:
        stored.save(file, "PNG")
    return file.getvalue()


def _draw(data: bytes) -> Picture:
    try:
        opened = Pillow.open(BytesIO(data), formats=FORMATS)  # reads only the header
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
        except Exception:  # decoders fail in many ways on a broken file
            raise DomainError("badges.image_damaged", "image") from None
    return Picture(_encode(plain, SIDE), _encode(plain, SMALL_SIDE))


def scans(data: bytes, enough: int) -> int:
    """Return the number of scans in a JPEG, up to `enough` + 1; 0 for anything else.

    Reads segments without decoding, so that neither embedded thumbnails nor pixel data count.
    """
    if not data.startswith(b"\xff\xd8"):
        return 0
    counts, place = 0, 2
    while counts <= enough:
        place = data.find(b"\xff", place)  # decoders skip bytes between segments, too
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


def _encode(image: Pillow.Image, side: int) -> bytes:
    kept = image.copy()
    kept.thumbnail((side, side), Pillow.Resampling.LANCZOS)
    file = BytesIO()
    kept.save(file, "WEBP", quality=QUALITY, exif=b"", icc_profile=None)
    return file.getvalue()
