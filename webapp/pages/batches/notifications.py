"""Tell a person on any page when a batch that they started is done.

The cookie lists those batches, so that pages cost no query and only this browser polls.
"""

from __future__ import annotations

from flask import redirect, render_template, session, url_for
from htmx_flask import request
from werkzeug.wrappers import Response

from webapp.domain.batches import listing
from webapp.domain.permissions import Permission
from webapp.models import Batch
from webapp.pages.batches import blueprint
from webapp.pages.http.authorization import permit

KEY = "awaited_batches"
MOST = 20  # so that the cookie stays small


def await_end(batch: Batch) -> None:
    """Tell this browser's person when the running batch is done."""
    if batch.running:
        session[KEY] = [*(one for one in session.get(KEY, ()) if one != batch.id), batch.id][-MOST:]


def forget(batch_id: int) -> None:
    """The person has seen that the batch is done."""
    if batch_id in session.get(KEY, ()):
        session[KEY] = [one for one in session[KEY] if one != batch_id]


@blueprint.get("/done")
@permit(Permission.VIEW)
def done() -> str | Response:
    """A message for each awaited batch that is done, once. Polls while others are running."""
    if not request.htmx:
        return redirect(url_for(".index"), 303)
    found = listing.by_id(session.get(KEY, []))
    ended = [batch for batch in found.values() if not batch.running]
    running = [batch.id for batch in found.values() if batch.running]
    if running != session.get(KEY, []):
        session[KEY] = running
    return render_template("batches/_done.html", ended=ended)
