"""The page of an invite or reset link: choose a name and a password, then sign in (R-3)."""

from __future__ import annotations

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.domain.errors import DomainError, NotFoundError
from webapp.domain.staff import password_links
from webapp.models import Staff
from webapp.pages.http import browser_session
from webapp.pages.http.authorization import anonymous_actor, public
from webapp.transaction import transaction

blueprint = Blueprint("welcome", __name__)


@blueprint.route(password_links.URL_PREFIX + "<key>", methods=["GET", "POST"], endpoint="enter")
@public
def enter(key: str) -> ResponseReturnValue:
    """Ask for a name and a password. A GET does not use up the link, because chat programs open links for previews."""
    actor = anonymous_actor()
    person = password_links.owner(key, actor.at)
    if person is None:
        return _too_late()
    if request.method == "GET":
        return _page(person, {})
    try:
        typed = request.form.get("name", ""), request.form.get("password", "")
        choice = password_links.prepare(key, *typed, actor.at)
        with transaction():
            password_links.redeem(choice, actor)
    except DomainError as refusal:
        return _page(person, {refusal.field or "": [refusal.message]}), 422
    except NotFoundError:
        return _too_late()
    browser_session.end()  # sign out anyone signed in in this browser: it now belongs to someone else
    allowed = person.break_glass or current_app.config["LAUREL"].passwords == "everyone"
    text = "You can now sign in." if allowed else "Only break-glass admins can sign in with one."
    flash(f"Password set. {text}", "success")
    return redirect(url_for("security.login"), 303)


def _page(person: Staff, errors: dict[str, list[str]]) -> str:
    name = request.form.get("name", person.name)
    return render_template("security/welcome.html", person=person, name=name, errors=errors)


def _too_late() -> ResponseReturnValue:
    return render_template("security/link_expired.html"), 404
