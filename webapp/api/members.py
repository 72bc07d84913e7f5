"""Members: searching, reading, creating and updating them by the community's own ID."""

from __future__ import annotations

from datetime import datetime

from webapp.api.framework.operations import Call, Reply, operation
from webapp.api.framework.problems import FieldError, invalid
from webapp.domain.actor import Actor
from webapp.domain.awards import queries as award_queries
from webapp.domain.imports import columns as member_columns
from webapp.domain.imports import import_rows
from webapp.domain.imports.import_rows import ImportProgress
from webapp.domain.imports.plan import ImportRow, RowError
from webapp.domain.members import queries as member_queries
from webapp.domain.permissions import Scope
from webapp.messages import join
from webapp.schemas.common import number_of
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
    """Returns members whose username, email or ID starts with `q`, in this order.

    Without `q`, returns all members, sorted by username.
    """
    params: MemberListParams = call.query
    page = member_queries.page(params.q, number_of(params.holds), params.after, params.limit)
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
def read_member(_call: Call, member_id: str) -> Reply:
    """Returns a member with their active awards, or 404 if the member doesn't exist."""
    member = member_queries.by_external_id(member_id)
    return Reply(200, MemberWithAwards.with_(member, award_queries.active_awards([member.id])))


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

    Fields you leave out stay as they are. Sending the same request again changes nothing.

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

    No one is deleted, and fields you leave out stay as they are. Sending the same request again changes nothing.
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
    joined = member.joined_at
    return member_columns.row_from_fields(
        line,
        external_id,
        username=member.username or "",
        email=member.email or "",
        name=member.name or "",
        joined=joined.isoformat() if isinstance(joined, datetime) else joined or "",
        status=member.status or "",
    )
