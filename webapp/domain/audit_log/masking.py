"""What of a webhook's address the audit log and the pages may show."""

from __future__ import annotations

from urllib.parse import urlsplit


def mask_url(url: str) -> str:
    """Where an address leads, without the parts that may be a secret: `https://example.org/…`."""
    parts = urlsplit(url)
    more = "…" if parts.path not in ("", "/") or parts.query or parts.fragment else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/{more}"
