"""Connections: communities whose members are pulled, and which show awards (CN-1, CN-2)."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, current_app, flash, redirect, render_template, send_file, url_for
from flask.typing import ResponseReturnValue
from htmx_flask import request

from webapp import package
from webapp.adapters.contract import (
    AdapterKind,
    Check,
    ConnectionProblem,
)
from webapp.domain.badges import quests
from webapp.domain.connections import comparison, mappings, pulls, pushes, settings
from webapp.domain.connections.settings import ConnectionFields
from webapp.domain.errors import DomainError
from webapp.domain.permissions import Permission
from webapp.models import Connection, MatchBy
from webapp.pages.auth.step_up import confirmed
from webapp.pages.http.authorization import current_actor, permit
from webapp.pages.http.form import Form
from webapp.pages.http.list_query import QueryReader
from webapp.transaction import transaction

CREATE = "+"  # in place of a badge's ID

blueprint = Blueprint("connections", __name__, url_prefix="/settings/connections")


@dataclass(kw_only=True)
class ConnectionForm(Form):
    kind: str = ""
    address: str = ""
    account: str = ""
    secret: str = ""
    match_by: str = MatchBy.ID
    imports_members: str = ""  # of a checkbox: "yes" or ""
    shows_awards: str = ""
    rate: str = ""

    @classmethod
    def of(cls, connection: Connection) -> ConnectionForm:
        return cls(
            kind=connection.kind,
            address=connection.address,
            account=connection.account,
            match_by=connection.match_by,
            imports_members="yes" if connection.imports_members else "",
            shows_awards="yes" if connection.shows_awards else "",
            rate=str(connection.rate),
        )

    def fields(self) -> ConnectionFields:
        rate = self.rate.strip()
        return ConnectionFields(
            self.kind,
            self.address.strip(),
            self.account.strip(),
            self.secret.strip(),
            self.match_by,
            self.imports_members == "yes",
            self.shows_awards == "yes",
            rate=(int(rate) if rate.isascii() and rate.isdigit() else 0) if rate else None,
        )


@dataclass(kw_only=True)
class MappingForm(Form):
    quest: int | None = None
    badge: str = ""  # its ID there, or CREATE


@blueprint.get("")
@permit(Permission.MANAGE_INTEGRATIONS)
def index() -> ResponseReturnValue:
    return render_template("connections/index.html", rows=settings.overview())


@blueprint.get("/new")
@permit(Permission.MANAGE_INTEGRATIONS)
def new() -> ResponseReturnValue:
    return _form("new", ConnectionForm(imports_members="yes", shows_awards="yes"))


@blueprint.get("/laurel-badges.php")
@permit(Permission.MANAGE_INTEGRATIONS)
def plugin() -> ResponseReturnValue:
    """Download the plugin for WordPress."""
    file = package.folder("connections") / "wordpress" / "laurel-badges.php"
    response = send_file(file, mimetype="text/plain", as_attachment=True)
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post("")
@permit(Permission.MANAGE_INTEGRATIONS)
@confirmed("connect a community")
def make() -> ResponseReturnValue:
    """Sign in to the community, and save the connection if that works."""
    form = ConnectionForm.sent()
    fields = form.fields()
    try:
        check = settings.check_fields(fields, _allowed())
        with transaction():
            connection = settings.create(fields, check, _allowed(), current_actor())
            connection_id = connection.id
    except DomainError as refusal:
        form.refuse(refusal)
        return _form("new", form, 422)
    return _to(connection_id, _connected(check))


@blueprint.get("/<int:connection_id>")
@permit(Permission.MANAGE_INTEGRATIONS)
def show(connection_id: int) -> ResponseReturnValue:
    return _page(settings.get(connection_id))


@blueprint.get("/<int:connection_id>/settings")
@permit(Permission.MANAGE_INTEGRATIONS)
def edit(connection_id: int) -> ResponseReturnValue:
    connection = settings.get(connection_id)
    return _form("edit", ConnectionForm.of(connection), connection=connection)


@blueprint.post("/<int:connection_id>/settings")
@permit(Permission.MANAGE_INTEGRATIONS)
@confirmed("change a connection")
def change(connection_id: int) -> ResponseReturnValue:
    form = ConnectionForm.sent()
    connection = settings.get(connection_id)
    form.kind = connection.kind
    fields = form.fields()
    try:
        check = settings.check_fields(fields, _allowed(), connection)
        with transaction():
            settings.change(connection_id, fields, check, _allowed(), current_actor())
    except DomainError as refusal:
        form.refuse(refusal)
        return _form("edit", form, 422, settings.get(connection_id))
    return _to(connection_id, _connected(check))


@blueprint.post("/<int:connection_id>/check")
@permit(Permission.MANAGE_INTEGRATIONS)
def check(connection_id: int) -> ResponseReturnValue:
    result = settings.check(connection_id, _allowed())
    with transaction():
        settings.record_check(connection_id, result, current_actor().at)
    if isinstance(result, ConnectionProblem):
        return _to(connection_id, str(result), "error")
    return _to(connection_id, _connected(result))


@blueprint.post("/<int:connection_id>/pulls")
@permit(Permission.MANAGE_INTEGRATIONS)
def pull(connection_id: int) -> ResponseReturnValue:
    try:
        with transaction():
            import_id = pulls.start(connection_id, current_actor()).id
    except DomainError as refusal:
        return _to(connection_id, refusal.message, "error")
    return redirect(url_for("members.show_import", import_id=import_id), 303)


@blueprint.post("/<int:connection_id>/switch")
@permit(Permission.MANAGE_INTEGRATIONS)
def switch(connection_id: int) -> ResponseReturnValue:
    on = request.form.get("on") == "yes"
    with transaction():
        settings.switch(connection_id, on, current_actor())
    return _to(connection_id, f"Connection turned {'on' if on else 'off'}.")


@blueprint.get("/<int:connection_id>/removal")
@permit(Permission.MANAGE_INTEGRATIONS)
def removal_window(connection_id: int) -> ResponseReturnValue:
    connection = settings.get(connection_id)
    if request.htmx:
        return render_template("connections/_removal.html", connection=connection)
    return _page(connection, window="removal")


@blueprint.post("/<int:connection_id>/removal")
@permit(Permission.MANAGE_INTEGRATIONS)
def remove(connection_id: int) -> ResponseReturnValue:
    with transaction():
        title = settings.remove(connection_id, current_actor())
    flash(f"Connection to {title[:200]} removed.", "success")
    return redirect(url_for(".index"), 303)


@blueprint.get("/<int:connection_id>/badges")
@permit(Permission.MANAGE_INTEGRATIONS)
def badges(connection_id: int) -> ResponseReturnValue:
    return _badges(settings.get(connection_id))


@blueprint.post("/<int:connection_id>/badges/list")
@permit(Permission.MANAGE_INTEGRATIONS)
def fetch_badges(connection_id: int) -> ResponseReturnValue:
    """Fetch the community's badges, to choose from."""
    connection = settings.get(connection_id)
    try:
        found = settings.fetch(connection, _allowed(), lambda adapter: adapter.badges())
        with transaction():
            mappings.store_badges(connection_id, found)
    except DomainError as refusal:
        flash(refusal.message, "error")
    else:
        flash("Badges fetched.", "success")
    return redirect(url_for(".badges", connection_id=connection_id), 303)


