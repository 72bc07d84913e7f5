"""The page of the setup link: the first admin chooses a name and a password, then signs in (E-2)."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.domain.errors import DomainError, NotFoundError
from webapp.domain.staff import first_admin
from webapp.pages.http.authorization import anonymous_actor, public
from webapp.pages.http.form import Form
from webapp.transaction import transaction

blueprint = Blueprint("setup", __name__)


@dataclass(kw_only=True)
class SetupForm(Form):
    email: str = ""
    name: str = ""
    password: str = ""


@blueprint.route(first_admin.URL_PREFIX + "<key>", methods=["GET", "POST"], endpoint="enter")
@public
def enter(key: str) -> ResponseReturnValue:
    """Ask for an email, a name and a password. A GET does not use up the link."""
    actor = anonymous_actor()
    if request.method == "GET":
        if not first_admin.is_valid(key, actor.at):
            return _too_late()
        return render_template("security/setup.html", form=SetupForm())
    form = SetupForm.sent()
    try:
        choice = first_admin.prepare(key, form.email, form.name, form.password, actor.at)
        with transaction():
            only = current_app.config["LAUREL"].passwords == "break-glass"
            first_admin.create(choice, actor, break_glass=only)
    except DomainError as refusal:
        form.refuse(refusal)
        return render_template("security/setup.html", form=form), 422
    except NotFoundError:
        return _too_late()
    flash("Your account is ready. Sign in to begin.", "success")
    return redirect(url_for("security.login"), 303)


def _too_late() -> ResponseReturnValue:
    """Say what to do instead: sign in if there is an admin, else get a new link."""
    if first_admin.is_missing():
        return render_template("security/setup_expired.html"), 404
    flash("Laurel is already set up. Sign in with your account.", "info")
    return redirect(url_for("security.login"), 303)
