"""The pages: one blueprint for each folder of templates."""

from __future__ import annotations

from flask import Flask
from flask_wtf import CSRFProtect
from werkzeug.routing import IntegerConverter, Map


class RowNumber(IntegerConverter):
    """The number of a row in a URL. Numbers too large for a database column don't match and give 404."""

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map, max=2**63 - 1)


def init_app(app: Flask) -> None:
    from webapp.pages import (
        account,
        activities,
        auth,
        badges,
        batches,
        credentials,
        health,
        home,
        insights,
        members,
        outside,
        search,
    )
    from webapp.pages.audit_log import audit_log
    from webapp.pages.auth import choose_password, remote_user, setup, single_sign_on, step_up
    from webapp.pages.help import help
    from webapp.pages.http import authorization, error_handlers, security_headers, template_helpers
    from webapp.pages.settings import (
        api_keys,
        community,
        connections,
        open_badges,
        staff,
        system,
        webhooks,
    )

    app.url_map.converters["int"] = RowNumber
    app.config["WTF_CSRF_TIME_LIMIT"] = None  # CSRF tokens live as long as the session
    template_helpers.init_app(app)
    security_headers.init_app(app)
    app.register_blueprint(auth.blueprint)
    health.init_app(app)
    # One line for each blueprint:
    app.register_blueprint(home.blueprint)
    app.register_blueprint(account.blueprint)
    app.register_blueprint(activities.blueprint)
    app.register_blueprint(badges.blueprint)
    app.register_blueprint(batches.blueprint)
    app.register_blueprint(insights.blueprint)
    app.register_blueprint(members.blueprint)
    app.register_blueprint(audit_log.blueprint)
    app.register_blueprint(search.blueprint)
    help.init_app(app)
    app.register_blueprint(community.blueprint)
    app.register_blueprint(open_badges.blueprint)
    app.register_blueprint(credentials.blueprint)
    app.register_blueprint(outside.blueprint)
    app.register_blueprint(api_keys.blueprint)
    app.register_blueprint(webhooks.blueprint)
    app.register_blueprint(connections.blueprint)
    app.register_blueprint(staff.blueprint)
    app.register_blueprint(system.blueprint)
    app.register_blueprint(choose_password.blueprint)
    app.register_blueprint(setup.blueprint)
    single_sign_on.init_app(app)
    remote_user.init_app(app)

    # Before the CSRF check: people who are signed out are asked to sign in.
    authorization.init_app(app)
    csrf = CSRFProtect(app)
    csrf.exempt(app.view_functions["sso.back_channel_logout"])
    csrf.exempt(outside.blueprint)  # no session: the link is the secret
    step_up.init_app(app)  # after the CSRF check: never asks to confirm a forged request
    error_handlers.init_app(app)
