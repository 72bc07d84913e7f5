"""The audit log (L-1): one row per action, and the sentence that people read."""

from __future__ import annotations

import re
from string import Formatter
from typing import Any

from sqlalchemy import insert, select

from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.normalization import fold
from webapp.models import AuditEvent, Role

ADDRESS_LENGTH = 64

# Verb → what a filter calls it, and the sentence that goes on after the actor's name. `{members:member}` is a number
# with its noun; what stands in brackets is left out where a value in it is missing or 0. `{quest}` is looked up by id,
# as the subject is.
VERBS: dict[str, tuple[str, str]] = {
    "batch.created": ("Batch created", "created the batch {subject}"),
    "batch.changed": (
        "Batch changed",
        "changed the batch {subject}[: name from “{before}” to “{after}”]"
        "[; badge {quest}][ in place of {quest_before}]",
    ),
    "batch.filled": (
        "Members added to a batch",
        "added {added:member} to the batch {subject} from a file[, {left_out:row} left out]",
    ),
    "batch.extended": (
        "Members added to a batch",
        "added {added:member} to the batch {subject}[, {left_out:row} left out]",
    ),
    "batch.member_added": ("Member added to a batch", "added {member} to the batch {subject}"),
    "batch.member_removed": (
        "Member removed from a batch",
        "removed {member} from the batch {subject}",
    ),
    "batch.continued": (
        "Group award continued as a batch",
        "put {added:member} of a group award into the batch {subject}[, {left_out:name} left out]",
    ),
    "batch.gathered": (
        "Batch made from the directory",
        "put {members:member} of the directory into the batch {subject}",
    ),
    "batch.reduced": (
        "Members left out of a batch",
        "removed {members:member} who can't receive badges from the batch {subject}",
    ),
    "batch.divided": (
        "Batches made from the directory",
        "put {members:member} of the directory into {batches:batch}, the first of which is {subject}",
    ),
    "batch.published": ("Batch published", "published the batch {subject}[ ({members:member})]"),
    "batch.retried": (
        "Batch retried",
        "retried {members:failed member} of the batch {subject}",
    ),
    "batch.dismissed": (
        "Errors dismissed",
        "removed {members:failed member} from the batch {subject}",
    ),
    "batch.stopped": (
        "Batch stopped",
        "stopped the batch {subject}[ before the turn of {members:member}]",
    ),
    "batch.undone": (
        "Batch undone",
        "undid the batch {subject}[, taking the badge back from up to {members:member}]",
    ),
    "batch.deleted": ("Draft deleted", "deleted the draft {subject}[ ({users:member})]"),
    "award.made": ("Badge awarded", "awarded {quest} to {subject}"),
    "award.revoked": ("Badge revoked", "revoked {quest} from {subject}"),
    "award.restored": ("Badge restored", "gave {quest} back to {subject}"),
    "group.awarded": (
        "Group award",
        "awarded {subject} to {awarded:member}[, {held} held it already][, {left_out} left out]",
    ),
    "group.undone": (
        "Group award undone",
        "undid a group award, revoking {subject} from {revoked:member}[, {kept} changed since]",
    ),
    "badge.created": ("Badge created", "created the badge {subject}"),
    "badge.changed": ("Badge changed", "changed the badge {subject}: {what}"),
    "badge.image_changed": ("Badge image changed", "gave the badge {subject} an image"),
    "badge.image_removed": ("Badge image removed", "removed the image of the badge {subject}"),
    "badge.archived": ("Badge archived", "archived the badge {subject}"),
    "badge.unarchived": ("Badge unarchived", "took the badge {subject} out of the archive"),
    "quest.created": ("Quest created", "added the quest {subject}"),
    "quest.renamed": (
        "Quest renamed",
        "renamed the quest {subject} from “{before}”[ to “{after}”]",
    ),
    "quest.moved": ("Quests put in order", "moved the quest {subject} {way}"),
    "quest.archived": ("Quest archived", "archived the quest {subject}"),
    "quest.unarchived": ("Quest unarchived", "took the quest {subject} out of the archive"),
    "rule.saved": ("Rule saved", "gave the quest {subject} a rule: {what}"),
    "rule.removed": ("Rule removed", "removed the rule of the quest {subject}"),
    "rule.awarded": ("Awarded by a rule", "awarded {subject} to {members:member} by its rule"),
    "members.import_stopped": (
        "Import of members stopped",
        "imported members until an error stopped it: {created} new, {updated} changed, {unchanged} unchanged"
        "[, {left_out:row} left out]",
    ),
    "members.imported": (
        "Members imported",
        "imported members: {created} new, {updated} changed, {unchanged} unchanged"
        "[, {left_out:row} left out]",
    ),
    "activities.imported": (
        "Activities imported",
        "imported activities: {counted:event} counted[, {repeated} counted before][, {left_out:row} left out]",
    ),
    "member.saved": ("Member added or changed", "{what} the member {subject}"),
    "member.status_changed": (
        "Member's status changed",
        "changed the status of {subject} from {was} to {now}",
    ),
    "member.erased": ("Member erased", "erased a member[ ({awards:award})]"),
    "database.restored": (
        "Database restored",
        "brought the database back as it was on {taken}",
    ),
    "staff.added": ("Staff added", "added {subject} to the staff as {role}"),
    "staff.invited": ("Staff invited", "invited {subject} to the staff as {role}"),
    "staff.joined": ("Staff joined", "chose a password and joined the staff"),
    "staff.link_made": (
        "Link made",
        "made a one-time link for {subject} to choose a password",
    ),
    "staff.disabled": ("Account disabled", "disabled the account of {subject}"),
    "staff.enabled": ("Account enabled", "enabled the account of {subject}"),
    "staff.role_changed": (
        "Role changed",
        "changed the role of {subject} from {before} to {role}",
    ),
    "staff.renamed": (
        "Name changed",
        "changed the name of {subject}[ from “{before}”][ to “{after}”]",
    ),
    "staff.password_changed": ("Password changed", "changed the password of {subject}"),
    "staff.session_ended": ("Session ended", "ended one of their sessions"),
    "staff.sessions_ended": ("Signed out everywhere", "signed out everywhere[ ({ended:session})]"),
    "staff.factor_set_up": ("Second factor set up", "set up a second factor"),
    "staff.factor_removed": (
        "Second factor turned off",
        "turned off the second factor of {subject}",
    ),
    "staff.factor_demanded": ("Second factor demanded", "asked {roles} for a second factor"),
    "staff.codes_renewed": ("Recovery codes made", "made new recovery codes"),
    "staff.code_used": ("Recovery code used", "used a recovery code"),
    "staff.signed_in": ("Signed in", "signed in[ after {failed:failed attempt}]"),
    "staff.signed_out": ("Signed out", "signed out"),
    "staff.sign_in_failed": (
        "Sign-in failed",
        "refused a wrong password for {subject}",
    ),
    "staff.code_failed": (
        "Wrong code after the right password",
        "refused a wrong code for {subject}, after the right password",
    ),
    "staff.confirmation_failed": (
        "Confirmation failed",
        "entered a wrong password or code when asked to confirm it[ ({tries:attempt} within 15 minutes)]",
    ),
    "staff.limited": (
        "Account limited",
        "refused further tries to sign in as {subject}[ from {source}]: {tries:try} failed within 15 minutes",
    ),
    "address.limited": (
        "Address limited",
        "refused further tries to sign in from {address}: {tries:try} failed within 15 minutes",
    ),
    "access.denied": ("Access denied", "was denied {route}"),
    "key.made": ("API key made", "made the API key {subject}[ for {scopes}]"),
    "key.revoked": ("API key revoked", "revoked the API key {subject}"),
    "endpoint.made": ("Webhook made", "made the webhook to {subject}[ for {events}]"),
    "endpoint.changed": (
        "Webhook changed",
        "changed the webhook to {subject}[, moving it from {before} to {after}][: {events}]",
    ),
    "endpoint.tested": ("Webhook tested", "sent a test message to {subject}"),
    "endpoint.rotated": ("Webhook secret changed", "gave the webhook to {subject} another secret"),
    "endpoint.enabled": ("Webhook switched on", "switched the webhook to {subject} on"),
    "endpoint.disabled": ("Webhook switched off", "switched the webhook to {subject} off[: {why}]"),
    "endpoint.removed": ("Webhook removed", "removed the webhook to {address}"),
    "delivery.repeated": (
        "Webhook delivered again",
        "sent {deliveries:event} to {subject} again",
    ),
}
PLURALS = {"try": "tries", "batch": "batches"}