@blueprint.post("/<int:connection_id>/badges")
@permit(Permission.MANAGE_INTEGRATIONS)
def map_badge(connection_id: int) -> ResponseReturnValue:
    """Map a quest to a badge there, which is created first if that was chosen."""
    form = MappingForm.sent()
    connection = settings.get(connection_id)
    try:
        badge_id = None if form.badge == CREATE else form.badge
        badge = mappings.choose_badge(connection, form.quest, badge_id, _allowed())
        with transaction():
            mappings.create(connection_id, form.quest or 0, badge, current_actor())
    except DomainError as refusal:
        form.refuse(refusal)
        return _badges(settings.get(connection_id), form, 422)
    flash("Badge mapped. Its holders will be visible there soon.", "success")
    return redirect(url_for(".badges", connection_id=connection_id), 303)


@blueprint.post("/<int:connection_id>/badges/<int:mapping_id>/removal")
@permit(Permission.MANAGE_INTEGRATIONS)
def unmap(connection_id: int, mapping_id: int) -> ResponseReturnValue:
    with transaction():
        mappings.remove(connection_id, mapping_id, current_actor())
    flash("Mapping removed. Badges that members have there stay.", "success")
    return redirect(url_for(".badges", connection_id=connection_id), 303)


@blueprint.get("/<int:connection_id>/pending")
@permit(Permission.MANAGE_INTEGRATIONS)
def pending(connection_id: int) -> ResponseReturnValue:
    """What waits to be sent or was refused, for whom and why."""
    connection = settings.get(connection_id)
    reader = QueryReader(request.args)
    show = reader.choice("show", ("refused", "waiting"), what="filter") or "waiting"
    older = reader.place("older")
    return render_template(
        "connections/pending.html",
        connection=connection,
        figures=pushes.figures(connection),
        show=show,
        older=older,
        rows=pushes.pending(connection_id, refused=show == "refused", older_than=older),
        warnings=reader.warnings,
    )


