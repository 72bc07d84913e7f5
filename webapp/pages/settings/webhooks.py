"""Webhooks: endpoints, secrets and deliveries (A-6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, current_app, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from htmx_flask import request

from webapp.domain.errors import DomainError
from webapp.domain.permissions import Permission
from webapp.domain.webhooks import endpoints, url_policy
from webapp.messages import Message
from webapp.models import Endpoint
from webapp.models.webhook import DEFAULT_EVENTS
from webapp.pages.auth.step_up import confirmed
from webapp.pages.http.authorization import current_actor, permit
from webapp.pages.http.form import Form
from webapp.pages.http.list_query import QueryReader
from webapp.schemas.webhook_payloads import EVENT_DESCRIPTIONS
from webapp.transaction import transaction

LOST = Message("webhooks.unreadable_url")


blueprint = Blueprint("webhooks", __name__, url_prefix="/settings/webhooks")


@dataclass(kw_only=True)
class EndpointForm(Form):
    url: str = ""
    kinds: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, endpoint: Endpoint) -> EndpointForm:
        url = endpoints.url_of(endpoint)
        form = cls(url=url or "", kinds=endpoint.kinds)
        if url is None:
            form.errors["url"] = [str(LOST)]
        return form


@blueprint.get("")
@permit(Permission.MANAGE_INTEGRATIONS)
def index() -> ResponseReturnValue:
    return render_template("webhooks/index.html", rows=endpoints.overview())


@blueprint.get("/new")
@permit(Permission.MANAGE_INTEGRATIONS)
def new() -> ResponseReturnValue:
    return _new(EndpointForm(kinds=[str(kind) for kind in DEFAULT_EVENTS]))


@blueprint.post("")
@permit(Permission.MANAGE_INTEGRATIONS)
@confirmed("create a webhook")
def make() -> ResponseReturnValue:
    """Create an endpoint, and show its secret once."""
    form = EndpointForm.sent()
    try:
        url_policy.ensure_public(form.url.strip(), _allowed())
        with transaction():
            made = endpoints.create(form.url, form.kinds, _allowed(), current_actor())
            shown = {"endpoint_id": made.endpoint.id, "secret": made.secret, "fresh": True}
    except DomainError as refusal:
        form.refuse(refusal)
        return _new(form, 422)
    return render_template("webhooks/secret.html", **shown), 201


@blueprint.get("/<int:endpoint_id>")
@permit(Permission.MANAGE_INTEGRATIONS)
def show(endpoint_id: int) -> ResponseReturnValue:
    endpoint = endpoints.get(endpoint_id)
    return _page(endpoint, EndpointForm.of(endpoint))


@blueprint.post("/<int:endpoint_id>")
@permit(Permission.MANAGE_INTEGRATIONS)
@confirmed("change a webhook")
def change(endpoint_id: int) -> ResponseReturnValue:
    form = EndpointForm.sent()
    try:
        url_policy.ensure_public(form.url.strip(), _allowed())
        with transaction():
            endpoints.change(endpoint_id, form.url, form.kinds, _allowed(), current_actor())
    except DomainError as refusal:
        form.refuse(refusal)
        return _page(endpoints.get(endpoint_id), form, 422)
    return _redirect_with_message(endpoint_id, "Saved.")


@blueprint.get("/<int:endpoint_id>/secret")
@permit(Permission.MANAGE_INTEGRATIONS)
def secret_window(endpoint_id: int) -> ResponseReturnValue:
    return _window(endpoint_id, "rotation")


@blueprint.post("/<int:endpoint_id>/secret")
@permit(Permission.MANAGE_INTEGRATIONS)
@confirmed("rotate the secret of a webhook")
def rotate(endpoint_id: int) -> ResponseReturnValue:
    drop = request.form.get("drop_previous") == "yes"
    try:
        with transaction():
            secret = endpoints.rotate(endpoint_id, current_actor(), drop_previous=drop).secret
    except endpoints.RotatedRecentlyError:
        return _window(endpoint_id, "rotation", 409)
    page = {"endpoint_id": endpoint_id, "secret": secret, "fresh": False}
    return render_template("webhooks/secret.html", **page), 201


@blueprint.post("/<int:endpoint_id>/tests")
@permit(Permission.MANAGE_INTEGRATIONS)
def test(endpoint_id: int) -> ResponseReturnValue:
    return _do(endpoint_id, endpoints.test, "Test sent. Reload to see the result.")


@blueprint.post("/<int:endpoint_id>/switch")
@permit(Permission.MANAGE_INTEGRATIONS)
def switch(endpoint_id: int) -> ResponseReturnValue:
    on = request.form.get("on") == "yes"
    with transaction():
        endpoints.switch(endpoint_id, on, current_actor())
    return _redirect_with_message(endpoint_id, f"Webhook turned {'on' if on else 'off'}.")


@blueprint.get("/<int:endpoint_id>/removal")
@permit(Permission.MANAGE_INTEGRATIONS)
def removal_window(endpoint_id: int) -> ResponseReturnValue:
    return _window(endpoint_id, "removal")


@blueprint.post("/<int:endpoint_id>/removal")
@permit(Permission.MANAGE_INTEGRATIONS)
def remove(endpoint_id: int) -> ResponseReturnValue:
    with transaction():
        host = endpoints.remove(endpoint_id, current_actor())
    flash(f"Webhook to {host[:200]} removed.", "success")
    return redirect(url_for(".index"), 303)


@blueprint.post("/<int:endpoint_id>/deliveries/<int:delivery_id>/redelivery")
@permit(Permission.MANAGE_INTEGRATIONS)
def redeliver(endpoint_id: int, delivery_id: int) -> ResponseReturnValue:
    def again(number: int, actor: Any) -> None:
        endpoints.redeliver(number, delivery_id, actor)

    return _do(endpoint_id, again, "Event resent. Reload to see the result.")


def _do(endpoint_id: int, verb: Callable[[int, Any], Any], message: str) -> ResponseReturnValue:
    try:
        with transaction():
            verb(endpoint_id, current_actor())
    except DomainError as refusal:
        return _redirect_with_message(endpoint_id, refusal.message, "error")
    return _redirect_with_message(endpoint_id, message)


def _redirect_with_message(
    endpoint_id: int, text: str, kind: str = "success"
) -> ResponseReturnValue:
    flash(text, kind)
    return redirect(url_for(".show", endpoint_id=endpoint_id), 303)


def _new(form: EndpointForm, code: int = 200) -> ResponseReturnValue:
    return render_template("webhooks/new.html", form=form, events=EVENT_DESCRIPTIONS), code


def _page(
    endpoint: Endpoint, form: EndpointForm, code: int = 200, window: str = "", recent: bool = False
) -> ResponseReturnValue:
    reader = QueryReader(request.args)
    older = reader.place("older")
    page = render_template(
        "webhooks/show.html",
        endpoint=endpoint,
        form=form,
        events=EVENT_DESCRIPTIONS,
        log=endpoints.log(endpoint.id, older),
        older=older,
        warnings=reader.warnings,
        window=window,
        recent=recent,
    )
    return page, code


def _window(endpoint_id: int, window: str, code: int = 200) -> ResponseReturnValue:
    endpoint = endpoints.get(endpoint_id)
    recent = endpoints.has_previous_secret(endpoint, current_actor().at)
    if request.htmx:
        page = render_template(f"webhooks/_{window}.html", endpoint=endpoint, recent=recent)
        return page, code
    return _page(endpoint, EndpointForm.of(endpoint), code, window=window, recent=recent)


def _allowed() -> tuple[str, ...]:
    networks: tuple[str, ...] = current_app.config["LAUREL"].webhook_networks
    return networks
