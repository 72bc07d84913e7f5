"""A console where every name is as long and unusual as possible, and every page that a person can open."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import insert

from tests.browser.files import csv
from tests.browser.site import Site
from webapp.adapters.contract import Check, RemoteBadge
from webapp.database import db
from webapp.domain import rules
from webapp.domain.actor import Actor
from webapp.domain.api_access import keys as api_keys
from webapp.domain.awards import group as group_awards
from webapp.domain.batches import runs, uploads
from webapp.domain.connections import mappings
from webapp.domain.connections import settings as connections
from webapp.domain.connections.settings import ConnectionFields
from webapp.domain.credentials import issuer, sharing, signing
from webapp.domain.imports import imports as member_imports
from webapp.domain.imports import processing as import_processing
from webapp.domain.permissions import Scope, grantable
from webapp.domain.rules import ConditionDraft, RuleDraft
from webapp.domain.staff import password_links
from webapp.domain.webhooks import endpoints, outbox
from webapp.messages import Message
from webapp.models import (
    ApiKey,
    BadgeDifference,
    BadgeSync,
    Batch,
    Delivery,
    Member,
    MemberAccount,
    Origin,
    Process,
    Quest,
    Role,
    Staff,
)
from webapp.models.rule import ConditionKind
from webapp.models.webhook import DEFAULT_EVENTS, WebhookEvent
from webapp.pages.help.help import GUIDES
from webapp.transaction import transaction

# One unbreakable word; the widest letters; no spaces between characters; emoji; stacked accents; and an
# ordinary long title.
NAMES = (
    "Donaudampfschifffahrtsgesellschaftskapitän" * 3,
    "W" * 120,
    "漢字仮名交文" * 20,
    "👩‍👩‍👧‍👦" * 17,
    "Z̸̢̛a̷l̵g̶o̷" * 9,
    "A title of a hundred and twenty letters that somebody typed in a hurry and that has many words, commas and no end",
)
LONG = 120


def name(place: int, most: int = LONG) -> str:
    """The hostile name for a place, cut to the column's length; always the same for the same place."""
    return NAMES[place % len(NAMES)][:most]


