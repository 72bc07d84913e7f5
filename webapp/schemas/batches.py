"""Batches, their members and their reports."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from webapp.domain.batches.from_api import FillResult
from webapp.domain.batches.from_api import report as batch_report
from webapp.domain.dates import moment
from webapp.domain.members.identify import MatchKind
from webapp.models import Batch, Entry
from webapp.schemas.common import (
    Index,
    InputModel,
    Key,
    MemberRef,
    MemberShort,
    NextCursor,
    OutputModel,
    PageParams,
    QuestShort,
    Text,
    Time,
)
from webapp.schemas.cursors import MOMENT_AND_ID

BatchWord = Literal["Draft", "Unpublished", "In Progress", "Published", "Partially published"]
EntryWord = Literal["Unpublished", "In Progress", "Published", "Error"]
Members = Annotated[
    list[MemberRef],
    Field(
        max_length=100_000,
        description="The members, up to four times as many as a batch can have. Members who aren't found are left "
        "out, and duplicates are merged.",
    ),
]


class BatchIn(InputModel):
    """A new draft."""

    name: Annotated[
        Text, Field(max_length=120, description="The batch's name. It needs one to be published.")
    ] = ""
    quest: Annotated[
        Key | None,
        Field(description="The ID of the quest to award. The batch needs one to be published."),
    ] = None
    members: Annotated[Members, Field(default_factory=list)]


class BatchMembersIn(InputModel):
    """Members to add to a batch."""

    members: Annotated[Members, Field(min_length=1)]


class BatchListParams(PageParams):
    """Filters for batches."""

    list_name = "batches"
    list_order = MOMENT_AND_ID

    status: Annotated[BatchWord | None, Field(description="Only batches with this status.")] = None


class EntryListParams(PageParams):
    """Filters for the members of a batch."""

    list_name = "entries"
    list_order = (int,)

    status: Annotated[
        EntryWord | None, Field(description="Only members with this status in the batch.")
    ] = None


class Counts(OutputModel):
    """How many members of a batch have each status."""

    published: Annotated[int, Field(description="Members who have the badge.", examples=[318])]
    error: Annotated[int, Field(description="Members who couldn't receive it.", examples=[2])]
    unpublished: Annotated[int, Field(description="Members not processed yet.", examples=[0])]
    already_held: Annotated[
        int,
        Field(description="How many of `published` already had the badge.", examples=[14]),
    ]


class BatchOut(OutputModel):
    """A batch."""

    id: Annotated[Key, Field(description="The batch's ID.", examples=["57"])]
    name: Annotated[
        str, Field(description="The batch's name.", examples=["Course completions, May"])
    ]
    quest: Annotated[QuestShort | None, Field(description="The quest to award, if chosen.")]
    status: Annotated[
        BatchWord,
        Field(
            description="`Draft`: never published. `Unpublished`: waiting to be processed. `In Progress`: being "
            "processed. `Published`: finished. `Partially published`: finished with errors.",
            examples=["Partially published"],
        ),
    ]
    processed: Annotated[
        int,
        Field(description="Members processed in the current or last run.", examples=[320]),
    ]
    total: Annotated[
        int, Field(description="Members to process in the current or last run.", examples=[320])
    ]
    percent: Annotated[
        int, Field(description="Progress of the current or last run.", examples=[100])
    ]
    users: Annotated[int, Field(description="How many members are in the batch.", examples=[320])]
    counts: Annotated[Counts, Field(description="How many members have each status.")]
    created_at: Annotated[Time, Field(description="When the draft was created.")]
    updated_at: Annotated[Time, Field(description="When the batch last changed.")]
    published_at: Annotated[
        Time | None, Field(description="When it was last published, if it was.")
    ]
    undone_at: Annotated[
        Time | None, Field(description="When it was undone, if it was.", examples=[None])
    ]

    @classmethod
    def of(cls, batch: Batch) -> BatchOut:
        return cls.model_construct(**_columns(batch))


class BatchPage(OutputModel):
    """A page of batches and drafts, newest first."""

    items: Annotated[list[BatchOut], Field(description="The batches on this page.")]
    next: NextCursor


_ROW_STATUS: dict[MatchKind, Literal["added", "merged", "already", "error"]] = {
    MatchKind.GOOD: "added",
    MatchKind.MERGED: "merged",
    MatchKind.ALREADY: "already",
    MatchKind.ERROR: "error",
}


class RowOut(OutputModel):
    """The result for one member."""

    index: Index
    status: Annotated[
        Literal["added", "merged", "already", "error"],
        Field(
            description="`merged`: the same member comes earlier in the request. `already`: the member was already "
            "in the batch. `error`: the member wasn't added.",
            examples=["error"],
        ),
    ]
    message: Annotated[
        str,
        Field(
            description="The result in words, as in the preview of a file.",
            examples=["User was not found."],
        ),
    ]
    note: Annotated[
        str,
        Field(
            description="Details, such as which member each of the given values belongs to.",
            examples=["No member has the ID 4822."],
        ),
    ]


class Report(OutputModel):
    """What happened to the members in the request."""

    added: Annotated[int, Field(description="Members added to the batch.", examples=[319])]
    merged: Annotated[int, Field(description="Duplicates in the request.", examples=[0])]
    already: Annotated[
        int, Field(description="Members who were already in the batch.", examples=[0])
    ]
    errors: Annotated[int, Field(description="Members who weren't added.", examples=[1])]
    rows: Annotated[
        list[RowOut], Field(description="The members that weren't simply added, in order.")
    ]


class BatchFilled(BatchOut):
    """A batch with a report about the members in the request."""

    report: Annotated[Report, Field(description="The result of adding the members.")]

    @classmethod
    def with_(cls, filled: FillResult) -> BatchFilled:
        counts = batch_report(filled.lines)
        rows = [
            RowOut.model_construct(
                index=line.line - 1,
                status=_ROW_STATUS[line.kind],
                message=str(line.message or ""),
                note=line.note,
            )
            for line in filled.lines
            if line.kind != MatchKind.GOOD
        ]
        report = Report.model_construct(
            added=filled.added,
            merged=counts["merged"],
            already=counts["already"],
            errors=counts["errors"],
            rows=rows,
        )
        return cls.model_construct(**_columns(filled.batch), report=report)


class EntryOut(OutputModel):
    """A member of a batch."""

    member: Annotated[MemberShort, Field(description="The member.")]
    status: Annotated[
        EntryWord,
        Field(description="The member's status in the batch.", examples=["Error"]),
    ]
    error: Annotated[
        str | None,
        Field(description="The reason for an error.", examples=["This member is suspended."]),
    ]
    note: Annotated[
        str, Field(description="Details of a success, such as `Already had it`.", examples=[""])
    ]
    decided_at: Annotated[
        Time | None, Field(description="When the member was processed, if they were.")
    ]

    @classmethod
    def of(cls, entry: Entry, batch: Batch) -> EntryOut:
        status = entry.status_in(batch)
        return cls.model_construct(
            member=MemberShort.of(entry.member),
            status=status,
            error=entry.reason if status == "Error" else None,
            note=entry.reason if status != "Error" else "",
            decided_at=moment(entry.decided_at),
        )


class EntryPage(OutputModel):
    """A page of the members of a batch, those added last first."""

    items: Annotated[list[EntryOut], Field(description="The members on this page.")]
    next: NextCursor


def _columns(batch: Batch) -> dict[str, Any]:
    return {
        "id": str(batch.id),
        "name": batch.name,
        "quest": QuestShort.of(batch.quest) if batch.quest else None,
        "status": batch.status_label,
        "processed": batch.run_processed,
        "total": batch.run_total,
        "percent": 0 if batch.draft else batch.percent,
        "users": batch.entry_count,
        "counts": Counts.model_construct(
            published=batch.published,
            error=batch.errors,
            unpublished=batch.undecided,
            already_held=batch.already_held,
        ),
        "created_at": moment(batch.created_at),
        "updated_at": moment(batch.updated_at),
        "published_at": moment(batch.published_at),
        "undone_at": moment(batch.undone_at),
    }
