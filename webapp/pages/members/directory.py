"""The directory of members: searched and filtered, as a file, and as a batch."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from flask import (
    current_app,
    flash,
    make_response,
    redirect,
    render_template,
    stream_with_context,
    url_for,
)
from flask.typing import ResponseReturnValue
from htmx_flask import request
from werkzeug.wrappers import Response

from webapp.domain.badges import quests
from webapp.domain.batches import from_directory, listing
from webapp.domain.csv_files import writer
from webapp.domain.errors import ConflictError, DomainError
from webapp.domain.members import directory
from webapp.domain.members import export as member_export
from webapp.domain.members.filters import MemberFilters
from webapp.domain.permissions import Permission
from webapp.models.member import ASSIGNABLE_STATUSES
from webapp.pages.batches.drafts import HeadingForm
from webapp.pages.http.authorization import current_actor, permit
from webapp.pages.http.request_args import form_number
from webapp.pages.members import blueprint
from webapp.pages.members.query import MemberQuery, choices
from webapp.transaction import transaction


@blueprint.get("")
@permit(Permission.VIEW)
def index() -> str | Response:
    """Members as the address asks (D-1); for htmx the list alone. A form's address is made short."""
    asked = _asked()
    if (
        not request.htmx
        and not asked.warnings
        and not all(value for _, value in request.args.items(True))
    ):
        return redirect(asked.url(after=asked.after, before=asked.before), 303)
    found = directory.page(asked.filters, asked.sort, asked.after, asked.before)
    counted = directory.count(asked.filters) if asked.counted and found.more else None
    shown = {
        "asked": asked,
        "found": found,
        "counted": counted,
        "most": from_directory.MOST,
        "number_of": from_directory.number_of,
        "too_many": from_directory.too_many,
    }
    if not request.htmx:
        return render_template(
            "members/index.html",
            choices=list(choices(asked.tree)),
            statuses=ASSIGNABLE_STATUSES,
            **shown,
        )
    answer = make_response(render_template("members/_list.html", **shown))
    answer.headers["HX-Push-Url"] = asked.url(after=asked.after, before=asked.before)
    return answer


@blueprint.get("/export.csv")
@permit(Permission.IMPORT_EXPORT_MEMBERS)
def export() -> Response:
    """All that the address asks for as a CSV file, sent while it is read (D-2)."""
    name = f"members-{datetime.now(UTC):%Y-%m-%d}.csv"
    return Response(
        stream_with_context(_file(_asked().filters)),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@blueprint.post("/batch")
@permit(Permission.BATCH_UNLOCK)
def create_batch() -> Response:
    """Opens a draft with all that the address asks for; too many for one are divided once that is confirmed (D-3)."""
    asked = _asked()
    try:
        with transaction():
            batch_id = from_directory.create(asked.filters, _limit(), current_actor()).id
    except from_directory.TooManyMembersError:
        return redirect(asked.url("members.several_batches"), 303)
    except DomainError as refusal:
        flash(refusal.message, "error")
        return redirect(asked.url(), 303)
    flash("This draft has the members of your list. Give it a name and a badge.", "success")
    return redirect(url_for("batches.edit", batch_id=batch_id), 303)


@blueprint.get("/batches")
@permit(Permission.BATCH_UNLOCK)
def several_batches() -> ResponseReturnValue:
    """Asks for a name, and says into how many batches the members are divided (D-3)."""
    asked = _asked()
    if from_directory.number_of(directory.count(asked.filters), _limit()) <= 1:
        return redirect(asked.url(), 303)
    return _several(asked, HeadingForm(name="Members"))


@blueprint.post("/batches")
@permit(Permission.BATCH_UNLOCK)
def create_batches() -> ResponseReturnValue:
    """Divides the members into drafts, and leads to the list of these."""
    asked, form = _asked(), HeadingForm.sent()
    try:
        with transaction():
            made = from_directory.create_several(
                asked.filters, form.heading(), _limit(), current_actor(), form_number("members")
            )
            members = sum(batch.entry_count for batch in made)
    except ConflictError as conflict:
        form.conflict = conflict.message
        return _several(asked, form, 409)
    except DomainError as refusal:
        form.refuse(refusal)
        return _several(asked, form, 422)
    flash(f"{len(made):,} drafts created with {members:,} members.", "success")
    return redirect(url_for("batches.index", tab="drafts", name=form.name.strip()), 303)


def _several(asked: MemberQuery, form: HeadingForm, code: int = 200) -> ResponseReturnValue:
    members, limit = directory.count(asked.filters), _limit()
    number = from_directory.number_of(members, limit)
    return (
        render_template(
            "members/batches.html",
            asked=asked,
            form=form,
            badges=quests.choices(form.quest_id),
            members=members,
            limit=limit,
            number=number,
            last=members - (number - 1) * limit,
            refusal=from_directory.too_many(limit).message if number > from_directory.MOST else "",
        ),
        code,
    )


def _limit() -> int:
    """How many members a batch can have."""
    most: int = current_app.config["LAUREL"].batch_max_members
    return most


def _asked() -> MemberQuery:
    return MemberQuery.of(request.args, listing.tree())


def _file(filters: MemberFilters) -> Iterator[bytes]:
    yield writer.write_csv([member_export.HEADER])
    for rows in member_export.rows(filters):
        yield writer.write_csv(rows, encoding="utf-8")
