"""Store codes of messages and their values in place of English sentences."""

import json
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

CHUNK = 5_000

KEPT = {
    "(revoked since)": "revoked",
    "(held before this batch)": "before",
    "(awarded again since)": "again",
    "(changed since)": "changed",
    "(it could not be taken back)": "failed",
}
DELIVERY_ERRORS = {
    "What it tells of is not there any more.": "webhooks.subject_gone",
    "It answered with a redirect, which is not followed.": "webhooks.redirect",
    "The answer was too long.": "webhooks.response_too_long",
    "It did not answer in time.": "webhooks.timed_out",
    "The time was over.": "webhooks.timed_out",
    "Its certificate, or its TLS, is not right.": "webhooks.tls",
    "It can't be connected to.": "webhooks.not_connected",
    "It did not answer in HTTP.": "webhooks.not_http",
    "The connection broke off.": "webhooks.connection_lost",
    "The address is not public.": "webhooks.url_private",
    "The address is not https.": "webhooks.not_https",
    "The name has no address.": "webhooks.host_not_found",
    "The name was not found.": "webhooks.host_not_found",
    "The name was not found in time.": "webhooks.host_timeout",
}
DISABLED = {
    "it answered 410 Gone": "webhooks.gone",
    "This address is not public.": "webhooks.url_private",
    "The address must begin with https://.": "webhooks.url_scheme",
}
UNREADABLE = "webhooks.unreadable_url"
INTERRUPTED = {"the worker was ended each time": "rules.interrupted"}
STATUSES = {"Active": "active", "Suspended": "suspended", "Left": "left"}
SETTINGS = {"description", "shape", "colour", "icon"}
ROW_MESSAGES = {
    "Where Id, Username or Email was not found": "rows.not_found",
    "User was not found": "rows.no_match",
    "With duplicated info, these rows will be automatically merged": "rows.merged",
    "This user is already in the batch.": "rows.already_in_batch",
}
UNABLE = {
    "has left the community": "members.unable_left",
    "is suspended": "members.unable_suspended",
}
SEPARATORS = ("semicolons", "commas", "tabs", "pipes")
IMPORT_SENTENCES = {
    "imports.id_missing": "The ID is missing.",
    "imports.id_twice": "The ID {id} is in an earlier row; the first one counts.",
    "imports.not_an_email": "“{value}” is not an email address.",
    "imports.joined_invalid": "Joined: “{value}” is not a certain date. Write a day like 2026-11-22.",
    "imports.status_invalid": "Status: “{value}” is none of Active, Suspended, Left.",
    "imports.username_required": "There is no member with this ID; a new one needs a username.",
    "imports.any_taken": "The username or email belongs to another member.",
    "imports.row_refused": "The database refused this row.",
    "imports.username_taken": "The username {value} belongs to another member (ID {holder}).",
    "imports.username_taken_earlier": "The username {value} is that of an earlier row.",
    "imports.email_dropped": "The email {value} belongs to another member (ID {holder}), so it is not imported.",
    "imports.email_dropped_earlier": "The email {value} is that of an earlier row, so it is not imported.",
}


def _pattern(sentence: str) -> re.Pattern[str]:
    """A pattern for a sentence with values; the longest value that was shown has 41 characters."""
    parts = re.split(r"{(\w+)}", sentence)
    named = [
        f"(?P<{part}>.{{1,41}}?)" if place % 2 else re.escape(part)
        for place, part in enumerate(parts)
    ]
    return re.compile("".join(named))


_SENTENCES = [(_pattern(sentence), code) for code, sentence in IMPORT_SENTENCES.items()]
_DAYS = re.compile(r"([\d,]+) days? since joining")
_BADGE = re.compile(r"holding (.+)")
_ACTIVITY = re.compile(r"([\d,]+) (.+)")
_BOUNDARY = re.compile(r", | and | or ")

awards = sa.table("awards", sa.column("source"), sa.column("reason"))
entries = sa.table("entries", sa.column("outcome"), sa.column("reason_detail"))
UNDONE = entries.c.outcome.in_(("kept", "not_held"))
deliveries = sa.table("deliveries", sa.column("last_error"), sa.column("response_status"))
endpoints = sa.table("endpoints", sa.column("disabled_reason"))
rules = sa.table("rules", sa.column("last_error"))
import_rows = sa.table(
    "member_import_rows",
    sa.column("id", sa.BigInteger),
    sa.column("message", sa.Text),
    sa.column("messages", sa.JSON),
)
uploads = sa.table("uploads", sa.column("id", sa.BigInteger), sa.column("preview", sa.LargeBinary))
events = sa.table(
    "audit_events",
    sa.column("id", sa.BigInteger),
    sa.column("verb", sa.String),
    sa.column("detail", sa.JSON),
)


