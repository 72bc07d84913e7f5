"""The pages: one blueprint for each folder of templates."""

from __future__ import annotations

from flask import Flask, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import CSRFProtect
from werkzeug.routing import IntegerConverter, Map

from webapp.pages.access import public


class RowNumber(IntegerConverter):
    """The number of a row in an address; one that no database can hold is nowhere: 404."""

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map, max=2**63 - 1)


def init_app(app: Flask) -> None:
    """Registers everything that answers a browser."""
    from webapp.pages import (
        access,
        account,
        activities,
        api_docs,
        api_keys,
        badges,
        batches,
        errors,
        headers,
        health,
        insights,
        member_imports,  # noqa: F401 part of the members' blueprint
        member_standing,  # noqa: F401 as these are
        members,
        presentation,
        profile,  # noqa: F401 its pages are part of the members' blueprint
        record,
        second_factor,  # noqa: F401 its pages are part of the account's blueprint
        sign_in,
        sign_in_code,  # noqa: F401 part of signing in
        staff,
        step_up,
        system,
        webhooks,
        welcome,
    )

    app.url_map.converters["int"] = RowNumber
    app.config["WTF_CSRF_TIME_LIMIT"] = None  # a page may stay open: its token lives as long as it
    presentation.init_app(app)
    headers.init_app(app)
    app.register_blueprint(sign_in.blueprint)
    app.add_url_rule("/", "start", start)
    health.init_app(app)
    # One line for each blueprint:
    app.register_blueprint(account.blueprint)
    app.register_blueprint(activities.blueprint)
    app.register_blueprint(badges.blueprint)
    app.register_blueprint(batches.blueprint)
    app.register_blueprint(insights.blueprint)
    app.register_blueprint(members.blueprint)
    app.register_blueprint(record.blueprint)
    app.register_blueprint(api_docs.blueprint)
    app.register_blueprint(api_keys.blueprint)
    app.register_blueprint(webhooks.blueprint)
    app.register_blueprint(staff.blueprint)
    app.register_blueprint(system.blueprint)
    app.register_blueprint(welcome.blueprint)

    access.init_app(app)  # before the token is looked at: who was signed out is asked to sign in
    CSRFProtect(app)
    step_up.init_app(app)  # after the token: a forged request is never offered for confirmation
    errors.init_app(app)


@public
def start() -> ResponseReturnValue:
    """The start page is the badges."""
    return redirect(url_for("badges.index"), 303)
