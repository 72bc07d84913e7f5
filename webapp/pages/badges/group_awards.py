"""`Award Badge`: one quest for up to 50 members at once."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from flask import current_app, flash, make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from htmx_flask import request
from werkzeug.wrappers import Response

from webapp.domain.awards import group as group_awards
from webapp.domain.awards.group import (
    AT_MOST,
    Result,
    TooManyRecipientsError,
    UnknownUsernamesError,
)
from webapp.domain.badges import quests
from webapp.domain.batches import from_group_award
from webapp.domain.csv_files import shown
from webapp.domain.errors import DomainError, NotFoundError
from webapp.domain.members import directory, fuzzy_match, username_list
from webapp.domain.members.filters import MemberFilters
from webapp.domain.normalization import fold
from webapp.domain.permissions import Permission
from webapp.messages import message
from webapp.models import Member
from webapp.pages.badges import blueprint
from webapp.pages.http.authorization import current_actor, permit
from webapp.pages.http.list_query import parse_id
from webapp.pages.http.request_args import parse_number, redirect_to
from webapp.pages.members.profile import AwardForm
from webapp.transaction import transaction

MESSAGE = 1_500  # bytes of names in a message, which is stored in a cookie


@dataclass(kw_only=True)
class GroupForm(AwardForm):
    to: str = ""
    unknown: list[tuple[str, list[Member]]] = field(default_factory=list)
    unable: list[Member] = field(default_factory=list)  # selected, but not filled in
    found: int = 0
    too_many: bool = False

    @classmethod
    def sent(cls) -> Self:
        form = super().sent()
        chosen = {
            fold(name): request.form[f"near-{place}"]
            for place, name in enumerate(request.form.getlist("unknown"))
            if request.form.get(f"near-{place}")
        }
        if chosen and len(form.to) <= username_list.LONGEST:
            names = username_list.parse(form.to)
            form.to = username_list.format_names([chosen.get(fold(name), name) for name in names])
        return form

    def refuse(self, refusal: DomainError) -> None:
        super().refuse(refusal)
        for error in refusal.flatten():
            if isinstance(error, TooManyRecipientsError):
                self.too_many = True
            if isinstance(error, UnknownUsernamesError):
                self.found = error.found
                matches = fuzzy_match.usernames(error.names)
                self.unknown = [(name, matches.get(name, [])) for name in error.names]


@blueprint.get("/award")
@permit(Permission.AWARD)
def award_window() -> ResponseReturnValue:
    """The form, as a dialog over the badges for htmx, else as a page.

    In the URL, `quest` preselects a quest, and `member` fills in members, except those who can't receive badges (E-5).
    """
    form = GroupForm(quest_id=parse_number(request.args.get("quest", "")))
    ids = tuple(number for number in map(parse_id, request.args.getlist("member")) if number)
    if ids:
        members = directory.first(MemberFilters(ids=ids), AT_MOST)
        able = [member.username for member in members if not member.cannot_receive]
        form.to = username_list.format_names(able)
        form.unable = [member for member in members if member.cannot_receive]
    return _form(form)


@blueprint.post("/award")
@permit(Permission.AWARD)
def award_group() -> ResponseReturnValue:
    form = GroupForm.sent()
    try:
        with transaction():
            result = group_awards.award_group(
                form.to,
                form.quest_id,
                form.reason,
                current_actor(),
                found_only=request.form.get("then") == "found",
            )
            badge = quests.open_quest(form.quest_id).title
            message = sentence(result, badge)
    except DomainError as refusal:
        form.refuse(refusal)
        return _form(form, 422)
    if result.group_id is None:
        flash(message, "info")
        return redirect_to(url_for(".index"))
    if result.unable:
        flash(unable_sentence(result.unable), "info")
    return redirect_to(url_for(".index", awarded=result.group_id))


def just_made(number: int | None) -> dict[str, Any]:
    if number is None:
        return {}
    try:
        group = group_awards.get(number)
    except NotFoundError:
        return {}
    if not group_awards.can_undo(group, current_actor()):
        return {}
    message = sentence(Result(group.awarded, group.already_held), group.quest.title)
    return {"made": group, "message": message}


@blueprint.get("/group-awards/<int:group_id>")
@permit(Permission.VIEW)
def recipients(group_id: int) -> ResponseReturnValue:
    """The recipients of a group award, and whether each still has it (E-6)."""
    group = group_awards.get(group_id)
    return render_template(
        "badges/recipients.html",
        group=group,
        badge=group.quest.badge,
        recipients=group_awards.recipients(group),
        can_undo=group_awards.can_undo(group, current_actor()),
    )


@blueprint.post("/group-awards/<int:group_id>/undo")
@permit(Permission.AWARD)
def undo_group(group_id: int) -> ResponseReturnValue:
    """Revoke all awards of a group award (E-6)."""
    try:
        with transaction():
            done = group_awards.undo(group_id, current_actor())
            badge = done.group.quest.title
    except DomainError as refusal:
        flash(refusal.message, "error")
        return redirect(url_for(".recipients", group_id=group_id), 303)
    if not done.changed:
        flash("Already undone.", "info")
        return redirect(url_for(".recipients", group_id=group_id), 303)
    message = f"Group award undone: {badge} revoked from {_members(done.revoked)}."
    if done.kept:
        message += f" {done.kept:,} had already been revoked."
    flash(message, "success")
    return redirect(url_for(".index"), 303)


@blueprint.post("/award/batch")
@permit(Permission.BATCH_UNLOCK)
def award_as_batch() -> ResponseReturnValue:
    """Create a draft batch with all recipients entered, for more than 50."""
    form = GroupForm.sent()
    limit = current_app.config["LAUREL"].batch_max_members
    try:
        with transaction():
            batch_id, unknown = from_group_award.continue_as_batch(
                form.to, form.quest_id, form.reason, limit, current_actor()
            )
    except DomainError as refusal:
        form.refuse(refusal)
        form.too_many = "to" not in refusal.by_field()
        return _form(form, 422)
    if unknown:
        flash(unknown_sentence(unknown), "warning")
    return redirect_to(url_for("batches.edit", batch_id=batch_id))


@blueprint.post("/award/count")
@permit(Permission.AWARD)
def count() -> ResponseReturnValue:
    """Count the names in `To` for the page's script. A POST because the text is long; writes nothing."""
    if not request.htmx:
        return redirect(url_for(".award_window"), 303)
    return render_template(
        "badges/_award_count.html", number=count_usernames(request.form.get("to", ""))
    )


