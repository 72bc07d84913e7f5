"""The sentences that the domain shows to people, by code; `en.toml` has their texts.

The domain raises and stores codes with values; shells render them. In a text, `{name}` is replaced by a
value, with thousands separators if it is a number; `{rows:row}` by the number with its noun, `1 row` or `2 rows`, and
`{tries:try|tries}` with an irregular one; `{rows:=was|were}` only by the word. Text in brackets is left out unless all
its values are present and not 0 or empty.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Any

OPTIONAL = re.compile(r"\[([^]]*)\]")


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence by its code, with the values that it needs: texts, numbers or other messages."""

    code: str
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        text = catalogue().get(self.code)
        return self.code if text is None else fill(text, self.values)

    def to_json(self) -> list[Any]:
        """Return the message as a value for a JSON column."""
        values = {
            name: value.to_json() if isinstance(value, Message) else value
            for name, value in self.values.items()
        }
        return [self.code, values]

    @classmethod
    def from_json(cls, stored: list[Any]) -> Message:
        """Return the message that `to_json` converted."""
        code, values = stored
        return cls(
            code,
            {
                name: cls.from_json(value) if isinstance(value, list) else value
                for name, value in values.items()
            },
        )


def message(code: str, **values: Any) -> Message:
    """Shorthand for `Message`."""
    return Message(code, values)


def join(messages: Iterable[Message | None], separator: str = " ") -> str:
    """Render several messages, one after the other."""
    return separator.join(str(one) for one in messages if one)


def text_of(code: str) -> str:
    """Return the text of a code, or the code itself if it's unknown: a later version may have stored it."""
    return catalogue().get(code, code)


@cache
def catalogue() -> dict[str, str]:
    """Return the text of every code: `section.name`."""
    sections = _read("en.toml")
    return {
        f"{section}.{name}": text
        for section, texts in sections.items()
        for name, text in texts.items()
    }


@cache
def audit_actions() -> dict[str, tuple[str, str]]:
    """Return the label and the sentence of each action in the audit log."""
    actions = _read("audit_log.toml")["actions"]
    return {verb: (label, sentence) for verb, (label, sentence) in actions.items()}


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(files(__name__).joinpath(name).read_text(encoding="utf-8"))


def fill(text: str, values: Mapping[str, Any]) -> str:
    """Put values into a text; `…` replaces a missing one."""
    text = _without_optional(text, values)
    return _FORMATTER.vformat(text, (), values) if "{" in text else text


def fill_around(text: str, name: str, values: Mapping[str, Any]) -> tuple[str, bool, str]:
    """Fill a text like `fill`; return what comes before `{name}`, whether it is there, and what comes after."""
    text = _without_optional(text, values)
    before, found, after = text.partition(f"{{{name}}}")
    return fill(before, values), bool(found), fill(after, values)


def names_in(text: str) -> set[str]:
    """Return the names of the values that a text uses."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def _without_optional(text: str, values: Mapping[str, Any]) -> str:
    if "[" not in text:
        return text
    return OPTIONAL.sub(lambda part: part[1] if _has_all(part[1], values) else "", text)


def _has_all(part: str, values: Mapping[str, Any]) -> bool:
    return all(values.get(name) for name in names_in(part))


class _Formatter(Formatter):
    def get_value(self, key: int | str, args: Any, kwargs: Mapping[str, Any]) -> Any:
        return kwargs.get(str(key), "…")

    def format_field(self, value: Any, format_spec: str) -> str:
        number = isinstance(value, int) and not isinstance(value, bool)
        shown = f"{value:,}" if number else str(value)
        if not format_spec:
            return shown
        one, _, many = format_spec.removeprefix("=").partition("|")
        noun = one if value == 1 else many or f"{one}s"
        return noun if format_spec.startswith("=") else f"{shown} {noun}"


_FORMATTER = _Formatter()
