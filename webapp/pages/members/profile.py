"""A member's profile: badges, awarding and revoking, history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from flask import flash, make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from htmx_flask import request
from werkzeug.wrappers import Response

from webapp.domain.awards import manual, member_profile
from webapp.domain.awards.member_profile import Profile
from webapp.domain.badges import quests as badge_quests
from webapp.domain.errors import DomainError, NotFoundError
from webapp.domain.permissions import Permission
from webapp.domain.rules import progress as rule_progress
from webapp.messages import Message, message
from webapp.models import Member, MemberStatus
from webapp.pages.http.authorization import current_actor, may, permit
from webapp.pages.http.form import Form
from webapp.pages.http.list_query import QueryReader
from webapp.pages.http.request_args import parse_number
from webapp.pages.members import blueprint
from webapp.transaction import transaction


@dataclass(kw_only=True)
class AwardForm(Form):
    quest_id: int | None = None
    reason: str = ""

    @classmethod
    def sent(cls) -> Self:
        form = super().sent()
        form.quest_id = quest_sent()
        return form


def quest_sent() -> int | None:
    """The id of the chosen quest; None if none was chosen, 0 if it is not a number."""
    text = request.form.get("quest", "")
    return (parse_number(text) or 0) if text else None


@blueprint.get("/<int:member_id>")
@permit(Permission.VIEW)
def show(member_id: int) -> ResponseReturnValue:
    """A member's badges and history. For htmx, one page of the history only."""
    shown = _load_profile(member_id)
    if request.htmx:
        return render_template("profile/_history.html", **_words(shown))
    number = request.args.get("revoked", 0, type=int)
    revoked = shown.revocation(number)
    if revoked and manual.can_restore(revoked, current_actor()):
        return _page(shown, revoked=revoked)
    return _page(shown)


@blueprint.post("/<int:member_id>/awards")
@permit(Permission.AWARD)
def award(member_id: int) -> ResponseReturnValue:
    form = AwardForm.sent()
    try:
        with transaction():
            done = manual.award(member_id, form.quest_id, form.reason, current_actor())
            name, badge = done.award.member.display_name, done.award.quest.title
    except DomainError as refusal:
        form.refuse(refusal)
        return _answer(_load_profile(member_id), 422, form=form)
    if done.changed:
        return _respond(member_id, f"{badge} awarded to {name}.")
    return _respond(member_id, f"{name} already has {badge}.", "info")


@blueprint.get("/<int:member_id>/awards/<int:award_id>/revocation")
@permit(Permission.REVOKE)
def revocation_window(member_id: int, award_id: int) -> ResponseReturnValue:
    return _window(member_id, award_id, AwardForm())


@blueprint.post("/<int:member_id>/awards/<int:award_id>/revocation")
@permit(Permission.REVOKE)
def revoke(member_id: int, award_id: int) -> ResponseReturnValue:
    """Revoke an award, with `Undo` in the message."""
    form = AwardForm.sent()
    try:
        with transaction():
            done = manual.revoke(member_id, award_id, form.reason, current_actor())
            badge = done.award.quest.title
    except DomainError as refusal:
        form.refuse(refusal)
        return _window(member_id, award_id, form, 422)
    if not done.changed:
        return _respond(member_id, f"{badge} has already been revoked.", "info")
    if not request.htmx:
        return redirect(url_for(".show", member_id=member_id, revoked=award_id), 303)
    shown = _load_profile(member_id)
    answer = make_response(_answer(shown, revoked=shown.revocation(award_id)))
    answer.headers["HX-Trigger"] = "dialog-close"
    return answer


@blueprint.post("/<int:member_id>/awards/<int:award_id>/restoration")
@permit(Permission.REVOKE)
def restore(member_id: int, award_id: int) -> ResponseReturnValue:
    try:
        with transaction():
            done = manual.restore(member_id, award_id, current_actor())
            name, badge = done.award.member.display_name, done.award.quest.title
    except DomainError as refusal:
        return _respond(member_id, refusal.message, "error")
    if done.changed:
        return _respond(member_id, f"{badge} restored for {name}.")
    return _respond(member_id, "Already undone.", "info")


def render_dialog(member_id: int, asking: str, code: int = 200, **more: Any) -> Response:
    """A dialog over a member's profile, from the template `asking`. For htmx, only the dialog."""
    words = _words(_load_profile(member_id), asking=asking, **more)
    answer = make_response(
        render_template(asking if request.htmx else "profile/show.html", **words), code
    )
    answer.headers |= {"HX-Retarget": "#dialog", "HX-Reswap": "innerHTML"} if request.htmx else {}
    return answer


def _load_profile(member_id: int) -> Profile:
    return member_profile.load(member_id, QueryReader(request.args).page())


def _words(shown: Profile, **more: Any) -> dict[str, Any]:
    """Template values of the profile's fragments. Choices only if the person may award and the member may receive."""
    actor = current_actor()
    reader = QueryReader(request.args)
    reader.page()
    receives = shown.member.status == MemberStatus.ACTIVE
    words = {
        "shown": shown,
        "warnings": reader.warnings,
        "steps": rule_progress.ahead(shown.member, shown.quests, actor.at) if receives else [],
        "choices": badge_quests.choices(held=shown.quests)
        if receives and may(Permission.AWARD)
        else [],
        "why_not": _why_not(shown.member),
        "can_restore": lambda award: (
            award.id not in shown.restored and manual.can_restore(award, actor)
        ),
    }
    return {"form": AwardForm(), **words, **more}


def _page(shown: Profile, code: int = 200, **more: Any) -> Response:
    return make_response(render_template("profile/show.html", **_words(shown, **more)), code)


def _answer(shown: Profile, code: int = 200, **more: Any) -> Response:
    if not request.htmx:
        return _page(shown, code, **more)
    return make_response(
        render_template("profile/_awards.html", fragment=True, **_words(shown, **more)), code
    )


def _respond(member_id: int, text: str, kind: str = "success") -> Response:
    """Show the result as a message: with the fragment, or on the next page."""
    if request.htmx:
        answer = _answer(_load_profile(member_id), message=text, kind=kind)
        answer.headers["HX-Trigger"] = "dialog-close"
        return answer
    flash(text, kind)
    return redirect(url_for(".show", member_id=member_id), 303)


def _window(member_id: int, award_id: int, form: AwardForm, code: int = 200) -> Response:
    """The confirmation of a revocation, for htmx only the dialog. Redirects back if there is nothing to revoke."""
    shown = _load_profile(member_id)
    event = next((event for event in shown.held if event.award.id == award_id), None)
    if event is None and not request.htmx:
        flash("This member no longer has this badge.", "info")
        return redirect(url_for(".show", member_id=member_id), 303)
    if event is None:
        raise NotFoundError("common.award_not_found")
    words = _words(
        shown, window=event, form=form, needs_reason=manual.needs_reason(current_actor())
    )
    template = "profile/_revocation.html" if request.htmx else "profile/show.html"
    answer = make_response(render_template(template, **words), code)
    answer.headers |= {"HX-Retarget": "#dialog", "HX-Reswap": "innerHTML"} if request.htmx else {}
    return answer


def _why_not(member: Member) -> Message | None:
    """Why a member can't be awarded a badge now, or None."""
    if not member.cannot_receive:
        return None
    return message(f"awards.member_{member.status}", member=member.display_name)
