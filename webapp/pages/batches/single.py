"""`Single`: add one member, with usernames suggested while typing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from flask import current_app, flash, make_response, redirect, render_template, url_for
from htmx_flask import request
from werkzeug.wrappers import Response

from webapp.domain.batches import add_member, drafts
from webapp.domain.batches.add_member import By
from webapp.domain.errors import ConflictError, DomainError
from webapp.domain.members import autocomplete
from webapp.domain.permissions import Permission
from webapp.models import Batch, Member
from webapp.pages.batches import blueprint, members
from webapp.pages.batches.drafts import Answer, HeadingForm, page
from webapp.pages.http.authorization import current_actor, permit
from webapp.pages.http.form import Form
from webapp.transaction import transaction


@dataclass(kw_only=True)
class SingleForm(Form):
    by: By = By.USERNAME
    member: str = ""

    @classmethod
    def sent(cls) -> Self:
        form = super().sent()
        form.by = By.ID if request.form.get("by") == By.ID else By.USERNAME
        return form


@blueprint.get("/usernames")
@permit(Permission.BATCH_UNLOCK)
def usernames() -> Answer:
    """The first members whose username starts with the text; none while an ID is being typed."""
    if not request.htmx:
        return redirect(url_for(".new"), 303)
    typed = request.args.get("member", "") if request.args.get("by") != By.ID else ""
    return render_template("batches/_usernames.html", suggested=autocomplete.usernames(typed))


@blueprint.post("/<int:batch_id>/members")
@permit(Permission.BATCH_UNLOCK)
def add_single(batch_id: int) -> Answer:
    """Add a member. Without htmx, also save the form above, because the page is reloaded."""
    form, heading, actor = SingleForm.sent(), HeadingForm.sent(), current_actor()
    saves = "name" in request.form and not request.htmx
    try:
        with transaction():
            if saves:
                drafts.save(batch_id, heading.heading(), actor, heading.version)
            member = add_member.add(batch_id, form.by, form.member, _limit(), actor)
            message = _added_message(member)
    except DomainError as refusal:
        return _render_errors(drafts.get(batch_id), form, heading if saves else None, refusal)
    batch = drafts.get(batch_id)
    if not request.htmx:
        return _onward(batch_id, message)
    if batch.published_at and batch.undecided == 1:  # its page now has a `Publish` button
        flash(message, "success")
        address = url_for(".edit", batch_id=batch_id, upload_type="single")
        return Response(headers={"HX-Redirect": address})
    return render_template(
        "batches/_single_added.html",
        batch=batch,
        single=SingleForm(by=form.by),
        added=message,
        **members.shown(batch),
    )


@blueprint.post("/members")
@permit(Permission.BATCH_UNLOCK)
def add_single_to_new() -> Answer:
    """Create the draft with the name and badge entered so far, and add the member. On error, create nothing."""
    form, heading, actor = SingleForm.sent(), HeadingForm.sent(), current_actor()
    try:
        with transaction():
            batch_id = drafts.create(heading.heading(), actor).id
            message = _added_message(
                add_member.add(batch_id, form.by, form.member, _limit(), actor)
            )
    except DomainError as refusal:
        return _render_errors(None, form, heading, refusal)
    return _onward(batch_id, message)


def _added_message(member: Member) -> str:
    message = f"{member.username} added."
    if member.cannot_receive:
        message += f" {member.cannot_receive}"
    return message


def _onward(batch_id: int, message: str) -> Response:
    flash(message, "success")
    return redirect(url_for(".edit", batch_id=batch_id, upload_type="single"), 303)


def _render_errors(
    batch: Batch | None, form: SingleForm, heading: HeadingForm | None, refusal: DomainError
) -> Answer:
    """Show the reason below the field, or next to the name or badge if those are invalid."""
    if heading is not None and batch and isinstance(refusal, ConflictError):
        heading.show_conflict(refusal, batch.version)
    elif heading is not None and refusal.field in ("name", "quest"):
        heading.refuse(refusal)
    else:
        form.errors["member"] = [refusal.message]
    if batch and request.htmx:
        return make_response(render_template("batches/_single.html", batch=batch, single=form), 422)
    return page(batch, heading, 422, single=form)


def _limit() -> int:
    return current_app.config["LAUREL"].batch_max_members
