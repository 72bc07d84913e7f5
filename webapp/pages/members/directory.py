"""The member directory: search, filters, CSV export, and batches from a selection."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import (
    current_app,
    flash,
    make_response,
    redirect,
    render_template,
    url_for,
)
from flask.typing import ResponseReturnValue
from htmx_flask import request
from werkzeug.wrappers import Response

from webapp.domain.badges import quests
from webapp.domain.batches import from_directory, listing
from webapp.domain.credentials import sharing
from webapp.domain.errors import ConflictError, DomainError
from webapp.domain.members import directory
from webapp.domain.members import export as member_export
from webapp.domain.members.filters import MemberFilters
from webapp.domain.permissions import Permission
from webapp.models.member import ASSIGNABLE_STATUSES
from webapp.pages.batches.drafts import HeadingForm
from webapp.pages.credentials import address
from webapp.pages.http.authorization import current_actor, permit
from webapp.pages.http.downloads import csv_file
from webapp.pages.http.list_query import QueryReader, require_readable
from webapp.pages.http.request_args import form_number
from webapp.pages.members import blueprint
from webapp.pages.members.query import LONGEST, MemberQuery, choices
from webapp.transaction import transaction

SUGGESTED = 8


@blueprint.get("")
@permit(Permission.VIEW)
def index() -> str | Response:
    query = current_query()
    if (
        not request.htmx
        and not query.warnings
        and not all(value for _, value in request.args.items(True))
    ):
        return redirect(query.url(after=query.after, before=query.before), 303)
    page = directory.page(query.filters, query.sort, query.after, query.before)
    counted = directory.count(query.filters) if query.counted and page.more else None
    shown = {
        "query": query,
        "page": page,
        "counted": counted,
        "most": from_directory.MOST,
        "number_of": from_directory.number_of,
        "too_many": from_directory.too_many,
    }
    if not request.htmx:
        return render_template(
            "members/index.html",
            choices=list(choices(query.tree)),
            statuses=ASSIGNABLE_STATUSES,
            **shown,
        )
    answer = make_response(render_template("members/_list.html", **shown))
    answer.headers["HX-Push-Url"] = query.url(after=query.after, before=query.before)
    return answer


@blueprint.get("/suggestions")
@permit(Permission.VIEW)
def suggestions() -> str | Response:
    """The first members that a search finds, as links to their profiles."""
    if not request.htmx:
        return redirect(url_for(".index", q=request.args.get("q")), 303)
    text = QueryReader(request.args).text("q", LONGEST)
    found, _ = directory.best(text, SUGGESTED) if text else ([], 0)
    return render_template("members/_suggestions.html", suggested=found)


@blueprint.get("/export.csv")
@permit(Permission.IMPORT_EXPORT_MEMBERS)
def export() -> Response:
    """Stream all members that match the query as a CSV file (D-2)."""
    return export_csv(readable_query().filters)


def export_csv(filters: MemberFilters) -> Response:
    urls = sharing.page_urls(address())
    rows = member_export.csv_file(filters, urls.of if urls else None)
    return csv_file(rows, f"members-{datetime.now(UTC):%Y-%m-%d}.csv")


@blueprint.post("/batch")
@permit(Permission.BATCH_UNLOCK)
def create_batch() -> Response:
    """Create a draft with all members that match; if too many for one batch, split them after confirmation (D-3)."""
    return create_draft(readable_query().filters)


@blueprint.get("/batches")
@permit(Permission.BATCH_UNLOCK)
def several_batches() -> ResponseReturnValue:
    query = readable_query()
    if from_directory.number_of(directory.count(query.filters), _limit()) <= 1:
        return redirect(query.url(), 303)
    return _several(query, HeadingForm(name="Members"))


@blueprint.post("/batches")
@permit(Permission.BATCH_UNLOCK)
def create_batches() -> ResponseReturnValue:
    query, form = readable_query(), HeadingForm.sent()
    try:
        with transaction():
            made = from_directory.create_several(
                query.filters, form.heading(), _limit(), current_actor(), form_number("members")
            )
            members = sum(batch.entry_count for batch in made)
    except ConflictError as conflict:
        form.conflict = conflict.message
        return _several(query, form, 409)
    except DomainError as refusal:
        form.refuse(refusal)
        return _several(query, form, 422)
    flash(f"{len(made):,} drafts created with {members:,} members.", "success")
    return redirect(url_for("batches.index", tab="drafts", name=form.name.strip()), 303)


def create_draft(filters: MemberFilters) -> Response:
    query = current_query()
    try:
        with transaction():
            batch_id = from_directory.create(filters, _limit(), current_actor()).id
    except from_directory.TooManyMembersError:
        return redirect(query.url("members.several_batches"), 303)
    except DomainError as refusal:
        flash(refusal.message, "error")
        return redirect(query.url(), 303)
    flash("Draft created with the members from your list. Add a name and a badge.", "success")
    return redirect(url_for("batches.edit", batch_id=batch_id), 303)


def _several(query: MemberQuery, form: HeadingForm, code: int = 200) -> ResponseReturnValue:
    members, limit = directory.count(query.filters), _limit()
    number = from_directory.number_of(members, limit)
    return (
        render_template(
            "members/batches.html",
            query=query,
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
    most: int = current_app.config["LAUREL"].batch_max_members
    return most


def current_query() -> MemberQuery:
    return MemberQuery.of(request.args, listing.tree())


def readable_query() -> MemberQuery:
    """The query of an action on all members of the list."""
    query = current_query()
    require_readable(query.warnings, "members.index")
    return query
