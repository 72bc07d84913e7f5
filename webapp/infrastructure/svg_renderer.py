"""Render our own SVG as PNG. One image at a time per process, so that requests can't take all processors."""

from __future__ import annotations

import threading
from functools import cache

from webapp import package

FONTS = package.folder("static") / "vendor" / "dejavu-fonts-ttf" / "ttf"
FAMILY = "DejaVu Sans"
REGULAR, BOLD = FONTS / "DejaVuSans.ttf", FONTS / "DejaVuSans-Bold.ttf"
PATIENCE = 5.0  # seconds to wait for another image

_slot = threading.BoundedSemaphore(1)


class RendererBusyError(Exception):
    """Other images are being rendered: try again later."""


def png(svg: str) -> bytes:
    """Render an SVG at its own size; takes about 50 ms. Raises RendererBusyError.

    Characters that the bundled font lacks, such as Chinese ones, are drawn with the machine's fonts, if it has any.
    """
    from resvg_py import svg_to_bytes

    if not _slot.acquire(timeout=PATIENCE):
        raise RendererBusyError
    try:
        return svg_to_bytes(svg_string=svg, font_files=[str(REGULAR), str(BOLD)])
    finally:
        _slot.release()


def lines(text: str, size: int, width: int, at_most: int) -> list[str]:
    """Break a bold text into lines of at most `width` pixels; more than `at_most` end with an ellipsis."""
    font, done, line = _font(size), [], ""
    for word in text.split():
        if line and font.getlength(f"{line} {word}") > width:
            done.append(line)
            line = ""
        line = f"{line} {word}".strip()
        while font.getlength(line) > width:
            end = next(n for n in range(len(line), 0, -1) if font.getlength(line[:n]) <= width)
            done.append(line[:end])
            line = line[end:]
    done = [*done, line] if line else done
    if len(done) > at_most:
        last = done[at_most - 1]
        while font.getlength(f"{last}…") > width:
            last = last[:-1]
        done = [*done[: at_most - 1], f"{last.rstrip()}…"]
    return done


@cache
def _font(size: int):  # type: ignore[no-untyped-def]  # Pillow is imported when first used
    from PIL import ImageFont

    return ImageFont.truetype(str(BOLD), size)