def upgrade() -> None:
    _replace(entries, "reason_detail", KEPT, UNDONE)
    _replace(deliveries, "last_error", DELIVERY_ERRORS)
    answered = deliveries.c.last_error.like("It answered %")
    op.execute(sa.update(deliveries).where(answered).values(last_error="webhooks.status"))
    known = set(DISABLED.values()) | {""}
    _replace(endpoints, "disabled_reason", DISABLED)
    unknown = endpoints.c.disabled_reason.not_in(known)
    op.execute(sa.update(endpoints).where(unknown).values(disabled_reason=UNREADABLE))
    _replace(rules, "last_error", INTERRUPTED)
    _convert_reasons(_pack_rule)

    op.add_column(
        "member_import_rows", sa.Column("messages", sa.JSON, server_default="[]", nullable=False)
    )
    _convert(import_rows, "message", "messages", _import_messages, import_rows.c.message != "")
    op.drop_column("member_import_rows", "message")
    _convert(uploads, "preview", "preview", _pack_preview, uploads.c.preview.is_not(None))
    _convert_events(_NEW_DETAILS)


def downgrade() -> None:
    _convert_events(_OLD_DETAILS)
    _convert(uploads, "preview", "preview", _unpack_preview, uploads.c.preview.is_not(None))
    op.add_column(
        "member_import_rows", sa.Column("message", sa.Text, server_default="", nullable=False)
    )
    filled = sa.cast(import_rows.c.messages, sa.Text) != "[]"
    _convert(import_rows, "messages", "message", _rendered, filled)
    op.drop_column("member_import_rows", "messages")
    _convert_reasons(_unpack_rule)
    _replace(rules, "last_error", _swap(INTERRUPTED))
    _replace(endpoints, "disabled_reason", _swap(DISABLED))
    lost = endpoints.c.disabled_reason == UNREADABLE
    op.execute(sa.update(endpoints).where(lost).values(disabled_reason="its address is lost"))
    status = sa.literal("It answered ") + sa.cast(deliveries.c.response_status, sa.Text) + "."
    answered = deliveries.c.last_error == "webhooks.status"
    op.execute(sa.update(deliveries).where(answered).values(last_error=status))
    _replace(deliveries, "last_error", _swap(DELIVERY_ERRORS))
    _replace(entries, "reason_detail", _swap(KEPT), UNDONE)


def _swap(texts: dict[str, str]) -> dict[str, str]:
    return {code: text for text, code in reversed(texts.items())}


def _replace(table: sa.TableClause, column: str, texts: dict[str, str], where: Any = None) -> None:
    field = table.c[column]
    changed = sa.update(table).where(field.in_(list(texts)))
    if where is not None:
        changed = changed.where(where)
    op.execute(changed.values({column: sa.case(texts, value=field, else_=field)}))


def _convert_reasons(convert: Callable[[str], str]) -> None:
    """Reasons of awards by rules: there are as many as rules were saved, whatever the number of awards."""
    by_rule = awards.c.source == "rule"
    reasons = sa.select(awards.c.reason).where(by_rule, awards.c.reason != "").distinct()
    for reason in op.get_bind().scalars(reasons).all():
        same = sa.update(awards).where(by_rule, awards.c.reason == reason)
        op.execute(same.values(reason=convert(reason)))


def _convert(
    table: sa.TableClause, source: str, target: str, convert: Callable[[Any], Any], where: Any
) -> None:
    """Convert a column a chunk of rows at a time."""
    connection = op.get_bind()
    last = 0
    chunk = sa.select(table.c.id, table.c[source]).where(where).order_by(table.c.id).limit(CHUNK)
    while rows := connection.execute(chunk.where(table.c.id > last)).all():
        update = sa.update(table).where(table.c.id == sa.bindparam("row_id"))
        update = update.values({target: sa.bindparam("value", type_=table.c[target].type)})
        connection.execute(update, [{"row_id": id_, "value": convert(old)} for id_, old in rows])
        last = rows[-1][0]


