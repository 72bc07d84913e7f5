"""Badges and batches of the demo community."""

from __future__ import annotations

from typing import NamedTuple

from webapp.messages import rules


class QuestPlan(NamedTuple):
    name: str
    awards: int = 0
    sources: tuple[tuple[str, int], ...] = (("rule", 97), ("profile", 2), ("api", 1))
    rule: tuple[str, int] | None = None  # an activity or DAYS, and the amount


class BadgePlan(NamedTuple):
    name: str
    description: str
    automatic: bool
    art: tuple[str, str, str]  # shape, color, icon
    quests: tuple[QuestPlan, ...]
    archived: bool = False


class BatchPlan(NamedTuple):
    """A batch for a quest. If `sound`, it has only active members who lack the quest, and so no errors."""

    name: str
    quest: str
    size: int
    days_ago: float
    sound: bool = True
    again: int = 0  # members in it who already hold the quest
    draft: bool = False


BY_HAND = (("profile", 70), ("group", 25), ("api", 5))

DAYS = "days"
WELCOME = "Introduced themselves"
ANNIVERSARIES = {"One year": 1, "Three years": 3, "Five years": 5}

BADGES = (
    BadgePlan(
        "First steps",
        "Said hello and wrote a first post. Everyone starts here.",
        True,
        ("circle", "green", "footprints"),
        (QuestPlan(WELCOME, rule=("introductions", 1)),),
    ),
    BadgePlan(
        "Helper",
        "Answers questions so well that the people who asked say so.",
        True,
        ("shield", "blue", "life-buoy"),
        (
            QuestPlan("10 accepted answers", 1_120, rule=("accepted_answers", 10)),
            QuestPlan("50 accepted answers", 265, rule=("accepted_answers", 50)),
            QuestPlan("200 accepted answers", 38, rule=("accepted_answers", 200)),
        ),
    ),
    BadgePlan(
        "Well read",
        "Reads a lot, and always before posting.",
        True,
        ("hexagon", "violet", "book-open"),
        (
            QuestPlan("Read 100 topics", 1_740, rule=("topics_read", 100)),
            QuestPlan("Read 1,000 topics", 210, rule=("topics_read", 1_000)),
        ),
    ),
    BadgePlan(
        "Conversation starter",
        "Started a topic that others couldn't resist.",
        True,
        ("rosette", "orange", "messages-square"),
        (
            QuestPlan("Drew 25 replies", 880, rule=("replies_received", 25)),
            QuestPlan("Drew 100 replies", 96, rule=("replies_received", 100)),
        ),
    ),
    BadgePlan(
        "Anniversary",
        "Still here, year after year. Thank you for staying.",
        True,
        ("rosette", "gold", "cake"),
        tuple(QuestPlan(name, rule=(DAYS, 365 * years)) for name, years in ANNIVERSARIES.items()),
    ),
    BadgePlan(
        "Bug hunter",
        "Found what was broken and described it so it could be fixed.",
        False,
        ("hexagon", "red", "bug"),
        (
            QuestPlan("Reported a confirmed bug", 310, (("profile", 55), ("api", 45))),
            QuestPlan("Reported a security issue", 14, (("profile", 1),)),
        ),
    ),
    BadgePlan(
        "Translator",
        "Makes the community readable in one more language.",
        False,
        ("circle", "teal", "languages"),
        (
            QuestPlan("Translated 100 phrases", 190, (("api", 80), ("profile", 20))),
            QuestPlan("Completed a language", 11, (("profile", 1),)),
        ),
    ),
    BadgePlan(
        "Meetup regular",
        "Leaves the keyboard to meet other members in person.",
        False,
        ("star", "amber", "map-pin"),
        (
            QuestPlan("Attended a meetup", 170, (("group", 85), ("profile", 15))),
            QuestPlan("Spoke at a meetup", 36, BY_HAND),
            QuestPlan("Organised a meetup", 12, BY_HAND),
        ),
    ),
    BadgePlan(
        "Beta tester",
        "Tried a release before everyone else and told us what happened.",
        False,
        ("diamond", "pink", "flask-conical"),
        (QuestPlan("Tested a release", 60, BY_HAND),),
    ),
    BadgePlan(
        "Mentor",
        "Mentored a newcomer for a month.",
        False,
        ("shield", "slate", "graduation-cap"),
        (QuestPlan("Mentored a newcomer", 128, BY_HAND),),
    ),
    BadgePlan(
        "Voice of the community",
        "Completed the annual survey.",
        False,
        ("circle", "violet", "megaphone"),
        (QuestPlan("Completed the survey"),),
    ),
    BadgePlan(
        "Launch crew",
        "Joined in on the day the new forum opened.",
        False,
        ("star", "gold", "rocket"),
        (QuestPlan("Joined in on opening day"),),
        archived=True,
    ),
)

# The rule's condition by quest; and by activity the quests that require it, easiest first.
RULES = {quest.name: quest.rule for badge in BADGES for quest in badge.quests if quest.rule}
LADDERS = {
    what: sorted((number, quest) for quest, (of, number) in RULES.items() if of == what)
    for what in dict.fromkeys(what for what, _ in RULES.values())
    if what != DAYS
}
WHY = {
    quest: rules.pack([[DAYS, number] if what == DAYS else ["activity", number, what]])
    for quest, (what, number) in RULES.items()
}

BATCHES = (
    BatchPlan("Launch crew", "Joined in on opening day", 85, 331.2),
    BatchPlan("Beta testers, wave 1", "Tested a release", 900, 242.4, sound=False),
    BatchPlan("Lisbon meetup", "Attended a meetup", 140, 187.3),
    BatchPlan("Translation sprint", "Translated 100 phrases", 64, 121.6),
    BatchPlan("Annual survey", "Completed the survey", 1_150, 76.1, sound=False),
    BatchPlan("Kraków meetup", "Attended a meetup", 96, 33.2, again=17),
    BatchPlan("Beta testers, wave 2", "Tested a release", 1_480, 12.3, sound=False, again=61),
    BatchPlan("Helsinki meetup", "Spoke at a meetup", 8, 2.2),
    BatchPlan("Mentors of the quarter", "Mentored a newcomer", 45, 0.15, draft=True),
)

REVOKED_BECAUSE = (
    "Awarded by mistake",
    "The account is shared by two people",
    "The report turned out to be a duplicate",
    "The member asked us to remove it",
    "Wrong quest; awarded the right one instead",
)
