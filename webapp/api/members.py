"""Members: searching, reading, creating, updating and erasing them by the community's own ID."""

from __future__ import annotations

from datetime import datetime

from flask import current_app

from webapp.api.framework.operations import Call, Reply, operation
from webapp.api.framework.problems import FieldError, invalid
from webapp.api.known_filters import known_filters
from webapp.domain.actor import Actor
from webapp.domain.awards import queries as award_queries
from webapp.domain.credentials import sharing
from webapp.domain.erasure import erase
from webapp.domain.imports import columns as member_columns
from webapp.domain.imports import import_rows
from webapp.domain.imports.import_rows import ImportProgress
from webapp.domain.imports.plan import ImportRow, RowError
from webapp.domain.members import directory
from webapp.domain.members import queries as member_queries
from webapp.domain.members.filters import MemberFilters
from webapp.domain.permissions import Scope
from webapp.messages import join
from webapp.schemas.members import (
    MemberImport,
    MemberImported,
    MemberImports,
    MemberIn,
    MemberListParams,
    MemberOut,
    MemberPage,
    MembersImported,
    MemberWithAwards,
)

_FIELDS = {"joined_at": "joined"}  # with another name in the domain


@operation(
    "GET",
    "/members",
    Scope.MEMBERS_READ,
    tag="Members",
    summary="Search members",
    query=MemberListParams,
    responses={200: MemberPage},
    example={"query": {"q": "an", "limit": "10"}},
)
def search_members(call: Call) -> Reply:
    """Returns the members that the same search finds on the members page, in the same order.

    A username, email or ID that is exactly `q` comes first, then those that start with it, then names with words that
    start with the words of `q`, in any order and without regard to accents. Without `q`, returns all members, sorted by
    username.
    """
    params: MemberListParams = call.query
    with known_filters() as known:
        holds = known.quest("holds", params.holds)
    filters = MemberFilters(params.q, holds=() if holds is None else ((holds,),))
    page = directory.positions(filters, params.after, params.limit)
    items = [MemberOut.of(member) for member in page.items]
    following = params.cursor_to(page.after)
    return Reply(200, MemberPage.model_construct(items=items, next=following))


@operation(
    "GET",
    "/members/<member:member_id>",
    Scope.MEMBERS_READ,
    tag="Members",
    summary="Get a member",
    responses={200: MemberWithAwards},
    problems=(404,),
    example={"path": {"member_id": "4821"}},
)
def read_member(call: Call, member_id: str) -> Reply:
    """Returns a member with their active awards, or 404 if the member doesn't exist.

    A key that also has the scope `member-links:read` gets the link to the member's own page.
    """
    member = member_queries.by_external_id(member_id)
    awards = award_queries.active_awards([member.id])
    return Reply(200, MemberWithAwards.with_(member, awards, _page_url(call, member.id)))


def _page_url(call: Call, member_id: int) -> str | None:
    if call.actor.key is None or Scope.MEMBER_LINKS_READ not in call.actor.key.scopes:
        return None
    urls = sharing.page_urls(current_app.config["LAUREL"].address)
    return urls.of([member_id])[member_id] if urls else None


@operation(
    "PUT",
    "/members/<member:member_id>",
    Scope.MEMBERS_WRITE,
    tag="Members",
    summary="Create or update a member",
    body=MemberIn,
    responses={200: MemberOut, 201: MemberOut},
    example={
        "path": {"member_id": "4821"},
        "body": {
            "username": "anna",
            "email": "anna@example.org",
            "name": "Anna Novák",
            "status": "active",
            "joined_at": "2024-05-04T10:20:00Z",
        },
    },
)
def put_member(call: Call, member_id: str) -> Reply:
    """Creates a member with this ID (201), or updates the fields you send (200).

    Fields you leave out stay as they are; null removes the email or name. Sending the same request again changes
    nothing.

    Returns 422 if a value is invalid, if the username or email belongs to another member, or if a new member has no
    username. You can reuse the username of a member who has left.
    """
    body: MemberIn = call.body
    row = _incoming(1, member_id, body)._replace(external_id=member_id.strip())
    done = _take([row], call.actor, strict=True)
    if done.faults:
        raise invalid([_wrong(fault) for fault in done.faults[1]])
    member = member_queries.by_external_id(row.external_id)
    import_rows.record_saved(member, done, call.actor)
    return Reply(201 if done.created else 200, MemberOut.of(member))


