"""Rules for templates: nothing inline, nothing unescaped, fragments have one root element with an id."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import Environment, meta

from tests.conftest import settings_for
from webapp import create_app

TEMPLATES = Path(__file__).parents[2] / "templates"
FILES = sorted(TEMPLATES.rglob("*.html"))
FRAGMENTS = [file for file in FILES if file.name.startswith("_")]
BY_PATH = {"ids": lambda file: str(file.relative_to(TEMPLATES))}

FORBIDDEN = {
    "an inline style": r"\sstyle\s*=|<style\b",
    "an inline script": r"<script(?![^>]*\ssrc=)",
    "an inline handler": r"[\s\"']on[a-z]+\s*=",
    "hx-on": r"\bhx-on\b",
    "an expression that the policy stops": r"hx-(vals|headers|confirm)[^=]*=['\"]js:|hx-trigger=\"[^\"]*\[",
    "unescaped output": r"\|\s*safe\b|autoescape\s+false|Markup\(",
    "a name that htmx 4 no longer knows": r"\bhx-(disabled-elt|ext|params|prompt)\b",
    "another host": r"(src|href|action)=\"(https?:)?//",
}


def without_comments(text: str) -> str:
    return re.sub(r"\{#.*?#\}", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("file", FILES, **BY_PATH)
def test_nothing_inline_and_nothing_unescaped(file: Path) -> None:  # S4, W95
    text = without_comments(file.read_text(encoding="utf-8"))
    found = [name for name, pattern in FORBIDDEN.items() if re.search(pattern, text)]
    assert found == []


def test_the_patterns_find_what_they_look_for() -> None:
    bad = {
        "an inline style": '<p style="x">',
        "an inline script": "<script>",
        "an inline handler": '<p onclick="x">',
        "hx-on": '<p hx-on:click="x">',
        "an expression that the policy stops": '<p hx-trigger="every 1s [x]">',
        "unescaped output": "{{ x|safe }}",
        "a name that htmx 4 no longer knows": '<p hx-ext="x">',
        "another host": '<a href="https://example.org">',
    }
    assert bad.keys() == FORBIDDEN.keys()
    for name, text in bad.items():
        assert re.search(FORBIDDEN[name], text), name


@pytest.mark.parametrize("file", FRAGMENTS, **BY_PATH)
def test_a_fragment_has_one_root_with_an_id(file: Path) -> None:
    """htmx swaps elements by id; only out-of-band messages may follow the root."""
    text = without_comments(file.read_text(encoding="utf-8"))
    text = re.sub(r"\{%-?\s*macro.*?endmacro\s*-?%\}", "", text, flags=re.DOTALL)
    tag = r"<([a-z][\w-]*)((?:[^<>\"']|\"[^\"]*\"|'[^']*')*)"
    by_macro = (
        r"\{%-?\s*call\s+[\w.]+\(\s*[\"'][\w-]+[\"']"  # whose first argument is the id: a dialog
    )
    first = re.search(f"{by_macro}|{tag}", text)
    if first is None:  # it extends a template or calls a macro; `review` checks the response
        assert re.search(r"\{%-?\s*(extends|block|include)|\{\{", text), file
    elif first.group(1):
        assert re.search(r"\bid\s*=", first.group(2)) or first.group(1) == "hx-partial", (
            first.group()
        )


@pytest.fixture(scope="module")
def jinja(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The templates' environment in an app whose database is not used, so that it isn't emptied for each template."""
    return create_app(settings_for("", tmp_path_factory.mktemp("data"))).jinja_env


@pytest.mark.parametrize("file", FILES, **BY_PATH)
def test_every_template_compiles_and_its_references_exist(file: Path, jinja: Environment) -> None:
    """Each template compiles, and the templates it includes, imports or extends exist."""
    source = file.read_text(encoding="utf-8")
    tree = jinja.parse(source, filename=str(file))
    jinja.compile(source, filename=str(file))
    for name in meta.find_referenced_templates(tree):
        assert name is None or (TEMPLATES / name).is_file(), name


@pytest.mark.parametrize("file", FILES, **BY_PATH)
def test_every_form_that_writes_carries_a_token(file: Path) -> None:
    """S5: checked in the source, to include pages that no test opens."""
    text = without_comments(file.read_text(encoding="utf-8"))
    if (
        file.parent.name == "outside"
    ):  # without a session there is none; links are secrets of their own
        return
    for form in re.findall(r"<form\b[^>]*method=\"post\".*?</form>", text, flags=re.DOTALL):
        assert re.search(r"csrf_input\(\)|hidden_tag\(\)", form), form[:200]


@pytest.mark.parametrize("file", FILES, **BY_PATH)
def test_a_number_gets_its_noun_from_plural(file: Path) -> None:
    """`{{ n|number }} members` would give `1 members`; `{{ n|plural("member") }}` does not. A limit is never 1."""
    text = without_comments(file.read_text(encoding="utf-8"))
    counted = r"([\w.\[\]\"']+)\s*\|\s*(?:number|length|count)"
    found = re.findall(rf"{counted}\s*\}}\}}(?:\s|<[^>]*>)*([a-z]+s)\b", text)
    found += re.findall(rf"{counted}\s*~\s*[\"'] (?:[a-z]+ )?([a-z]+s)\b", text)
    assert [count for count in found if not re.search("limit|max", count[0])] == []