@blueprint.post("/<int:connection_id>/retries")
@permit(Permission.MANAGE_INTEGRATIONS)
def retry(connection_id: int) -> ResponseReturnValue:
    with transaction():
        number = pushes.retry_refused(connection_id, current_actor())
    text = "Trying again…" if number else "Nothing was refused."
    flash(text, "success" if number else "info")
    return redirect(url_for(".pending", connection_id=connection_id), 303)


@blueprint.get("/<int:connection_id>/comparison")
@permit(Permission.MANAGE_INTEGRATIONS)
def compare(connection_id: int) -> ResponseReturnValue:
    connection = settings.get(connection_id)
    reader = QueryReader(request.args)
    older = reader.place("older")
    values = {
        "connection": connection,
        "running": comparison.is_running(connection),
        "counts": comparison.counts(connection_id),
        "older": older,
        "rows": comparison.differences(connection_id, older),
        "warnings": reader.warnings,
    }
    template = "_comparison" if request.htmx else "comparison"
    return render_template(f"connections/{template}.html", **values)


@blueprint.post("/<int:connection_id>/comparison")
@permit(Permission.MANAGE_INTEGRATIONS)
def start_comparison(connection_id: int) -> ResponseReturnValue:
    try:
        with transaction():
            comparison.start(connection_id, current_actor())
    except DomainError as refusal:
        flash(refusal.message, "error")
    return redirect(url_for(".compare", connection_id=connection_id), 303)


@blueprint.post("/<int:connection_id>/repair")
@permit(Permission.MANAGE_INTEGRATIONS)
def repair(connection_id: int) -> ResponseReturnValue:
    with transaction():
        number = comparison.repair(connection_id, current_actor())
    text = f"Repairing {number:,} {'badge' if number == 1 else 'badges'}…"
    flash(text if number else "There is nothing to repair.", "success" if number else "info")
    return redirect(url_for(".pending", connection_id=connection_id), 303)


def _badges(
    connection: Connection, form: MappingForm | None = None, code: int = 200
) -> ResponseReturnValue:
    rows = mappings.overview(connection.id)
    form = form or MappingForm()
    mapped = {row.mapping.quest_id for row in rows}
    taken = {row.mapping.remote_id for row in rows}
    page = render_template(
        "connections/badges.html",
        connection=connection,
        rows=rows,
        form=form,
        badges=quests.choices(held=mapped),
        mapped=mapped,
        choices=[(number, name) for number, name in connection.badges if number not in taken],
        create=CREATE,
    )
    return page, code


def _connected(check: Check) -> str:
    warnings = " ".join(map(str, check.warnings))
    return f"Connected to {check.community[:200]} as {check.account[:200]}. {warnings}".strip()


def _to(connection_id: int, text: str, kind: str = "success") -> ResponseReturnValue:
    flash(text, kind)
    return redirect(url_for(".show", connection_id=connection_id), 303)


def _form(
    page: str, form: ConnectionForm, code: int = 200, connection: Connection | None = None
) -> ResponseReturnValue:
    values = {"form": form, "kinds": list(AdapterKind), "matches": list(MatchBy)}
    rates = settings.RATES
    page = render_template(f"connections/{page}.html", connection=connection, rates=rates, **values)
    return page, code


def _page(connection: Connection, window: str = "") -> ResponseReturnValue:
    return render_template(
        "connections/show.html",
        connection=connection,
        history=pulls.history(connection.id),
        figures=pushes.figures(connection),
        window=window,
    )


def _allowed() -> tuple[str, ...]:
    networks: tuple[str, ...] = current_app.config["LAUREL"].webhook_networks
    return networks
