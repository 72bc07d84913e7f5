"""What commands print: a result on standard output, as text or with --json for scripts; all else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

from webapp.domain.dates import moment

json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the result as JSON. All other output goes to standard error.",
)


def show(text: str, data: object, *, as_json: bool, err: bool = False) -> None:
    """Print a command's result; on standard error if its file went to standard output.

    Raises OSError if it can't be written. So if it contains a secret that can't be shown again, call this inside the
    transaction: then nothing is created that no one has seen.
    """
    if not err:
        require_stream(sys.stdout, "output")
    click.echo(to_json(data) if as_json else text, err=err)


def to_json(data: object) -> str:
    """One line of JSON; times as in the API."""
    return json.dumps(data, ensure_ascii=False, default=_json_value)


def _json_value(value: object) -> str | None:
    if isinstance(value, datetime):
        return moment(value)
    raise TypeError(f"{type(value).__name__} has no JSON")


def tell(text: str) -> None:
    """Print a remark, which isn't part of the result, on standard error; it doesn't matter if no one can read it."""
    with suppress(OSError):
        click.echo(text, err=True)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def minute(at: datetime | None, none: str = "") -> str:
    return none if at is None else f"{at:%Y-%m-%d %H:%M}"


def progress_bar(label: str, length: int) -> ProgressBar[int]:
    """A progress bar on standard error, if that is a terminal."""
    shown = sys.stderr is not None and sys.stderr.isatty()
    return click.progressbar(length=length, label=label, file=sys.stderr, hidden=not shown)


def require_stream(stream: Any, name: str) -> None:
    """End the command if the shell closed this standard stream (as with `>&-`): Python would ignore what is printed."""
    if stream is None:
        raise click.ClickException(f"Standard {name} is closed.")