@dataclass
class Hostile:
    """The console, and the rows that its URLs refer to."""

    site: Site
    member: Member
    held: int
    quest: Quest
    solo: Quest
    archived: Quest
    batches: dict[str, Batch]
    imports: dict[str, int]
    key: ApiKey
    endpoint_id: int
    group_id: int | None
    colleague: Staff
    welcome: str
    page: str
    public: str

    def pages(self) -> dict[str, str]:
        """Every page and dialog with a URL of its own, for the role with most access: a name and its path."""
        badge, quest, member = self.quest.badge_id, self.quest.id, self.member.id
        found = {
            "home": "/",
            "badges": "/badges",
            "badges, searched": f"/badges?q={'W' * 120}",
            "badges, none": f"/badges?q={'x' * 120}",
            "badge": f"/badges/{badge}",
            "badge, holders": f"/badges/{badge}?quest={quest}&source=profile&from=2020-01-01",
            "badge, no holders": f"/badges/{badge}?q={'x' * 300}",
            "badge, revocation": f"/badges/{badge}/revocation?award={self.held}",
            "badge of one quest": f"/badges/{self.solo.badge_id}",
            "badge, archived": f"/badges/{self.archived.badge_id}",
            "badge, archiving": f"/badges/{badge}/archiving",
            "badge, unarchiving": f"/badges/{self.archived.badge_id}/unarchiving",
            "badge, settings": f"/badges/{badge}/settings",
            "badge, new": "/badges/new",
            "quest": f"/badges/{badge}/quests/{quest}",
            "quest, archived": f"/badges/{self.archived.badge_id}/quests/{self.archived.id}",
            "quest, unarchiving": f"/badges/{self.archived.badge_id}/quests/{self.archived.id}/unarchiving",
            "rule": f"/badges/{badge}/quests/{quest}/rule",
            "rule, none yet": f"/badges/{self.solo.badge_id}/quests/{self.solo.id}/rule",
            "award": f"/badges/award?quest={quest}",
            "award, selected members": f"/badges/award?member={member}",
            "group award": f"/badges/group-awards/{self.group_id}",
            "batches": "/batches",
            "batches, filtered": f"/batches?name={'W' * 120}&badge={badge}&status=published&created=2026-01-01",
            "batches, nothing": f"/batches?name={'x' * 120}",
            "drafts": "/batches?tab=drafts",
            "batch, new": "/batches/new",
            "members": "/members",
            "members, filtered": f"/members?holds={quest}&lacks={self.solo.id}&q={'W' * 60}&from=2020-01-01",
            "members, nothing": f"/members?q={'x' * 300}",
            "member": f"/members/{member}",
            "member, revocation": f"/members/{member}/awards/{self.held}/revocation",
            "member, link": f"/members/{member}/link",
            "member page": self.page,
            "public badge": self.public,
            "verify": "/verify",
            "verify, an address": f"/verify?url={'W' * 300}",
            "member, erasure": f"/members/{member}/erasure",
            "member, status": f"/members/{member}/standing",
            "imports": "/members/imports",
            "activities": "/activities",
            "insights": "/insights",
            "audit log": "/audit-log",
            "audit log, of a badge": f"/audit-log?subject=badge:{badge}&actor={self.colleague.id}&from=2020-01-01",
            "API keys": "/settings/api-keys",
            "API key, new": "/settings/api-keys/new",
            "API key, revocation": f"/settings/api-keys/{self.key.id}/revocation",
            "community": "/settings/community",
            "Open Badges": "/settings/open-badges",
            "Open Badges, key": "/settings/open-badges/key",
            "webhooks": "/settings/webhooks",
            "webhook": f"/settings/webhooks/{self.endpoint_id}",
            "webhook, new": "/settings/webhooks/new",
            "webhook, removal": f"/settings/webhooks/{self.endpoint_id}/removal",
            "webhook, secret": f"/settings/webhooks/{self.endpoint_id}/secret",
            "connections": "/settings/connections",
            "connection": "/settings/connections/1",
            "connection, new": "/settings/connections/new",
            "connection, settings": "/settings/connections/1/settings",
            "connection, removal": "/settings/connections/1/removal",
            "connection, badges": "/settings/connections/1/badges",
            "connection, waiting": "/settings/connections/1/pending",
            "connection, refused": "/settings/connections/1/pending?show=refused",
            "connection, comparison": "/settings/connections/1/comparison",
            "staff": "/settings/staff",
            "staff, one": f"/settings/staff/{self.colleague.id}",
            "staff, disablement": f"/settings/staff/{self.colleague.id}/disablement",
            "staff, invitation": "/settings/staff/invitations",
            "system": "/settings/system",
            "account": "/account",
            "account, second factor": "/account/second-factor",
            "API documentation": "/api/docs",
            "help": "/help",
            "keyboard shortcuts": "/help/shortcuts",
            "search": f"/search?q={'W' * 60}",
            **{f"help, {guide}": f"/help/{guide}" for guide in GUIDES},
            "no such page": "/nowhere/" + "W" * 120,
            "no such badge": "/badges/999999",
        }
        found |= {f"batch, {what}": f"/batches/{one.id}" for what, one in self.batches.items()}
        windows = {
            "deletion": "draft",
            "publication": "draft",
            "dismissal": "failed",
            "halt": "running",
            "reversal": "failed",
            "upload": "bare",
        }
        found |= {
            f"batch, {window}": f"/batches/{self.batches[what].id}/{window}"
            for window, what in windows.items()
        }
        found |= {
            f"preview, {what}": f"/batches/{self.batches[batch].id}/upload?show={what}"
            for batch, what in (
                ("chosen", "all"),
                ("chosen", "errors"),
                ("letters", "encoding"),
                ("headless", "columns"),
            )
        }
        found |= {
            f"import, {what}": f"/members/imports/{number}" for what, number in self.imports.items()
        }
        return found


