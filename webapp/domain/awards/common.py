"""Inserting awards, and the checks that awarding to one member and to a group share."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from webapp.database import LARGEST_ID, db, upsert
from webapp.database.arrays import in_array
from webapp.domain import labels
from webapp.domain.actor import Actor
from webapp.domain.badges import quests as badge_quests
from webapp.domain.errors import DomainError, ErrorCollector
from webapp.domain.rules import candidates
from webapp.domain.rules.locking import lock_shared
from webapp.models import Award, AwardSource, Quest

REASON_LENGTH = 500


def validate_reason(reason: str) -> str:
    """The reason without blanks around it; DomainError where it is too long or can't be kept."""
    reason = reason.strip()
    labels.validate_text(reason, "reason", REASON_LENGTH, "reason")
    return reason


def validate(quest_id: int | None, reason: str) -> tuple[Quest, str]:
    """What to award and why, as `quest_to_award` and `validate_reason` return them; both errors at once."""
    refusals = ErrorCollector()
    with refusals:
        quest = quest_to_award(quest_id)
    with refusals:
        reason = validate_reason(reason)
    refusals.raise_if_any()
    return quest, reason


def quest_to_award(quest_id: int | None) -> Quest:
    """The quest; DomainError where none is chosen or it can't be awarded."""
    if quest_id is None:
        raise DomainError("Choose a badge.", "quest")
    return badge_quests.open_quest(min(quest_id, LARGEST_ID))


def effective_time(member_ids: list[int], quest_id: int, actor: Actor) -> datetime:
    """When an act counts as done: never before what was done to these awards already, whoever's clock is slow."""
    last = select(
        func.max(Award.awarded_at), func.max(Award.revoked_at), func.max(Award.restored_at)
    ).where(in_array(Award.member_id, member_ids), Award.quest_id == quest_id)
    return max([actor.at, *(at for at in db.session.execute(last).one() if at is not None)])


def insert_awards(
    member_ids: list[int],
    quest_id: int,
    reason: str,
    source: AwardSource,
    at: datetime,
    actor: Actor,
) -> dict[int, int]:
    """Inserts an award for each of the members who lacks the quest, in one statement; ids of the new ones by member.

    For the rules that ask for the quest, who has it now is noted.
    """
    lock_shared()
    rows = [
        {
            "member_id": member_id,
            "quest_id": quest_id,
            "source": source,
            "awarded_at": at,
            "awarded_by": actor.staff_id,
            "awarded_key": actor.key_id,
            "reason": reason,
        }
        for member_id in sorted(member_ids)
    ]
    lacking = upsert(Award).on_conflict_do_nothing(
        index_elements=[Award.member_id, Award.quest_id], index_where=Award.revoked_at.is_(None)
    )
    # Rows beside the statement, not in it: so its SQL is made once, whatever their number.
    inserted = db.session.connection().execute(lacking.returning(Award.member_id, Award.id), rows)
    made: dict[int, int] = dict(inserted.all())
    if made:
        candidates.note_awarded([(quest_id, member_id) for member_id in made], at)
    return made
