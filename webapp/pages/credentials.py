"""What verifiers of credentials read: the issuer's keys and the status lists (OB-1)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, abort, current_app, json

from webapp.domain.credentials import issuer, sharing, status_lists
from webapp.pages.http.authorization import public

blueprint = Blueprint("credentials", __name__)

LIST_MAX_AGE = 60  # seconds in which a revocation may be unseen


@blueprint.get("/.well-known/did.json")
@public
def did_document() -> Response:
    document = issuer.did_document(address())
    if document is None:
        abort(404)
    return json_document(document, "application/did+json", max_age=LIST_MAX_AGE)


@blueprint.get("/credentials/status/<int:number>")
@public
def status_list(number: int) -> Response:
    document = status_lists.document(number, address(), datetime.now(UTC))
    return json_document(document, "application/vc+ld+json", max_age=LIST_MAX_AGE)


@blueprint.get("/credentials/<credential_token>")
@public
def credential(credential_token: str) -> Response:
    """The credential of a shared badge; private ones have no page."""
    text = sharing.credential_at(f"credentials/{credential_token}")
    return json_document(text, "application/vc+ld+json")


def address() -> str:
    return str(current_app.config["LAUREL"].address)


def json_document(document: dict[str, Any] | str, mimetype: str, max_age: int = 0) -> Response:
    """Respond with a document that verifiers on other sites may read."""
    text = document if isinstance(document, str) else json.dumps(document)
    kept = f"public, max-age={max_age}" if max_age else "no-store"
    headers = {
        "Cache-Control": kept,
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    return Response(text, mimetype=mimetype, headers=headers)
