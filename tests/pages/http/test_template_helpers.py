"""Template helpers: numbers, times, icons, badges and people; and the macros of all pages.

icons: unknown ones draw a circle · art: unknown values are replaced · avatars: stable, any script · statuses: color,
icon and word · fields: texts linked to controls · stylesheets and scripts: small, nothing inline.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import html5lib
import pytest
from flask import Flask, render_template, render_template_string
from htmx_flask import Htmx
from jinja2 import StrictUndefined
from PIL import Image

from webapp.domain.community import Brand
from webapp.models import Badge, Member
from webapp.models.batch import BatchStatus
from webapp.pages.http import template_helpers

ROOT = Path(__file__).parents[3]
IMPORTS = "".join(
    f'{{% import "macros/{name}.html" as {name} %}}'
    for name in ("ui", "forms", "tables", "status", "pictures")
)


@pytest.fixture(scope="module")
def templates() -> Flask:
    app = Flask(__name__, root_path=str(ROOT))
    app.config.update(SECRET_KEY="only here", WTF_CSRF_ENABLED=False)
    app.jinja_env.undefined = StrictUndefined
    Htmx(app)
    template_helpers.init_app(app)
    app.jinja_env.globals["community"] = Brand()
    app.add_url_rule("/help", "help.index", lambda: "")
    return app


@pytest.fixture
def app(templates: Flask) -> Iterator[Flask]:
    with templates.test_request_context():
        yield templates


def draw(source: str, **values: object) -> str:
    """Render a template snippet with the macros available; it must be valid HTML."""
    drawn = render_template_string(IMPORTS + source, **values).strip()
    html5lib.HTMLParser(strict=True).parseFragment(drawn)
    return drawn


def badge(**values: str) -> Badge:
    return Badge(
        **{"name": "Scholar", "shape": "shield", "colour": "gold", "icon": "award", **values}
    )


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (999, "999"), (4920, "4,920"), (1_000_000, "1,000,000")]
)
def test_numbers_have_separators(value: int, shown: str) -> None:
    assert template_helpers.number(value) == shown


def test_a_number_that_is_not_there_shows_nothing() -> None:
    assert template_helpers.number(None) == ""


def test_nouns_follow_their_number() -> None:
    assert template_helpers.plural(1, "member") == "1 member"
    assert template_helpers.plural(4920, "member") == "4,920 members"
    assert template_helpers.plural(0, "entry", "entries") == "0 entries"


def test_times_are_shown_in_utc_whatever_their_zone() -> None:
    at = datetime(2026, 11, 22, 1, 5, 9, tzinfo=timezone(timedelta(hours=2)))
    assert template_helpers.exact_time(at) == "21 Nov 2026, 23:05 UTC"
    assert template_helpers.iso_time(at) == "2026-11-21T23:05:09Z"
    assert template_helpers.iso_time(datetime(2026, 3, 1, 7)) == "2026-03-01T07:00:00Z"


def test_a_time_is_readable_without_scripts(app: Flask) -> None:
    drawn = draw("{{ ui.time(at) }}", at=datetime(2026, 11, 22, 9, 12, tzinfo=UTC))
    assert drawn == (
        '<time datetime="2026-11-22T09:12:00Z" title="22 Nov 2026, 09:12 UTC">'
        "22 Nov 2026, 09:12 UTC</time>"
    )


def test_an_icon_is_hidden_from_screen_readers_and_styled_by_class() -> None:
    drawn = template_helpers.icon("award", "big")
    assert 'class="icon big"' in drawn
    assert 'aria-hidden="true"' in drawn
    assert "style=" not in drawn


def test_an_unknown_icon_draws_a_circle() -> None:
    assert template_helpers.icon("no-such-icon") == template_helpers.icon("circle")
    assert template_helpers.icon("../circle") == template_helpers.icon("circle")
    assert template_helpers.icon("award") != template_helpers.icon("circle")


@pytest.mark.parametrize("shape", template_helpers.SHAPES)
@pytest.mark.parametrize("colour", template_helpers.COLOURS)
def test_every_shape_and_colour_is_drawn(app: Flask, shape: str, colour: str) -> None:
    drawn = draw("{{ pictures.badge_art(badge) }}", badge=badge(shape=shape, colour=colour))
    assert f"hue-{template_helpers.COLOURS.index(colour)}" in drawn
    assert template_helpers.SHAPES[shape] in drawn
    assert "art-icon" in drawn


def test_art_that_is_unknown_is_drawn_with_what_is_known(app: Flask) -> None:
    odd = badge(name="étoile", shape="blob", colour="puce", icon="no-such-icon")
    drawn = draw("{{ pictures.badge_art(badge) }}", badge=odd)
    assert template_helpers.SHAPES["circle"] in drawn
    assert ">É</text>" in drawn
    assert "art-icon" not in drawn


def test_art_of_a_badge_without_a_letter_is_a_question_mark() -> None:
    assert template_helpers.art_of(badge(name="…", icon="")).letter == "?"


def test_no_badge_draws_an_empty_place(app: Flask) -> None:
    assert "art unset" in draw("{{ pictures.badge_art(none) }}")


@pytest.mark.parametrize(
    ("name", "initials"),
    [
        ("Anna Brandt", "AB"),
        ("anna", "AN"),
        ("Anna Maria von Brandt", "AB"),
        ("李雷", "李雷"),
        ("नमस्ते", "नम"),
        ("نور الهدى", "نا"),
        ("Zoe\u0308 K", "ZK"),
        ("o’neil", "ON"),
        ("🙂", "?"),
        ("", "?"),
        ("x", "X"),
    ],
)
def test_initials_in_any_script(name: str, initials: str) -> None:
    assert template_helpers.initials_of(name) == initials


def test_an_avatar_keeps_its_hue_when_the_name_changes() -> None:
    before = template_helpers.avatar_of(Member(id=7, username="anna", name="Anna Brandt"))
    after = template_helpers.avatar_of(Member(id=7, username="anna", name="Anna Kern"))
    assert before.hue == after.hue
    assert (before.initials, after.initials) == ("AB", "AK")


def test_avatars_use_every_hue_and_each_has_a_class() -> None:
    hues = {template_helpers.avatar_of(Member(id=n, username="m")).hue for n in range(200)}
    sheet = (ROOT / "static/css/tokens.css").read_text()
    assert hues == set(range(template_helpers.HUES))
    assert {int(n) for n in re.findall(r"\.hue-(\d+) \{", sheet)} == hues


BATCH_WORDS = [status.label for status in BatchStatus]


@pytest.mark.parametrize("word", [*BATCH_WORDS, "Undone", "Error", "Active", "Suspended", "Left"])
def test_a_status_is_a_word_with_an_icon_of_its_own(app: Flask, word: str) -> None:
    """B-23, B-25: the fixed words; never color alone."""
    drawn = draw("{{ status.pill(word) }}", word=word)
    assert re.search(rf"<svg.*</svg>{word}</span>", drawn)
    assert template_helpers.icon("circle") not in drawn


def test_a_running_status_says_how_far_it_is(app: Flask) -> None:
    """B-23, B-26: the percentage is shown, and its meaning announced to screen readers."""
    drawn = draw('{{ status.running("b7", "In Progress", 62, "Spring <meetup>") }}')
    assert 'id="b7"' in drawn
    assert 'data-percent="62"' in drawn
    assert ">62%</span>" in drawn
    assert 'aria-label="Progress of Spring &lt;meetup&gt;"' in drawn


def test_a_finished_status_keeps_its_percentage_for_the_last_announcement(app: Flask) -> None:
    """B-26: 100 % is announced from the response that ends the polling."""
    drawn = draw('{{ status.running("b7", "Published", 100, "Spring", "12 not yet published") }}')
    assert 'data-percent="100"' in drawn
    assert "12 not yet published" in drawn
    assert "<progress" not in drawn


@pytest.mark.parametrize("sort", ["ascending", "descending"])
def test_a_header_in_force_says_so_to_eye_and_ear(app: Flask, sort: str) -> None:  # B-34
    table = '<table><tr>{{ tables.sort_head("Title", "?sort=title", sort) }}</tr></table>'
    assert f'aria-sort="{sort}"' in draw(table, sort=sort)
    assert draw(table, sort=sort) != draw(table, sort="")
    assert "aria-sort" not in draw(table, sort="")


def test_pagination_shows_the_position_and_links_only_to_more(app: Flask) -> None:  # B-30
    drawn = draw('{{ tables.pagination(1, 25, 1280, "", "?page=2") }}')
    assert "1–25 of 1,280" in drawn
    assert 'href="?page=2" rel="next"' in drawn
    assert '<span class="button small" aria-disabled="true">Previous</span>' in drawn


def test_a_chip_names_what_it_removes(app: Flask) -> None:  # B-33
    drawn = draw('{{ ui.chip("Badge: Scholar", "?") }}')
    assert 'aria-label="Remove filter Badge: Scholar"' in drawn


@pytest.mark.parametrize(("macro", "id_"), [("drop", "file"), ("new_password", "password")])
def test_a_field_ties_its_hint_and_error_to_the_control(app: Flask, macro: str, id_: str) -> None:
    drawn = draw(f"{{{{ forms.{macro}(errors) }}}}", errors=["Too short."])
    assert f'aria-describedby="{id_}-hint {id_}-error" aria-invalid="true"' in drawn
    assert re.search(rf'id="{id_}-error" role="alert".*Too short\.', drawn, re.DOTALL)


@pytest.mark.parametrize("macro", ["drop", "new_password", "own_password"])
def test_a_field_without_an_error_claims_none(app: Flask, macro: str) -> None:
    drawn = draw(f"{{{{ forms.{macro}() }}}}")
    assert "aria-invalid" not in drawn
    assert re.search(r'class="error" id="[a-z]+-error" hidden', drawn)


def test_the_menu_is_three_dots_that_need_no_script(app: Flask) -> None:
    """B-1: accessible name `More actions`."""
    drawn = draw('{% call ui.menu("m") %}{{ ui.menu_link("Batch unlock", "/b") }}{% endcall %}')
    assert 'aria-label="More actions"' in drawn
    assert 'popovertarget="m"' in drawn
    assert '<div class="menu" id="m" popover>' in drawn


def test_a_dialog_with_an_address_is_left_by_a_link(app: Flask) -> None:
    """B-13: the preview has a URL of its own."""
    drawn = draw('{% call ui.dialog("u", "Upload", "/batches/7") %}<p>x</p>{% endcall %}')
    assert '<a class="button square quiet small end" href="/batches/7"' in drawn
    assert 'aria-labelledby="u-title" open data-open' in drawn


def test_names_are_escaped_everywhere(app: Flask) -> None:
    evil = Member(id=1, username="<b>x", name="<script>")
    drawn = draw(
        "{{ pictures.member(m, '/m') }}{{ ui.note(m.name) }}{{ ui.toast(m.name) }}"
        "{{ ui.crumbs([(m.name, '/')]) }}{{ ui.empty(m.name) }}{{ status.pill(m.name, m.name) }}",
        m=evil,
    )
    assert "<script>" not in drawn
    assert "<b>" not in drawn


def test_errors_interrupt_and_successes_wait(app: Flask) -> None:
    assert 'role="alert"' in draw('{{ ui.toast("No", "error") }}')
    assert 'role="status"' in draw('{{ ui.toast("Yes") }}')


def test_sheets_and_scripts_stay_small() -> None:
    sheets = b"".join(path.read_bytes() for path in sorted((ROOT / "static/css").glob("*.css")))
    assert len(gzip.compress(sheets)) < 15_000
    scripts = b"".join(path.read_bytes() for path in sorted((ROOT / "static/js").glob("*.js")))
    assert len(gzip.compress(scripts)) < 9_000


def test_the_sheets_use_only_the_layers_declared_in_the_first() -> None:
    declared = "@layer tokens, base, layout, components, utilities;"
    assert declared in (ROOT / "static/css/tokens.css").read_text()
    for sheet in (ROOT / "static/css").glob("*.css"):
        layers = set(re.findall(r"@layer ([a-z]+) \{", sheet.read_text()))
        assert layers
        assert layers <= {"tokens", "base", "layout", "components", "utilities"}


def test_an_error_is_a_message_to_htmx_and_a_page_to_everyone_else(app: Flask) -> None:
    """R-2: the cause is stated in both; for htmx, the target stays unchanged."""
    said = {"code": 403, "message": "Admin and Dev may batch unlock."}
    with app.test_request_context(headers={"HX-Request": "true"}):
        fragment = render_template("errors/error.html", **said).strip()
    assert fragment.startswith("<hx-partial")
    assert fragment.endswith("</hx-partial>")
    page = render_template("errors/error.html", csrf_token=lambda: "t", **said)
    assert "<title>You don&#39;t have access to this page · Laurel</title>" in page
    assert said["message"] in fragment
    assert said["message"] in page


def test_the_internal_error_page_depends_on_nothing(app: Flask) -> None:
    """W101: a reference and no traceback; no token and no navigation, which may be what failed."""
    page = render_template("errors/error.html", code=500, reference="7f3a-11")
    assert "7f3a-11" in page
    assert "hx-headers" not in page
    assert "<nav" not in page


def test_every_page_has_the_settings_htmx_needs(app: Flask) -> None:
    page = render_template("layout.html", csrf_token=lambda: "t0ken")
    assert '"noSwap":[204,304,"5xx"],"morphIgnore":["data-htmx-powered","open"]' in page
    assert """<body hx-headers:inherited='{"X-CSRFToken": "t0ken"}'>""" in page
    assert '<div id="announcer" class="visually-hidden" role="status"></div>' in page


@pytest.mark.parametrize(
    ("total", "said"),
    [
        (0, "0 entries"),
        (1, "1–1 of 1 entry"),
        (2, "1–2 of 2 entries"),
        (1200, "1–25 of 1,200 entries"),
    ],
)
def test_a_page_of_a_list_counts_in_the_right_number(app: Flask, total: int, said: str) -> None:
    drawn = draw(
        '{{ tables.pagination(1, last, total, noun="entry", nouns="entries") }}',
        total=total,
        last=min(25, total),
    )
    assert f"<span>{said}</span>" in drawn
    plain = draw("{{ tables.pagination(1, last, total) }}", total=total, last=min(25, total))
    assert f"<span>{said.rpartition(' ')[0]}</span>" in plain


def test_there_is_one_logo(app: Flask) -> None:
    """The tab, the sidebar and the signed-out pages show the same drawing; a phone's home screen a bitmap of it."""
    page = render_template("layout.html", csrf_token=lambda: "t0ken")
    marks = re.findall(r'(?:href|src)="/static/img/([^"]+)"', page)
    assert marks == ["favicon.svg", "apple-touch-icon.png", "favicon.svg"]
    assert "/static/img/favicon.svg" in draw(
        '{% import "macros/brand.html" as b %}{{ b.mark_and_name() }}'
    )
    with Image.open(ROOT / "static/img/apple-touch-icon.png") as icon:
        assert icon.size == (180, 180)
        assert icon.convert("RGBA").getextrema()[3] == (
            255,
            255,
        )  # phones show transparency as black