def write(actor: Actor, verb: str, kind: str, subject_id: int | None = None, **detail: Any) -> None:
    """Write one entry, such as `batch.published` for batch 7; each call is a row.

    `detail` never names a member. A `name` in it is the name of a subject that has been deleted; search finds it.
    """
    if "name" in detail:
        detail["key"] = fold(detail["name"])
    db.session.add(AuditEvent(**_values(actor, verb, kind), subject_id=subject_id, detail=detail))


def write_many(
    actor: Actor, verb: str, kind: str, subjects: list[tuple[int | None, dict[str, Any]]]
) -> None:
    if subjects:
        values = _values(actor, verb, kind)
        rows = [
            {**values, "subject_id": subject_id, "detail": detail}
            for subject_id, detail in subjects
        ]
        db.session.execute(insert(AuditEvent), rows)


def _values(actor: Actor, verb: str, kind: str) -> dict[str, Any]:
    return {
        "at": actor.at,
        "actor": actor.name,
        "staff_id": actor.staff_id,
        "key_id": actor.key_id,
        "address": actor.address[:ADDRESS_LENGTH],
        "origin": actor.origin,
        "verb": verb,
        "subject_kind": kind,
    }


def last_actor(kind: str, subject_id: int, verbs: tuple[str, ...]) -> str:
    """The last actor of one of these actions on a subject; `Somebody` if there is none."""
    newest = (
        select(AuditEvent.actor)
        .where(
            AuditEvent.subject_kind == kind,
            AuditEvent.subject_id == subject_id,
            AuditEvent.verb.in_(verbs),
        )
        .order_by(AuditEvent.id.desc())
        .limit(1)
    )
    return db.session.scalar(newest) or "Somebody"


