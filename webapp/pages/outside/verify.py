"""The check of credentials (OB-3)."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue

from webapp.domain.credentials import verification
from webapp.domain.errors import DomainError
from webapp.pages.credentials import address
from webapp.pages.http.authorization import public
from webapp.pages.outside import blueprint


@blueprint.get("/verify")
@public
def check() -> ResponseReturnValue:
    return render_template("outside/verify.html", typed=request.args.get("url", "")[:500])


@blueprint.post("/verify")
@public
def verify() -> ResponseReturnValue:
    """Check what was pasted or uploaded. Stores nothing."""
    file = request.files.get("file")
    typed = request.form.get("credential", "")
    data = typed.encode("utf-8", "replace")
    if file:
        with file.stream:  # a large one is in a temporary file
            data = file.stream.read() if file.filename else data
    try:
        text = verification.read(data, address())
        result = verification.verify(text, address())
    except DomainError as refusal:
        page = render_template("outside/verify.html", typed=typed, errors=[refusal.message])
        return page, 422
    return render_template("outside/verify.html", typed=typed, result=result)
