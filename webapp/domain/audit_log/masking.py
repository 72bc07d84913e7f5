"""Hide the secret parts of a webhook's URL in the audit log and on pages."""

from __future__ import annotations

from urllib.parse import urlsplit


def mask_url(url: str) -> str:
    """Return the URL without the parts that may be secret: `https://example.org/…`."""
    parts = urlsplit(url)
    more = "…" if parts.path not in ("", "/") or parts.query or parts.fragment else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/{more}"
