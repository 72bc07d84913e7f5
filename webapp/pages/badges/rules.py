"""Edit the rule of a quest as a sentence, preview and save it, and show how far the workers have applied it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Self

from flask import Response, flash, make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from htmx_flask import request

from webapp.domain import rules
from webapp.domain.badges import quests
from webapp.domain.errors import ConflictError, DomainError
from webapp.domain.permissions import Permission
from webapp.domain.rules import ConditionDraft, RuleDraft, validation, wording
from webapp.domain.rules import reach as rule_reach
from webapp.domain.rules.reach import Reach
from webapp.models import Quest, Rule
from webapp.models.rule import ConditionKind
from webapp.pages.badges import blueprint
from webapp.pages.http.authorization import current_actor, permit
from webapp.pages.http.form import Form
from webapp.pages.http.request_args import parse_grouped_number, parse_number, printable
from webapp.transaction import transaction

ACTIVITY, QUEST, DAYS, NEW = "activity:", "quest:", "days", "new"
SPARE = 2  # one condition over the limit is shown, so that the domain reports it


@dataclass
class Row:
    """A condition as entered in the form: the type, the threshold, and the name of a new activity."""

    what: str = ""
    amount: str = ""
    name: str = ""

    @classmethod
    def of(cls, condition: Any) -> Row:
        if condition.kind == ConditionKind.QUEST:
            return cls(f"{QUEST}{condition.required_id}")
        what = DAYS if condition.kind == ConditionKind.DAYS else f"{ACTIVITY}{condition.activity}"
        return cls(what, str(condition.amount))

    def asked(self) -> ConditionDraft:
        if self.what.startswith(QUEST):
            return ConditionDraft(
                ConditionKind.QUEST, required_id=parse_number(self.what.removeprefix(QUEST))
            )
        amount = parse_grouped_number(self.amount)
        if self.what == DAYS:
            return ConditionDraft(ConditionKind.DAYS, amount)
        name = self.name if self.what == NEW else self.what.removeprefix(ACTIVITY)
        return ConditionDraft(ConditionKind.ACTIVITY, amount, name)


@dataclass(kw_only=True)
class RuleForm(Form):
    rows: list[Row] = field(default_factory=lambda: [Row()])
    any_of: bool = False
    seen: str = ""  # the rule that was previewed
    reach: Reach | None = None

    @classmethod
    def of(cls, rule: Rule | None) -> RuleForm:
        if rule is None:
            return cls(version=0)
        rows = [Row.of(condition) for condition in rule.conditions]
        return cls(rows=rows, any_of=rule.any_of, version=rule.version)

    @classmethod
    def sent(cls) -> Self:
        form, rows = super().sent(), []
        for place in range(validation.MOST + SPARE):
            parts = (request.form.get(f"{name}-{place}", "") for name in ("what", "amount", "name"))
            rows.append(Row(*(printable(part) for part in parts)))
        form.rows = [row for row in rows if row != Row()] or [Row()]
        form.any_of = request.form.get("match") == "any"
        form.version = form.version or 0
        return form

    def draft(self) -> RuleDraft:
        if self.rows == [Row()]:
            return RuleDraft((), self.any_of)
        for place, row in enumerate(self.rows):
            if not row.what:
                raise DomainError("rules.condition_missing", f"what-{place}")
        return RuleDraft(tuple(row.asked() for row in self.rows), self.any_of)

    @property
    def print(self) -> str:
        content = repr((self.rows, self.any_of, self.version))
        return hashlib.sha256(content.encode()).hexdigest()[:16]


@blueprint.get("/<int:badge_id>/quests/<int:quest_id>/rule")
@permit(Permission.EDIT_BADGES)
def rule(badge_id: int, quest_id: int) -> ResponseReturnValue:
    quest, kept = rules.get(badge_id, quest_id)
    return _page(quest, kept, RuleForm.of(kept))


@blueprint.post("/<int:badge_id>/quests/<int:quest_id>/rule")
@permit(Permission.EDIT_BADGES)
def change_rule(badge_id: int, quest_id: int) -> ResponseReturnValue:
    quest, kept = rules.get(badge_id, quest_id)
    form, then = RuleForm.sent(), request.form.get("then", "")
    if then == "add" or then.startswith("less-"):
        _reshape(form, then)
        return _page(quest, kept, form)
    try:
        draft = rules.validate(quest, form.draft())
        if then == "save" and form.seen == form.print:
            with transaction():
                saved = rules.save(badge_id, quest_id, form.draft(), current_actor(), form.version)
                looking = saved.total if saved.evaluating else 0
            return _saved(badge_id, looking)
    except ConflictError as conflict:
        quest, kept = rules.get(badge_id, quest_id)
        form.show_conflict(conflict, kept.version if kept else 0)
        return _page(quest, kept, form, 409)
    except DomainError as refusal:
        form.refuse(refusal)
        return _page(quest, kept, form, 422)
    form.reach = rule_reach.reach(quest, draft, current_actor().at)
    return _page(quest, kept, form)


@blueprint.post("/<int:badge_id>/quests/<int:quest_id>/rule/removal")
@permit(Permission.EDIT_BADGES)
def remove_rule(badge_id: int, quest_id: int) -> ResponseReturnValue:
    """Remove the rule. Members keep their badges."""
    with transaction():
        removed = rules.remove(badge_id, quest_id, current_actor())
    if removed:
        flash("Rule removed. Members who already earned the badge keep it.", "success")
    return redirect(url_for(".show", badge_id=badge_id, _anchor="quests"), 303)


@blueprint.get("/<int:badge_id>/quests/<int:quest_id>/rule/progress")
@permit(Permission.VIEW)
def rule_progress(badge_id: int, quest_id: int) -> ResponseReturnValue:
    if not request.htmx:
        return redirect(url_for(".show", badge_id=badge_id, _anchor="quests"), 303)
    quest, kept = rules.get(badge_id, quest_id)
    return render_template("badges/_rule.html", quest=quest, badge=quest.badge, rule=kept)


@blueprint.app_template_global()
def condition_words(condition: Any) -> str:
    return wording.describe(condition)


def _reshape(form: RuleForm, then: str) -> None:
    if then == "add":
        form.rows.append(Row())
        return
    place = parse_number(then.removeprefix("less-"))
    if place is not None and place < len(form.rows):
        del form.rows[place]
    form.rows = form.rows or [Row()]


def _saved(badge_id: int, looking: int) -> ResponseReturnValue:
    members = "1 member" if looking == 1 else f"{looking:,} members"
    flash(f"Rule saved. Checking {members}…" if looking else "Rule saved.", "success")
    address = url_for(".show", badge_id=badge_id, _anchor="quests")
    if request.htmx:
        return Response(status=200, headers={"HX-Redirect": address})
    return redirect(address, 303)


def _page(quest: Quest, kept: Rule | None, form: RuleForm, code: int = 200) -> ResponseReturnValue:
    named = sorted(
        {*rules.list_activities(), *(row.what[9:] for row in form.rows if row.what[:9] == ACTIVITY)}
    )
    shown: dict[str, Any] = {
        "quest": quest,
        "badge": quest.badge,
        "rule": kept,
        "form": form,
        "activities": named,
        "choices": quests.choices(),
        "called": quest.title,
        "most": validation.MOST,
    }
    template = "badges/_rule_form.html" if request.htmx else "badges/rule.html"
    return make_response(render_template(template, **shown), code)