def count_usernames(text: str) -> int | None:
    """Count the names in a text; None if it is too long to parse."""
    return len(username_list.parse(text)) if len(text) <= username_list.LONGEST else None


def sentence(result: Result, badge: str) -> str:
    """Summarize a group award: awarded, already had it, and inactive members by name (M-11)."""
    sentences = []
    if result.awarded:
        sentences.append(f"{badge} awarded to {_members(result.awarded)}.")
    if result.held:
        sentences.append(
            f"{_members(result.held)} already had it." if sentences else _all_held(result, badge)
        )
    if result.unable:
        sentences.append(unable_sentence(result.unable))
    return " ".join(sentences)


def unable_sentence(unable: list[Member]) -> str:
    reasons = [
        str(message(f"members.{member.status}", member=member.username)) for member in unable
    ]
    return f"Only active members can receive badges: {join_fitting(reasons)}."


def _all_held(result: Result, badge: str) -> str:
    return f"{_members(result.held)} already {_verb(result.held)} {badge}. Nothing was changed."


def _members(number: int) -> str:
    return f"{number:,} {'member' if number == 1 else 'members'}"


def _verb(number: int) -> str:
    return "has" if number == 1 else "have"


def unknown_sentence(unknown: list[str]) -> str:
    noun = "username wasn't" if len(unknown) == 1 else "usernames weren't"
    verb = "isn't" if len(unknown) == 1 else "aren't"
    return f"{len(unknown):,} {noun} found and {verb} in the batch: {join_fitting(unknown)}."


def join_fitting(texts: list[str]) -> str:
    """Join as many texts as fit in a message, and say how many more there are."""
    kept: list[str] = []
    room = MESSAGE
    for text in texts:
        room -= len(json.dumps(shown(text))) + 2
        if room < 0:
            break
        kept.append(shown(text))
    rest = len(texts) - len(kept)
    return ", ".join(kept) + (f" and {rest:,} more" if rest else "")


def _form(form: GroupForm, code: int = 200) -> Response:
    words: dict[str, Any] = {
        "form": form,
        "badges": quests.choices(form.quest_id),
        "number": count_usernames(form.to),
        "most": AT_MOST,
        "window": _in_window(),
        "back": url_for("members.index" if request.args.get("member") else ".index"),
        "unable": unable_sentence(form.unable) if form.unable else "",
    }
    if not request.htmx:
        template = "badges/award.html"
    elif request.method == "POST":
        template = "badges/_award_form.html"
    else:
        template = "badges/_award.html"
    return make_response(render_template(template, **words), code)


def _in_window() -> bool:
    """True if the form is in a dialog over another page."""
    seen = urlsplit(request.htmx.current_url or "").path
    return bool(request.htmx) and seen != url_for(".award_window")