def raise_if_any(folder: Path) -> Hostile:
    """Create such a console and serve it without a worker, so that nothing changes by itself."""
    site = Site("", folder)
    make = site.make
    colleague = make.staff(
        Role.MANAGER, email="w" * 60 + "@" + "long." * 30 + "example.org", name=name(1)
    )
    actor = Actor(site.actor().at, Origin.CONSOLE, colleague)
    big = make.badge(name(1), description="W" * 500, automatic=True)
    quests = [make.quest(name(place), big) for place in range(len(NAMES))]
    solo = make.quest(name(2), make.badge(name(0), description="One two three. " * 30))
    for place in (3, 4, 5):
        make.quest(name(place + 1), make.badge(name(place)))
    old = make.badge(f"Old {name(1, 116)}", archived_at=actor.at)
    archived = make.quest(name(0), old, archived_at=actor.at)
    people = [
        make.member(
            name(place, 189) + str(place),
            name=name(place + 1, 190),
            external_id=("ID" + name(place) * 2)[:190],
            email=f"{'W' * 60}{place}@{'long.' * 40}example.org",
            status=("active", "suspended", "left")[place % 3],
        )
        for place in range(len(NAMES))
    ]
    quest = quests[0]
    held = make.award(people[0].id, quest.id, reason="W" * 500, awarded_by=colleague.id)
    for one in (*quests[1:], solo):
        make.award(people[0].id, one.id, awarded_by=colleague.id)
    with site.app.app_context():
        for place, (one, any_of) in enumerate(((quest, False), (quests[1], True))):
            asked = [ConditionDraft(ConditionKind.ACTIVITY, 10**9, "w" * (59 - place) + str(place))]
            asked += [
                ConditionDraft(ConditionKind.QUEST, None, None, solo.id),
                ConditionDraft(ConditionKind.DAYS, 1000 + place, None, None),
            ]
            with transaction():
                rules.save(one.badge_id, one.id, RuleDraft(tuple(asked), any_of), actor)
    ids = [one.id for one in people]
    with site.app.app_context(), transaction():
        group = group_awards.award_group(people[3].username, quests[4].id, "W" * 500, actor)
    batches = {
        "draft": make.batch(ids, quest, name(1)),
        "bare": make.batch(None, solo, name(0)),
        "chosen": make.batch(None, quest, name(4)),
        "letters": make.batch(None, quest, name(1, 119)),
        "headless": make.batch(None, quest, name(1, 118)),
        "running": make.batch(ids, quests[1], name(2), published=True),
        "failed": make.batch(ids, quests[2], name(5), published=True),
        "undone": make.batch(ids, quests[3], name(3), published=True),
    }
    site.hold(batches["running"].id)
    site.unlock(batches["running"].id, 2)
    for what in ("failed", "undone"):
        site.hold(batches[what].id)
        while site.unlock(batches[what].id, 100):
            pass
    with site.app.app_context(), transaction():
        runs.undo(batches["undone"].id, actor)
        files = {
            "chosen": rows(),
            "letters": rows().replace("漢".encode(), b"\xe9"),
            "headless": rows().partition(b"\r\n")[2],
        }
        for what, data in files.items():
            seen = uploads.receive(batches[what].id, data, 1000)
            uploads.keep(batches[what].id, "W" * 250 + ".csv", data, seen, actor)
    with site.app.app_context():
        with transaction():
            key = api_keys.create(name(1), grantable(colleague.role), None, actor).key
            api_keys.create(name(5), [Scope.MEMBERS_READ], None, actor)
            db.session.expunge(key)
        with transaction():
            host = f"{'w' * 60}.{'w' * 60}.example.org"
            made = endpoints.create(
                f"https://{host}/{'hook' * 300}", DEFAULT_EVENTS, (), actor
            ).endpoint
            outbox.emit(WebhookEvent.AWARD_CREATED, [1, 2, 3], actor.at)
            endpoint_id = made.id
        with transaction():
            row = {"kind": "worker", "pid": 4_000_000, "started_at": actor.at, "seen_at": actor.at}
            db.session.execute(
                insert(Process).values(
                    key="k", host="w" * 120, version="1.0.0.dev0+" + "a" * 20, **row
                )
            )
            one = db.session.query(Delivery).first()
            assert one is not None
            one.attempts, one.sent_at, one.last_error = 12, actor.at, "W" * 200
        with transaction():
            _connect(people, quests, actor)
        with transaction():
            welcome = password_links.create(colleague.id, site.actor())
    page, public = share(site, people[0], held.id, actor)
    hostile = Hostile(
        site,
        people[0],
        held.id,
        quest,
        solo,
        archived,
        batches,
        {},
        key,
        endpoint_id,
        group.group_id,
        colleague,
        welcome,
        page,
        public,
    )
    hostile.imports = _imports(site, actor)
    site.start_web()
    return hostile