def _convert_events(
    convert: dict[str, Callable[[dict[str, Any]], tuple[str, dict[str, Any]]]],
) -> None:
    connection = op.get_bind()
    _set_append_only(False)
    chunk = sa.select(events).where(events.c.verb.in_(list(convert))).order_by(events.c.id)
    update = sa.update(events).where(events.c.id == sa.bindparam("row_id"))
    update = update.values(
        verb=sa.bindparam("new_verb"), detail=sa.bindparam("new_detail", type_=sa.JSON)
    )
    last = 0
    while rows := connection.execute(chunk.where(events.c.id > last).limit(CHUNK)).all():
        changed = [(row.id, *convert[row.verb](dict(row.detail))) for row in rows]
        connection.execute(
            update,
            [
                {"row_id": id_, "new_verb": verb, "new_detail": detail}
                for id_, verb, detail in changed
            ],
        )
        last = rows[-1].id
    _set_append_only(True)


def _set_append_only(on: bool) -> None:
    """Allow or forbid changes to the audit log: only a migration may convert its entries, in its own transaction."""
    if op.get_bind().dialect.name == "postgresql":
        state = "ENABLE" if on else "DISABLE"
        op.execute(f"ALTER TABLE audit_events {state} TRIGGER audit_events_append_only")
    elif on:
        op.execute(
            "CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events "
            "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
        )
    else:
        op.execute("DROP TRIGGER audit_events_no_update")


def _text(text: str) -> list[Any]:
    return ["common.text", {"text": text}]


def _pack_rule(words: str) -> str:
    conditions = [_condition(part) for part in _BOUNDARY.split(words)]
    if None in conditions:
        conditions = [["text", words]]
    return json.dumps({"any" if " or " in words else "all": conditions}, ensure_ascii=False)


def _condition(words: str) -> list[Any] | None:
    if found := _DAYS.fullmatch(words):
        return ["days", int(found[1].replace(",", ""))]
    if found := _BADGE.fullmatch(words):
        return ["quest", found[1]]
    if found := _ACTIVITY.fullmatch(words):
        return ["activity", int(found[1].replace(",", "")), found[2]]
    return None


def _unpack_rule(stored: str) -> str:
    ((word, conditions),) = json.loads(stored).items()
    parts = [_words(*condition) for condition in conditions]
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {'or' if word == 'any' else 'and'} {parts[-1]}"


def _words(kind: str, value: Any, name: str = "") -> str:
    if kind == "days":
        return f"{value:,} {'day' if value == 1 else 'days'} since joining"
    if kind == "activity":
        return f"{value:,} {name.replace('_', ' ')}"
    return f"holding {value}" if kind == "quest" else str(value)


def _import_messages(text: str) -> list[Any]:
    found, rest = [], text
    while rest:
        for pattern, code in _SENTENCES:
            if match := pattern.match(rest):
                found.append([code, match.groupdict()])
                rest = rest[match.end() :].lstrip()
                break
        else:
            return [_text(text)]
    return found


def _rendered(messages: list[Any]) -> str:
    return " ".join(_render(*message) for message in messages)


def _render(code: str, values: dict[str, Any]) -> str:
    if code == "common.text":
        return str(values["text"])
    return IMPORT_SENTENCES.get(code, code).format(**values)


def _pack_preview(packed: bytes) -> bytes:
    preview = _opened(packed)
    if preview is None:
        return packed
    head, lines = preview
    head["how"] = _format(head["how"])
    head["warnings"] = [_text(warning) for warning in head.get("warnings", ())]
    for line in lines:
        message, note, unable = line[3], line[4], line[8] if len(line) > 8 else ""
        known = ROW_MESSAGES.get(message)
        line[3] = ([known, {}] if known else _text(message)) if message else None
        line[4] = [_text(note)] if note else []
        line[8:9] = [[UNABLE[unable], {}] if unable in UNABLE else None]
    return _zipped(head, lines)


def _unpack_preview(packed: bytes) -> bytes:
    preview = _opened(packed)
    if preview is None:
        return packed
    head, lines = preview
    head["how"] = _format_words(*head["how"])
    head["warnings"] = [_render(*warning) for warning in head["warnings"]]
    messages, unable = _swap(ROW_MESSAGES), _swap(UNABLE)
    for line in lines:
        line[3] = (messages.get(line[3][0]) or _render(*line[3])) if line[3] else ""
        line[4] = ". ".join(_render(*note) for note in line[4])
        line[8] = unable.get(line[8][0], "") if line[8] else ""
    return _zipped(head, lines)


def _opened(packed: bytes) -> Any:
    """Return a preview's head and lines; None for a damaged one, which pages can't show either."""
    try:
        return json.loads(zlib.decompress(packed))
    except (zlib.error, ValueError):
        return None


def _zipped(head: dict[str, Any], lines: list[Any]) -> bytes:
    return zlib.compress(json.dumps([head, lines], ensure_ascii=False).encode(), level=1)


