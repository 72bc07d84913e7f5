"""Parse request input the same way everywhere: files, and numbers in forms and URLs."""

from __future__ import annotations

import re

from flask import redirect
from htmx_flask import request
from werkzeug.wrappers import Response

from webapp.domain.errors import DomainError

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")
_GROUPED = re.compile(r"[0-9]{1,3}(,[0-9]{3})+")


def redirect_to(address: str) -> Response:
    """Redirect to another page; for htmx by a header."""
    if request.htmx:
        return Response(status=200, headers={"HX-Redirect": address})
    return redirect(address, 303)


def uploaded_file(name: str, missing: str) -> tuple[str, bytes]:
    """Return the name and content of an uploaded file. Raises DomainError with `missing` if none was chosen."""
    file = request.files.get(name)
    if file is None or not file.filename:
        raise DomainError(missing)
    with file.stream:  # a large one is in a temporary file
        return file.filename, file.read()


def uploaded_csv() -> tuple[str, bytes]:
    return uploaded_file("file", "csv_files.file_missing")


def form_number(name: str) -> int | None:
    """A whole number from the submitted form, or None."""
    return parse_number(request.form.get(name, ""))


def parse_number(text: str) -> int | None:
    """Parse a whole number; None for anything else, or for more digits than a row id has."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def parse_grouped_number(text: str) -> int | None:
    """Parse a number as people type it: with spaces around it and commas between thousands. `1,5` gives None."""
    text = text.strip()
    if "," in text and not _GROUPED.fullmatch(text):
        return None
    return parse_number(text.replace(",", ""))


def printable(text: str) -> str:
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def short(text: str) -> str:
    """Shorten user input for use in a sentence: printable, at most 40 characters."""
    text = printable(text)
    return text if len(text) <= 40 else text[:39] + "…"