def _connect(people: list[Member], quests: list[Quest], actor: Actor) -> None:
    """A community with a long name and address, mapped badges, and one that is pending, refused and different each."""
    long = name(1, 190)
    host = f"{'w' * 60}.{'w' * 60}.example.org"
    fields = ConnectionFields("wordpress", f"https://{host}/{'forum' * 200}", "w" * 255, "secret")
    made = connections.create(fields, Check(long, "laurel", "W" * 60), (), actor)
    made.problem = Message("connections.remote_refused", {"detail": "W" * 200}).to_json()
    made.failures, made.compare_at = 1, actor.at
    for place, quest in enumerate(quests[:3]):
        mapping = mappings.create(
            made.id, quest.id, RemoteBadge(f"{place}{'w' * 180}", long), actor
        )
        mapping.mark_after, mapping.compared_at, mapping.gone_at = None, actor.at, actor.at
        key = {"connection_id": made.id, "quest_id": quest.id}
        for member in people:
            due = actor.at if place else None
            problem = [] if place else made.problem
            db.session.add(BadgeSync(**key, member_id=member.id, due_at=due, problem=problem))
            db.session.add(BadgeDifference(**key, member_id=member.id, held_there=place == 1))
    for place, member in enumerate(people):
        account = MemberAccount(connection_id=made.id, member_id=member.id, remote_id=str(place))
        db.session.add(account)


def share(site: Site, member: Member, award_id: int, actor: Actor) -> tuple[str, str]:
    """Turn on Open Badges and share an award with its member's name; return their page and the badge's."""
    with site.app.app_context():
        with transaction():
            issuer.turn_on(actor)
            issuer.change(f"https://{'w' * 60}.example.org/{'W' * 900}", "", actor)
        page = sharing.PageUrls("").of([member.id])[member.id]
        new = signing.sign(signing.open_award(award_id), site.app.config["LAUREL"].address)
        with transaction():
            sharing.share(page.removeprefix("/m/"), new, "name", actor.at)
        (shared,) = [one for one in sharing.own_awards(member) if one.share]
        assert shared.share
        return page, f"/badges/{shared.award.quest.badge_id}/awards/{shared.share.token}"


def rows() -> bytes:
    """A file with every hostile name in every column, invalid rows, and one similar to a member."""
    lines = [
        f'"{name(place, 100)}";"{name(place + 1)}";"{"w" * 200}@example.org";"{name(place)}"'
        for place in range(6)
    ]
    lines += [
        f'"";"{name(place, 189)[:-1]}X{place}";"";""' for place in range(6)
    ]  # similar to a member
    header = f"ID;Username;Registered email;{name(1)}"
    return csv(*lines, header=header)["buffer"]


def _imports(site: Site, actor: Actor) -> dict[str, int]:
    """An import whose columns are to be matched, one after its dry run, and one that is finished."""
    lines = [
        f'"N{place}{name(place, 80)}";"{name(place, 100)}n";"n{place}@{"long." * 20}example.org";"{name(place)}"'
        for place in range(6)
    ]
    bad = [f'"";"{name(place)}";"";""' for place in range(3)]
    data = csv(*lines, *bad, header="ID;Username;Registered email;Name")["buffer"]
    made = {}
    with site.app.app_context():
        for what in ("columns", "tried", "done"):
            with transaction():
                found = member_imports.receive("W" * 250 + ".csv", data, actor)
                number, columns = found.id, dict(found.columns)
            made[what] = number
            if what != "columns":
                with transaction():
                    member_imports.dry_run(number, columns, actor)
                _work(number, actor)
            if what == "done":
                with transaction():
                    member_imports.carry_out(number, actor)
                _work(number, actor)
    return made


def _work(number: int, actor: Actor) -> None:
    """Process an import as a worker does."""
    with transaction():
        assert import_processing.claim(number, "the-test", 600, actor.at)
    reader = import_processing.read(number, "the-test")
    db.session.rollback()
    while True:
        with transaction():
            if not import_processing.take(
                number, "the-test", 600, reader, reader.next(100), actor.at
            ):
                break