@operation(
    "POST",
    "/member-imports",
    Scope.MEMBERS_WRITE,
    tag="Members",
    summary="Create or update many members",
    body=MemberImports,
    responses={200: MembersImported},
    example={
        "body": {
            "members": [
                {
                    "id": "4821",
                    "username": "anna",
                    "email": "anna@example.org",
                    "joined_at": "2024-05-04",
                },
                {"id": "4822", "username": "boris", "status": "left"},
            ]
        }
    },
)
def import_members(call: Call) -> Reply:
    """Creates or updates up to 1,000 members by ID and returns a result for each.

    A member who can't be imported gets the status `error` and doesn't affect the others. If only the email, name,
    date or status is invalid, the member is imported without it, with a warning. All members are checked together,
    so they can swap usernames.

    No one is deleted. Fields you leave out stay as they are; null removes the email or name. Sending the same request
    again changes nothing.
    """
    body: MemberImports = call.body
    rows = [_incoming(line, member.id, member) for line, member in enumerate(body.members, start=1)]
    done = _import(rows, call.actor)
    problems, outcomes = dict(done.problems), done.outcomes or {}
    warnings = {
        line: [str(fault.message) for fault in faults] for line, faults in done.warnings.items()
    }
    results = [
        MemberImported.model_construct(
            index=line - 1,
            id=member.id,
            status=outcomes.get(line, "error"),
            error=join(problems.get(line, ())) or None,
            warnings=warnings.get(line, []),
        )
        for line, member in enumerate(body.members, start=1)
    ]
    answer = MembersImported.model_construct(
        created=done.created,
        updated=done.updated,
        unchanged=done.unchanged,
        errors=done.bad,
        results=results,
    )
    return Reply(200, answer)


@operation(
    "DELETE",
    "/members/<member:member_id>",
    Scope.MEMBERS_ERASE,
    tag="Members",
    summary="Erase a member",
    responses={204: None},
    problems=(404,),
    example={"path": {"member_id": "4823"}},
)
def erase_member(call: Call, member_id: str) -> Reply:
    """Erases a member permanently: their ID, username, email, name, activity and the reasons of their awards.

    Their awards still count in totals, without saying whose they were. If you later send a member with the same ID, a
    new member is created.

    Returns 404 if no member has this ID, also if you've already erased them. So after a lost response, 404 means that
    nothing is left to erase.
    """
    erase.erase(member_queries.by_external_id(member_id).id, call.actor)
    return Reply(204)


def _wrong(fault: RowError) -> FieldError:
    if fault.field == "external_id":
        return FieldError(str(fault.message), parameter="member_id")
    field = "joined_at" if fault.field == "joined" else fault.field
    return FieldError(str(fault.message), pointer=f"#/{field}")


def _take(rows: list[ImportRow], actor: Actor, *, strict: bool = False) -> ImportProgress:
    done = import_rows.import_rows(rows, actor, ImportProgress(outcomes={}, strict=strict))
    return import_rows.import_postponed(actor, done)


def _import(rows: list[ImportRow], actor: Actor) -> ImportProgress:
    done = _take(rows, actor)
    if done.created or done.updated:
        import_rows.record_import(done, actor)
    return done


def _incoming(line: int, external_id: str, member: MemberIn | MemberImport) -> ImportRow:
    fields: dict[str, str | None] = {
        _FIELDS.get(name, name): value.isoformat() if isinstance(value, datetime) else value
        for name, value in member.model_dump(exclude_unset=True, exclude={"id"}).items()
    }
    if fields.get("name") == "":  # as the API itself writes it
        fields["name"] = None
    return member_columns.row_from_fields(line, external_id, **fields)
