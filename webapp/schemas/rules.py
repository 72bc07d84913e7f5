"""Rules: how members earn quests."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field

from webapp.domain.rules import ConditionDraft, RuleDraft
from webapp.domain.rules.reach import Reach
from webapp.models import Rule
from webapp.models.rule import Condition, ConditionKind
from webapp.schemas.badges import SeenVersion, Version
from webapp.schemas.common import LEFT_OUT, InputModel, OutputModel, Text, number_of

Kind = Annotated[
    Literal["activity", "days", "quest"],
    Field(
        description="`activity`: an amount of an activity. `days`: a number of days as a member. `quest`: having "
        "another quest."
    ),
]
Match = Annotated[
    Literal["all", "any"],
    Field(description="Whether all conditions must be met, or any one of them."),
]


class ConditionIn(InputModel):
    """A condition of a rule."""

    type: Kind
    amount: Annotated[
        int,
        Field(
            ge=1,
            le=1_000_000_000,
            description="For `activity`, the amount; for `days`, the number of days, up to 36,500.",
        ),
    ] = LEFT_OUT
    activity: Annotated[
        Text,
        Field(max_length=60, description="For `activity`, its name, as in the events you send."),
    ] = LEFT_OUT
    quest: Annotated[
        Text, Field(max_length=40, description="For `quest`, the ID of the quest to have.")
    ] = LEFT_OUT

    def draft(self) -> ConditionDraft:
        required = number_of(self.quest) if self.type == "quest" else None
        return ConditionDraft(ConditionKind(self.type), self.amount, self.activity, required)


class RulePreviewIn(InputModel):
    """A rule that isn't saved."""

    match: Match
    conditions: Annotated[
        list[ConditionIn], Field(min_length=1, max_length=10, description="The conditions.")
    ]

    def draft(self) -> RuleDraft:
        drafts = tuple(condition.draft() for condition in self.conditions)
        return RuleDraft(drafts, self.match == "any")


class RuleIn(RulePreviewIn):
    """A rule to save."""

    version: SeenVersion = LEFT_OUT


class ConditionOut(OutputModel):
    """A condition of a rule."""

    type: Kind
    amount: Annotated[
        int | None,
        Field(description="The amount of the activity, or the number of days.", examples=[10]),
    ]
    activity: Annotated[
        str | None, Field(description="The activity's name.", examples=["accepted_answers"])
    ]
    quest: Annotated[str | None, Field(description="The quest's ID.", examples=[None])]

    @classmethod
    def of(cls, condition: Condition) -> Self:
        required = condition.required_id
        return cls.model_construct(
            type=str(ConditionKind(condition.kind)),
            amount=condition.amount or None,
            activity=condition.activity,
            quest=None if required is None else str(required),
        )


class RuleOut(OutputModel):
    """The rule of a quest."""

    match: Match
    conditions: Annotated[list[ConditionOut], Field(description="The conditions, in order.")]
    active: Annotated[
        bool,
        Field(
            description="Whether it awards the quest: its badge is `Automatic`, and neither is archived.",
            examples=[True],
        ),
    ]
    version: Version
    evaluating: Annotated[
        bool,
        Field(description="Whether existing members are being checked.", examples=[False]),
    ]
    percent: Annotated[
        int, Field(description="How much of that is done, from 0 to 100.", examples=[100])
    ]
    awarded: Annotated[
        int, Field(description="How many existing members received the quest.", examples=[1330])
    ]

    @classmethod
    def of(cls, rule: Rule) -> Self:
        return cls.model_construct(
            match="any" if rule.any_of else "all",
            conditions=[ConditionOut.of(condition) for condition in rule.conditions],
            active=rule.in_force,
            version=rule.version,
            evaluating=rule.evaluating,
            percent=rule.percent,
            awarded=rule.awarded,
        )


class RulePreview(OutputModel):
    """How many members meet a rule's conditions now."""

    would_receive: Annotated[
        int, Field(description="How many members would receive the quest.", examples=[42])
    ]
    already_held: Annotated[int, Field(description="How many already have it.", examples=[1330])]
    revoked: Annotated[
        int,
        Field(description="How many wouldn't receive it because it was revoked.", examples=[2]),
    ]
    inactive: Annotated[
        int,
        Field(description="How many wouldn't receive it because they aren't active.", examples=[7]),
    ]

    @classmethod
    def of(cls, reach: Reach) -> Self:
        return cls.model_construct(
            would_receive=reach.receive,
            already_held=reach.hold,
            revoked=reach.revoked,
            inactive=reach.inactive,
        )