def label(verb: str) -> str:
    return VERBS[verb][0] if verb in VERBS else verb


def sentence(verb: str, detail: dict[str, Any]) -> tuple[str, str, bool]:
    """What stands before and after the subject's name, and whether the name stands there at all.

    `detail` is the row's, with what its `quest` is called in place of the id.
    """
    if verb == "batch.filled" and "member" in detail:  # written before single additions had a verb
        verb = "batch.member_added"
    if verb not in VERBS:  # of a later version
        return f"did “{verb}”", "", False
    text = _OPTIONAL.sub(lambda part: _kept(part[1], detail), VERBS[verb][1])
    before, subject, after = text.partition("{subject}")
    words = _Words(detail)
    return words.fill(before), words.fill(after), bool(subject)


_OPTIONAL = re.compile(r"\[([^]]*)\]")


def _kept(part: str, detail: dict[str, Any]) -> str:
    named = [name for _, name, _, _ in Formatter().parse(part) if name]
    return part if all(detail.get(name) for name in named) else ""


class _Words(Formatter):
    def __init__(self, detail: dict[str, Any]) -> None:
        self.detail = detail

    def fill(self, text: str) -> str:
        return self.vformat(text, (), self.detail)

    def get_value(self, key: int | str, args: Any, kwargs: Any) -> Any:
        value = kwargs.get(key, "…")
        named = key in ("role", "before") and value in set(Role)
        return Role(value).label if named else value

    def format_field(self, value: Any, format_spec: str) -> str:
        words = f"{value:,}" if isinstance(value, int) else str(value)
        if not format_spec:
            return words
        many = PLURALS.get(format_spec, format_spec + "s")
        return f"{words} {format_spec if value == 1 else many}"
