"""Problem details (RFC 9457): the kinds of errors of the API, and their JSON."""

from __future__ import annotations

import json
from typing import Any

MIMETYPE = "application/problem+json"

# Kinds of problems with their status and title. The documentation page has an anchor for each kind.
TITLES: dict[str, tuple[int, str]] = {
    "unreadable": (400, "Malformed request"),
    "key-missing": (401, "API key required"),
    "key-refused": (401, "API key not accepted"),
    "key-in-url": (401, "API key sent in the URL"),
    "scope": (403, "API key lacks this scope"),
    "not-found": (404, "Not found"),
    "method": (405, "Method not allowed"),
    "too-slow": (408, "Request took too long to arrive"),
    "state": (409, "Not possible in the current state"),
    "response-expired": (410, "Stored response no longer available"),
    "events-expired": (410, "Events no longer available"),
    "too-large": (413, "Request too large"),
    "url-too-long": (414, "URL too long"),
    "media-type": (415, "Request body must be JSON"),
    "invalid": (422, "Invalid values in the request"),
    "key-reused": (422, "Idempotency-Key already used for a different request"),
    "too-many": (429, "Too many requests"),
    "headers-too-large": (431, "Headers too large"),
    "internal": (500, "Internal error"),
    "unavailable": (503, "Database unavailable"),
}
# What clients should do about each kind, for the documentation page.
ADVICE = {
    "unreadable": "Send valid JSON in UTF-8. The detail says what is wrong with the body.",
    "key-missing": "Send the header Authorization: Bearer with your API key.",
    "key-refused": "Check the key: it is unknown, has expired or was revoked. Create a new one if needed.",
    "key-in-url": "Send the key in the Authorization header instead. Revoke the key that was in the URL.",
    "scope": "Use a key with the scope that the detail names.",
    "not-found": "Check the path and the ID in it.",
    "method": "The Allow header lists the methods of this URL.",
    "too-slow": "Send the request again. Each request must arrive within a few seconds.",
    "state": "Read the resource again. The detail says why the request isn't possible now.",
    "response-expired": "Don't send the request again: it has been processed. Read the resource to see the result.",
    "events-expired": "Request after=latest, load members, badges and awards again, and continue from that cursor.",
    "too-large": "Split the request. A body can have up to 1 MB.",
    "url-too-long": "Shorten the URL: the line with the method and the URL can have up to 8,190 bytes.",
    "media-type": "Send the body as JSON with the header Content-Type: application/json.",
    "invalid": "Fix everything listed in errors, and send the request again.",
    "key-reused": "Use a new key for each different request.",
    "too-many": "Wait for the number of seconds in the Retry-After header.",
    "headers-too-large": "Send fewer or shorter headers: each line can have up to 8,190 bytes.",
    "internal": "Nothing was changed. Try again; if it keeps failing, give the reference in the detail to the person "
    "who runs Laurel.",
    "unavailable": "Nothing was changed. Try again after the number of seconds in the Retry-After header.",
}


def text_of(kind: str, detail: str = "", errors: list[dict[str, str]] | None = None) -> str:
    """The JSON of a problem; `kind` is one of TITLES."""
    status, title = TITLES[kind]
    body: dict[str, Any] = {
        "type": f"/api/docs#problem-{kind}",
        "title": title,
        "status": status,
    }
    if detail:
        body["detail"] = detail
    if errors:
        body["errors"] = errors
    return json.dumps(body, ensure_ascii=False)
