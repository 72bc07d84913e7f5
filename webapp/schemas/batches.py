"""Batches, their members and their reports."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from webapp.domain.batches.from_api import Filled
from webapp.domain.batches.from_api import report as batch_report
from webapp.domain.members.identify import LineKind
from webapp.models import Batch, Entry
from webapp.schemas.common import (
    InputModel,
    Key,
    MemberRef,
    MemberShort,
    OutputModel,
    PageParams,
    QuestShort,
    Text,
    Time,
    moment,
)
from webapp.schemas.cursors import MOMENT_AND_ID

BatchWord = Literal["Draft", "Unpublished", "In Progress", "Published", "Partially published"]
EntryWord = Literal["Unpublished", "In Progress", "Published", "Error"]
Members = Annotated[
    list[MemberRef],
    Field(max_length=100_000, description="Up to four times as many as a batch may have."),
]


class BatchIn(InputModel):
    """A draft: name and quest may come later, and are needed at its publication."""

    name: Annotated[Text, Field(max_length=120)] = ""
    quest: Key | None = None
    members: Annotated[Members, Field(default_factory=list)]


class BatchMembersIn(InputModel):
    """Members to add."""

    members: Annotated[Members, Field(min_length=1)]


class BatchListParams(PageParams):
    """Which batches."""

    list_name = "batches"
    list_order = MOMENT_AND_ID

    status: BatchWord | None = None


class EntryListParams(PageParams):
    """Which members of a batch."""

    list_name = "entries"
    list_order = (int,)

    status: EntryWord | None = None


class Counts(OutputModel):
    """How many members of a batch came to what."""

    published: int
    error: int
    unpublished: int
    already_held: Annotated[int, Field(description="Of those published, who held it before.")]


class BatchOut(OutputModel):
    """A batch; `processed`, `total` and `percent` are of the run that goes on, or of the last one."""

    id: Key
    name: str
    quest: QuestShort | None
    status: BatchWord
    processed: int
    total: int
    percent: int
    users: Annotated[int, Field(description="How many members are in it.")]
    counts: Counts
    created_at: Time
    updated_at: Time
    published_at: Time | None
    undone_at: Time | None

    @classmethod
    def of(cls, batch: Batch) -> BatchOut:
        return cls.model_construct(**_columns(batch))


class BatchPage(OutputModel):
    """Some of the batches and drafts, newest first."""

    items: list[BatchOut]
    next: str | None


_ROW_STATUS: dict[LineKind, Literal["added", "merged", "already", "error"]] = {
    LineKind.GOOD: "added",
    LineKind.MERGED: "merged",
    LineKind.ALREADY: "already",
    LineKind.ERROR: "error",
}


class RowOut(OutputModel):
    """What became of one of the members that were named."""

    index: Annotated[int, Field(description="Its place in the request, from 0.")]
    status: Literal["added", "merged", "already", "error"]
    message: Annotated[str, Field(description="As the preview of a file has it; empty if added.")]
    note: Annotated[str, Field(description="Which of the fields is whom.")]


class Report(OutputModel):
    """What became of the members that were named; `rows` are those that were not simply added."""

    added: int
    merged: int
    already: Annotated[int, Field(description="In the batch before.")]
    errors: int
    rows: list[RowOut]


class BatchFilled(BatchOut):
    """A batch, with the report on the members that were named."""

    report: Report

    @classmethod
    def with_(cls, filled: Filled) -> BatchFilled:
        counts = batch_report(filled.lines)
        rows = [
            RowOut.model_construct(
                index=line.line - 1,
                status=_ROW_STATUS[line.kind],
                message=str(line.message or ""),
                note=line.note,
            )
            for line in filled.lines
            if line.kind != LineKind.GOOD
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
    """A member in a batch."""

    member: MemberShort
    status: EntryWord
    error: Annotated[str | None, Field(description="Why it is an error.")]
    note: Annotated[str, Field(description="More on a success, such as `already held`.")]
    decided_at: Time | None

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
    """Some of a batch's members, newest first."""

    items: list[EntryOut]
    next: str | None


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
