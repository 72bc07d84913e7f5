"""A batch's own page: made, named, saved, deleted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flask import flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from webapp.domain import batches, runs, uploads
from webapp.domain.batches import Heading
from webapp.domain.permissions import Permission
from webapp.domain.refusals import Refused
from webapp.models import Batch
from webapp.pages.access import acting, may, permit
from webapp.pages.batches import blueprint, by_htmx, members
from webapp.transaction import transaction

NO_SUCH_QUEST = -1
Answer = str | Response | tuple[str, int]


@dataclass
class HeadingForm:
    """What stands in the form `Connect Badge and Users`, as typed, and what is wrong with it."""

    name: str = ""
    quest_id: int | None = None
    errors: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, batch: Batch) -> HeadingForm:
        """The form as it shows what is saved."""
        return cls(batch.name, batch.quest_id)

    @classmethod
    def sent(cls) -> HeadingForm:
        """The form as it was sent."""
        quest = request.form.get("quest", "")
        known = quest.isascii() and quest.isdigit() and len(quest) < 16
        quest_id = int(quest) if known else NO_SUCH_QUEST if quest else None
        return cls(request.form.get("name", ""), quest_id)

    @property
    def shown_name(self) -> str:
        """The name as the page can hold it."""
        return self.name.replace("\x00", "\N{REPLACEMENT CHARACTER}")

    def heading(self) -> Heading:
        """What the domain is asked to keep."""
        return Heading(self.name, self.quest_id)

    def refuse(self, refusal: Refused) -> None:
        """Puts the reason beside its field, or above the form."""
        self.errors[refusal.field or ""] = [refusal.message]


def page(batch: Batch | None, form: HeadingForm | None = None, code: int = 200, **more: Any) -> Any:
    """The page of a batch, or of one that is not made yet; `window` among `more` is a window that is open over it."""
    form = form or (HeadingForm.of(batch) if batch else HeadingForm())
    if batch:
        more = {"pending": uploads.pending(batch.id), **members.shown(batch), **more}
    if may(Permission.BATCH_UNLOCK) and (batch is None or batch.published_at is None):
        more["badges"] = batches.choices(form.quest_id)
    return render_template("batches/batch.html", batch=batch, form=form, **more), code


@blueprint.get("/new")
@permit(Permission.BATCH_UNLOCK)
def new() -> Answer:
    """An empty form; nothing is written before it is sent."""
    return page(None)


@blueprint.post("")
@permit(Permission.BATCH_UNLOCK)
def create() -> Answer:
    """Makes the draft, and goes on to where the pressed button leads."""
    form, act = HeadingForm.sent(), acting()
    publishes = request.form.get("then") == "publish"
    try:
        with transaction():
            batch = batches.create(form.heading(), act)
            if publishes:
                runs.publish(batch.id, act)
            batch_id = batch.id
    except Refused as refusal:
        form.refuse(refusal)
        return page(None, form, 422)
    return _onward(batch_id, published=publishes)


@blueprint.get("/<int:batch_id>")
@permit(Permission.SEE)
def edit(batch_id: int) -> Answer:
    """The batch with its members; for htmx, the members alone."""
    batch = batches.get(batch_id)
    return members.fragment(batch) if by_htmx() else page(batch)


@blueprint.post("/<int:batch_id>")
@permit(Permission.BATCH_UNLOCK)
def save(batch_id: int) -> Answer:
    """Saves name and badge, and goes on to where the pressed button leads."""
    form = HeadingForm.sent()
    try:
        with transaction():
            batches.save(batch_id, form.heading(), acting())
    except Refused as refusal:
        form.refuse(refusal)
        return _refused(batches.get(batch_id), form)
    return _onward(batch_id)


def _refused(batch: Batch, form: HeadingForm) -> Answer:
    """The form with its reasons; htmx wanted a window, and is told to put the form in its own place instead."""
    if not by_htmx():
        return page(batch, form, 422)
    shown = {"badges": [] if batch.published_at else batches.choices(form.quest_id)}
    answer = make_response(
        render_template("batches/_heading.html", batch=batch, form=form, **shown), 422
    )
    answer.headers |= {"HX-Retarget": "#heading", "HX-Reswap": "outerHTML", "HX-Push-Url": "false"}
    return answer


def _onward(batch_id: int, published: bool = False) -> Response:
    if published:
        flash(published_sentence(batches.get(batch_id)), "success")
        return redirect(url_for(".index"), 303)
    if request.form.get("then") == "upload":
        return redirect(url_for(".upload_window", batch_id=batch_id), 303)
    flash("Saved.", "success")
    return redirect(url_for(".edit", batch_id=batch_id), 303)


def published_sentence(batch: Batch) -> str:
    """What is said when a batch was handed to the workers."""
    if not batch.users:
        return f"“{batch.name}” is published. It has no members."
    noun = "member is" if batch.run_total == 1 else "members are"
    return f"“{batch.name}” is published: {batch.run_total:,} {noun} being unlocked."


@blueprint.get("/<int:batch_id>/deletion")
@permit(Permission.BATCH_UNLOCK)
def deletion_window(batch_id: int) -> Answer:
    """Asks before a draft is deleted."""
    batch = batches.get(batch_id)
    if by_htmx():
        return render_template("batches/_deletion.html", batch=batch)
    return page(batch, window="deletion")


@blueprint.post("/<int:batch_id>/deletion")
@permit(Permission.BATCH_UNLOCK)
def delete(batch_id: int) -> Answer:
    """Deletes a draft; a published batch stays, and the page says why."""
    try:
        with transaction():
            name = batches.delete_draft(batch_id, acting())
    except Refused as refusal:
        flash(refusal.message, "error")
        return redirect(url_for(".edit", batch_id=batch_id), 303)
    flash(f"“{name}” was deleted." if name else "The draft was deleted.", "success")
    return redirect(url_for(".index", tab="drafts"), 303)
