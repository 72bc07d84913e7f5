"""Add, rename, reorder and archive the quests of a badge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import flash, make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from htmx_flask import request

from webapp.domain import rules
from webapp.domain.actor import Actor
from webapp.domain.badges import catalogue, quests
from webapp.domain.batches import forecasts
from webapp.domain.errors import DomainError
from webapp.domain.lookup import require_quest
from webapp.domain.permissions import Permission
from webapp.domain.rules import UnconfirmedError
from webapp.models import Quest
from webapp.pages.badges import blueprint, confirmation
from webapp.pages.badges.overview import page
from webapp.pages.http.authorization import current_actor, permit
from webapp.pages.http.form import Form
from webapp.pages.http.request_args import redirect_to
from webapp.transaction import transaction


@dataclass(kw_only=True)
class QuestForm(Form):
    name: str = ""


@blueprint.post("/<int:badge_id>/quests")
@permit(Permission.EDIT_BADGES)
def add_quest(badge_id: int) -> ResponseReturnValue:
    form = QuestForm.sent()
    try:
        with transaction():
            name = quests.add(badge_id, form.name, current_actor()).name
    except DomainError as refusal:
        form.errors["name"] = [refusal.message]
        return _card(badge_id, 422, new_quest=form)
    return _respond(badge_id, f"Quest “{name}” added.")


@blueprint.get("/<int:badge_id>/quests/<int:quest_id>")
@permit(Permission.EDIT_BADGES)
def quest_window(badge_id: int, quest_id: int) -> ResponseReturnValue:
    """A dialog to rename, archive or restore a quest."""
    quest = require_quest(badge_id, quest_id)
    return _window(quest, QuestForm(name=quest.name))


@blueprint.post("/<int:badge_id>/quests/<int:quest_id>")
@permit(Permission.EDIT_BADGES)
def rename_quest(badge_id: int, quest_id: int) -> ResponseReturnValue:
    form = QuestForm.sent()
    try:
        with transaction():
            quests.rename(badge_id, quest_id, form.name, current_actor())
    except DomainError as refusal:
        form.errors["name"] = [refusal.message]
        return _window(require_quest(badge_id, quest_id), form, 422)
    return _respond(badge_id, "Saved.")


@blueprint.post("/<int:badge_id>/quests/<int:quest_id>/place")
@permit(Permission.EDIT_BADGES)
def move_quest(badge_id: int, quest_id: int) -> ResponseReturnValue:
    """Move the quest up or down by one."""
    way = request.form.get("way", "")

    def move(badge_id: int, quest_id: int, actor: Actor) -> bool:
        return quests.move(badge_id, quest_id, way, actor)

    return _do(badge_id, quest_id, move, "", "")


@blueprint.post("/<int:badge_id>/quests/<int:quest_id>/archiving")
@permit(Permission.EDIT_BADGES)
def archive_quest(badge_id: int, quest_id: int) -> ResponseReturnValue:
    """Archive the quest. Current holders keep it (M-15)."""
    message = "Quest archived. It can no longer be awarded."
    return _do(badge_id, quest_id, quests.archive, message, "This quest is already archived.")


@blueprint.get("/<int:badge_id>/quests/<int:quest_id>/unarchiving")
@permit(Permission.EDIT_BADGES)
def unarchiving_quest(badge_id: int, quest_id: int) -> ResponseReturnValue:
    """Preview which members the rule of an archived quest would reach once it is restored (T-3)."""
    quest = require_quest(badge_id, quest_id)
    if quest.archived_at is None:
        return redirect(url_for(".show", badge_id=badge_id, _anchor="quests"), 303)
    action = url_for(".unarchive_quest", badge_id=badge_id, quest_id=quest_id)
    return confirmation.page(quest.badge, action, "Restore", quest_id=quest_id)


@blueprint.post("/<int:badge_id>/quests/<int:quest_id>/unarchiving")
@permit(Permission.EDIT_BADGES)
def unarchive_quest(badge_id: int, quest_id: int) -> ResponseReturnValue:
    message = "Quest restored. It can be awarded again."
    seen = request.form.get("seen", "")

    def unarchive(badge_id: int, quest_id: int, actor: Actor) -> bool:
        return quests.unarchive(badge_id, quest_id, actor, seen)

    try:
        return _do(badge_id, quest_id, unarchive, message, "This quest isn't archived.")
    except UnconfirmedError:
        address = url_for(".unarchiving_quest", badge_id=badge_id, quest_id=quest_id)
        return redirect_to(address)


def _do(
    badge_id: int, quest_id: int, verb: Callable[[int, int, Actor], bool], done: str, not_done: str
) -> ResponseReturnValue:
    try:
        with transaction():
            changed = verb(badge_id, quest_id, current_actor())
    except UnconfirmedError:
        raise
    except DomainError as refusal:
        return _respond(badge_id, f"{refusal.message} Rename one of them first.", "error")
    return _respond(badge_id, done if changed else not_done, "success" if changed else "info")


def _respond(badge_id: int, text: str, kind: str = "success") -> ResponseReturnValue:
    """For htmx, the card of quests with a message; otherwise a redirect to the badge's page."""
    if request.htmx:
        return _card(badge_id, message=text, kind=kind)
    if text:
        flash(text, kind)
    return redirect(url_for(".show", badge_id=badge_id, _anchor="quests"), 303)


def _card(badge_id: int, code: int = 200, **more: Any) -> ResponseReturnValue:
    if not request.htmx:
        return page(badge_id, code, **more)
    badge = catalogue.get(badge_id)
    answer = make_response(
        render_template(
            "badges/_quests_of.html",
            badge=badge,
            rules=rules.of_badge(badge_id),
            fragment=True,
            **more,
        ),
        code,
    )
    if code == 200:
        answer.headers["HX-Trigger"] = "dialog-close"
    return answer


def _window(quest: Quest, form: QuestForm, code: int = 200) -> ResponseReturnValue:
    words: dict[str, Any] = {
        "quest": quest,
        "quest_form": form,
        "forecast": forecasts.archiving([quest.id]),
    }
    if not request.htmx:
        return page(quest.badge_id, code, window="quest", **words)
    answer = make_response(render_template("badges/_quest.html", badge=quest.badge, **words), code)
    answer.headers |= {"HX-Retarget": "#dialog", "HX-Reswap": "innerHTML"}
    return answer