def _format(words: str) -> list[Any]:
    """`semicolons, UTF-8, header in row 4, 3 rows above it skipped` as a message."""
    cells, encoding, place, *skipped = words.split(", ")
    code = cells if cells in SEPARATORS else "one_column"
    line = int(place.rpartition(" ")[2]) if place.startswith("header in row ") else 0
    rows = int(skipped[0].split()[0].replace(",", "")) if skipped else 0
    header = ["csv_files.header_in_row", {"line": line, "skipped": rows}]
    return [
        "csv_files.details",
        {
            "cells": [f"csv_files.{code}", {}],
            "encoding": encoding,
            "header": header if line else ["csv_files.no_header", {}],
        },
    ]


def _format_words(_: str, values: dict[str, Any]) -> str:
    cells = values["cells"][0].removeprefix("csv_files.").replace("_", " ")
    header = values["header"][1]
    place = f"header in row {header['line']}" if header else "no header"
    skipped = header.get("skipped")
    rows = f", {skipped:,} {'row' if skipped == 1 else 'rows'} above it skipped" if skipped else ""
    return f"{cells}, {values['encoding']}, {place}{rows}"


Converted = tuple[str, dict[str, Any]]


def _member_saved(detail: dict[str, Any]) -> Converted:
    verb = "member.created" if detail.pop("what", "") == "added" else "member.changed"
    return verb, detail


def _member_created(detail: dict[str, Any]) -> Converted:
    return "member.saved", {**detail, "what": "added"}


def _member_changed(detail: dict[str, Any]) -> Converted:
    return "member.saved", {**detail, "what": "changed"}


def _status_changed(detail: dict[str, Any]) -> Converted:
    return "member.status_changed", {
        **detail,
        **{name: STATUSES.get(detail[name], detail[name]) for name in ("was", "now")},
    }


def _status_named(detail: dict[str, Any]) -> Converted:
    labels = _swap(STATUSES)
    return "member.status_changed", {
        **detail,
        **{name: labels.get(detail[name], detail[name]) for name in ("was", "now")},
    }


def _rule_saved(detail: dict[str, Any]) -> Converted:
    what = detail.pop("what", "")
    return "rule.saved", {**detail, "rule": _pack_rule(what)}


def _rule_worded(detail: dict[str, Any]) -> Converted:
    rule = detail.pop("rule")
    return "rule.saved", {**detail, "what": _unpack_rule(rule)}


def _badge_changed(detail: dict[str, Any]) -> Converted:
    what = detail.pop("what", "")
    return "badge.changed", {**detail, "changes": list(_changes(what))}


def _changes(words: str) -> Iterator[list[Any]]:
    renamed = re.match(r"name from “(.*?)” to “(.*?)”(?:, |$)", words)
    if renamed:
        yield ["badge_changes.name", {"before": renamed[1], "after": renamed[2]}]
        words = words[renamed.end() :]
    for part in filter(None, words.split(", ")):
        if part in ("Automatic from now on", "Manual from now on"):
            yield [f"badge_changes.{part.split()[0].lower()}", {}]
        else:
            yield [f"badge_changes.{part}", {}] if part in SETTINGS else _text(part)


def _badge_worded(detail: dict[str, Any]) -> Converted:
    words = []
    for code, values in detail.pop("changes"):
        name = code.partition(".")[2]
        if name == "name":
            words.append(f"name from “{values['before']}” to “{values['after']}”")
        elif name in ("automatic", "manual"):
            words.append(f"{name.capitalize()} from now on")
        else:
            words.append(values.get("text", name))
    return "badge.changed", {**detail, "what": ", ".join(words)}


def _endpoint_disabled(detail: dict[str, Any]) -> Converted:
    why = detail.pop("why", "")
    return "endpoint.disabled", detail | ({"reason": DISABLED.get(why, UNREADABLE)} if why else {})


def _endpoint_worded(detail: dict[str, Any]) -> Converted:
    reason = detail.pop("reason", "")
    why = _swap(DISABLED).get(reason, "its address is lost") if reason else ""
    return "endpoint.disabled", {**detail, "why": why}


_NEW_DETAILS = {
    "member.saved": _member_saved,
    "member.status_changed": _status_changed,
    "rule.saved": _rule_saved,
    "badge.changed": _badge_changed,
    "endpoint.disabled": _endpoint_disabled,
}
_OLD_DETAILS = {
    "member.created": _member_created,
    "member.changed": _member_changed,
    "member.status_changed": _status_named,
    "rule.saved": _rule_worded,
    "badge.changed": _badge_worded,
    "endpoint.disabled": _endpoint_worded,
}
