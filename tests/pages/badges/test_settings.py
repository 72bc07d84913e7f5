"""Create and change badges in the console: settings, image, quests, archive; with plain forms and htmx."""

from __future__ import annotations

from io import BytesIO

import pytest
from flask import Flask
from PIL import Image

from tests.counting import statements
from tests.factories import NOW, Make
from tests.pages.client import Answer, ReviewingClient
from webapp.database import db
from webapp.domain.badges import catalogue
from webapp.models import Badge, Quest

FORM = {
    "name": "Helper",
    "description": "For answering what others ask.",
    "received": "manual",
    "shape": "shield",
    "colour": "blue",
    "icon": "life-buoy",
}


@pytest.fixture
def badge(make: Make) -> Badge:
    badge = make.badge("Helper", icon="life-buoy", shape="shield", colour="blue")
    make.quest("Answered 50 questions", badge, position=0)
    make.quest("Answered 500 questions", badge, position=1)
    return badge


def now(make: Make, badge: Badge) -> Badge:
    """The badge's current row, with its quests."""
    with make.app.app_context():
        found = catalogue.get(badge.id)
        db.session.expunge_all()
        return found


def quests_of(make: Make, badge: Badge) -> list[Quest]:
    return now(make, badge).quests


def checked(answer: Answer, name: str) -> str:
    chosen = answer.page.select_one(f"input[name={name}][checked]")
    assert chosen is not None
    return str(chosen["value"])


def png(size: tuple[int, int] = (64, 64), colour: str = "red") -> BytesIO:
    made = BytesIO()
    Image.new("RGB", size, colour).save(made, "PNG")
    made.seek(0)
    return made


def test_a_manager_makes_a_badge(as_manager: ReviewingClient) -> None:
    """M-1, M-15: the overview links to the form, the form leads to the badge, which can be awarded."""
    overview = as_manager.get("/badges")
    assert overview.page.select_one('.actions a[href="/badges/new"]') is not None
    form = as_manager.get("/badges/new")
    assert checked(form, "received") == "manual"
    answer = as_manager.post("/badges", FORM | {"quest": "Answered 50 questions"})
    page = as_manager.get(answer.headers["Location"])
    words = page.words("main")
    assert "Badge created." in words
    for said in ("Helper", "For answering what others ask.", "Manual", "Answered 50 questions"):
        assert said in words
    choices = as_manager.get("/badges/award").words("#quests")
    assert "Helper" in choices


@pytest.mark.parametrize(
    ("wrong", "field", "said"),
    [
        ({"name": ""}, "name", "Enter a name."),
        ({"name": "x" * 130}, "name", "The name is 130 characters long"),
        ({"name": "Taken"}, "name", "A badge named “Taken” already exists."),
        ({"description": "y" * 600}, "description", "The description is 600 characters long"),
        ({"quest": "z" * 130}, "quest", "The name is 130 characters long"),
        ({"icon": "nothing-like-it"}, "icon", "Choose one of the icons."),
    ],
)
def test_nothing_typed_is_lost(
    as_manager: ReviewingClient, make: Make, wrong: dict[str, str], field: str, said: str
) -> None:
    """M-15: the error is next to its field, and the rest of the input is kept."""
    make.badge("Taken")
    sent = FORM | {"received": "automatic", "quest": "First"} | wrong
    answer = as_manager.post("/badges", sent)
    assert answer.status_code == 422
    assert said in answer.words(f"#{field}-error")
    assert checked(answer, "received") == "automatic"
    assert checked(answer, "shape") == "shield"
    for name in ("name", "quest"):
        typed = answer.page.select_one(f"#{name}")
        assert typed is not None
        assert typed["value"] == sent[name]
    assert sent["description"] in answer.text
    assert [one.get_text() for one in as_manager.get("/badges").page.select("h2")] == ["Taken"]


def test_settings_are_changed(as_manager: ReviewingClient, badge: Badge) -> None:
    """M-1, M-3: including the type; the badge's page says who changed it."""
    page = as_manager.get(f"/badges/{badge.id}/settings")
    assert checked(page, "icon") == "life-buoy"
    sent = FORM | {"version": "0", "received": "automatic", "name": "Aid"}
    answer = as_manager.post(f"/badges/{badge.id}/settings", sent)
    shown = as_manager.get(answer.headers["Location"])
    assert "Automatic" in shown.words(".head")
    assert (
        "changed the badge “Aid” : renamed from “Helper” to “Aid”, new description, switched to Automatic"
        in shown.words("#history")
    )


def test_concurrent_changes_of_a_badge_are_not_overwritten(
    as_manager: ReviewingClient, as_admin: ReviewingClient, make: Make, badge: Badge
) -> None:
    """X29: 409 with the input; saving again overwrites the other version."""
    address = f"/badges/{badge.id}/settings"
    as_admin.post(address, FORM | {"version": "0", "name": "Theirs"})
    answer = as_manager.post(address, FORM | {"version": "0", "name": "Mine"})
    assert answer.status_code == 409
    assert "has changed this badge in the meantime" in answer.words("main")
    typed, version = (answer.page.select_one(f"input[name={one}]") for one in ("name", "version"))
    assert typed is not None
    assert version is not None
    assert typed["value"] == "Mine"
    again = as_manager.post(address, FORM | {"version": str(version["value"]), "name": "Mine"})
    assert again.status_code == 303
    assert now(make, badge).name == "Mine"


def test_an_icon_that_is_not_offered_any_more_stays(
    as_manager: ReviewingClient, make: Make
) -> None:
    """M-15: changing an old badge doesn't lose its design."""
    badge = make.badge("Old", icon="anvil")
    page = as_manager.get(f"/badges/{badge.id}/settings")
    assert checked(page, "icon") == "anvil"
    sent = {"name": "Old", "description": "new", "shape": "circle", "colour": "green"}
    answer = as_manager.post(f"/badges/{badge.id}/settings", sent | {"icon": "anvil"})
    assert answer.status_code == 303


def test_the_drawing_follows_the_form(as_manager: ReviewingClient) -> None:
    """M-15: for the page's script only; something is drawn, whatever the URL says."""
    for icon, name in (("heart", "x"), ("", "Ärger"), ("<b>", "<script>")):
        asked = {"shape": "star", "colour": "gold", "icon": icon, "name": name}
        drawn = as_manager.get("/badges/art", query_string=asked, htmx=True)
        assert "hue-9" in drawn.text
    assert as_manager.get("/badges/art").headers["Location"] == "/badges/new"


def test_an_image_takes_the_place_of_the_drawing(
    as_manager: ReviewingClient, make: Make, badge: Badge
) -> None:
    """M-15: small in lists, large on its page; always served as WebP, and cacheable."""
    sent = {"image": (png(), "../../evil.svg")}
    answer = as_manager.post(f"/badges/{badge.id}/image", sent)
    assert "new image" in as_manager.get(answer.headers["Location"]).words("main")
    name = now(make, badge).art_hash
    for path, file in (("/badges", f"{name}-small.webp"), (f"/badges/{badge.id}", f"{name}.webp")):
        drawn = as_manager.get(path).page.select_one("img.art")
        assert drawn is not None
        address = f"/badges/{badge.id}/images/{file}"
        assert drawn["src"] == address
        assert drawn["alt"] == ""
        image = as_manager.get(address)
        assert image.mimetype == "image/webp"
        assert Image.open(BytesIO(image.data), formats=["WEBP"]).size == (64, 64)
        assert image.headers["Cache-Control"] == "private, max-age=31536000, immutable"
        assert image.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in image.headers["Content-Security-Policy"]
    removed = as_manager.post(f"/badges/{badge.id}/image/removal")
    assert "Image removed." in as_manager.get(removed.headers["Location"]).words("main")
    assert as_manager.get(f"/badges/{badge.id}/images/{name}.webp").status_code == 404
    assert as_manager.get(f"/badges/{badge.id}").page.select_one("img.art") is None


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (b"", "Choose an image first."),
        (b"<svg/>", "This isn't a PNG, WebP or JPEG image."),
        (bytes(3 * 1024 * 1024), "The image is 3.0 MB; the limit is 2 MB."),
    ],
)
def test_invalid_images_are_rejected_next_to_the_field(
    as_manager: ReviewingClient, badge: Badge, file: bytes, said: str
) -> None:
    """M-15: the settings stay unchanged."""
    answer = as_manager.post_file(f"/badges/{badge.id}/image", file, "art.png", "image")
    assert answer.status_code == 422
    assert said in answer.words("#image-file-error")
    assert checked(answer, "shape") == "shield"


def test_images_are_for_the_staff(client: ReviewingClient, badge: Badge) -> None:
    """R-2: images require signing in."""
    assert client.get(f"/badges/{badge.id}/images/x.webp").status_code == 303


def test_a_badge_is_archived_and_restored(
    as_manager: ReviewingClient, make: Make, badge: Badge
) -> None:
    """M-15: the dialog says who is affected; as a page and as a fragment."""
    make.award(make.member().id, quests_of(make, badge)[0].id)
    make.batch(make.members(2), quests_of(make, badge)[0], published=True)
    address = f"/badges/{badge.id}/archiving"
    for answer in (as_manager.get(address), as_manager.htmx(address)):
        words = answer.words("#archiving")
        assert "1 member will keep it" in words
        assert "1 running batch uses it" in words
    for said in ("It can no longer be awarded", "already archived"):
        answer = as_manager.post(address)
        assert said in as_manager.get(answer.headers["Location"]).words(".flashes")
    page = as_manager.get(f"/badges/{badge.id}")
    assert "This badge is archived" in page.words("main")
    assert page.page.select_one('.actions a[href^="/badges/award"]') is None
    for said in ("can be awarded again", "isn't archived"):
        answer = as_manager.post(f"/badges/{badge.id}/unarchiving")
        assert said in as_manager.get(answer.headers["Location"]).words(".flashes")


def test_a_badge_whose_name_was_taken_stays_in_the_archive(
    as_manager: ReviewingClient, make: Make
) -> None:
    """M-15: the message says what to do."""
    old = make.badge("Helper", archived_at=NOW)
    make.badge("Helper")
    answer = as_manager.post(f"/badges/{old.id}/unarchiving")
    words = as_manager.get(answer.headers["Location"]).words(".flashes")
    assert "A badge named “Helper” already exists. Rename one of them first." in words


def test_quests_by_htmx(as_manager: ReviewingClient, make: Make, badge: Badge) -> None:
    """M-15: the card is returned with a message; an error is next to its field in its dialog."""
    base = f"/badges/{badge.id}/quests"
    added = as_manager.htmx(base, {"name": "Best of 2026"})
    assert "Quest “Best of 2026” added." in added.text
    refused = as_manager.htmx(base, {"name": "BEST of 2026"})
    assert refused.status_code == 422
    assert "already has a quest named" in refused.words("#new-quest-error")
    best = quests_of(make, badge)[-1]
    moved = as_manager.htmx(f"{base}/{best.id}/place", {"way": "up"})
    assert moved.status_code == 200
    assert "toast" not in moved.text
    assert [quest.name for quest in quests_of(make, badge)][1] == "Best of 2026"
    window = as_manager.htmx(f"{base}/{best.id}")
    assert window.headers["HX-Retarget"] == "#dialog"
    wrong = as_manager.htmx(f"{base}/{best.id}", {"name": ""})
    assert (wrong.status_code, wrong.headers["HX-Retarget"]) == (422, "#dialog")
    assert "Enter a name." in wrong.words("#quest-name-error")
    saved = as_manager.htmx(f"{base}/{best.id}", {"name": "Best of all"})
    assert saved.headers["HX-Trigger"] == "dialog-close"
    assert "Best of all" in saved.words("#badge-quests")
    archived = as_manager.htmx(f"{base}/{best.id}/archiving", {})
    assert "Archived" in archived.words("#badge-quests")
    as_manager.htmx(base, {"name": "Best of all"})
    kept = as_manager.htmx(f"{base}/{best.id}/unarchiving", {})
    assert "Rename one of them first." in kept.text


def test_quests_by_plain_forms(as_manager: ReviewingClient, make: Make, badge: Badge) -> None:
    """M-15: every action leads back to the badge's page; an error shows the form on it."""
    base, (first, second) = f"/badges/{badge.id}/quests", quests_of(make, badge)
    refused = as_manager.post(base, {"name": " "})
    assert refused.status_code == 422
    assert "Enter a name." in refused.words("#new-quest-error")
    window = as_manager.get(f"{base}/{first.id}")
    assert "If you archive this quest, it can no longer be awarded. No one has it." in window.words(
        "#quest"
    )
    for path, sent in (
        (base, {"name": "Third"}),
        (f"{base}/{second.id}/place", {"way": "up"}),
        (f"{base}/{second.id}", {"name": "Renamed"}),
        (f"{base}/{first.id}/archiving", {}),
    ):
        answer = as_manager.post(path, sent)
        assert answer.headers["Location"] == f"/badges/{badge.id}#quests"
    assert [(quest.name, quest.archived_at is None) for quest in quests_of(make, badge)] == [
        ("Renamed", True),
        ("Answered 50 questions", False),
        ("Third", True),
    ]


def test_the_quest_of_another_badge_is_404(
    as_manager: ReviewingClient, make: Make, badge: Badge
) -> None:
    """W86: at every URL with a quest."""
    other = make.quest()
    base = f"/badges/{badge.id}/quests/{other.id}"
    assert as_manager.get(base).status_code == 404
    for path in ("", "/place", "/archiving", "/unarchiving"):
        assert as_manager.post(base + path, {"name": "New", "way": "up"}).status_code == 404


def test_support_sees_badges_and_changes_none(as_support: ReviewingClient, badge: Badge) -> None:
    """R-1, R-2: no button, form or menu; the URL gives 403 with the roles that have access."""
    for path in ("/badges", f"/badges/{badge.id}"):
        page = as_support.get(path).page
        assert page.select("main form:not([role=search])") == []
        assert [one["href"] for one in page.select(".actions a:not(.menu a)")] == []
    answer = as_support.get(f"/badges/{badge.id}/settings")
    assert answer.status_code == 403
    assert "Only admins, developers and community managers can change badges." in answer.words(
        "main"
    )


def test_the_overview_is_searched(as_support: ReviewingClient, make: Make, badge: Badge) -> None:
    """M-15: by part of the name, for htmx only the list; the page says if nothing matches."""
    make.badge("Speaker")
    page = as_support.get("/badges?q=LP")
    assert [one.get_text() for one in page.page.select("#badges h2")] == ["Helper"]
    alone = as_support.htmx("/badges?q=sp")
    assert [one.get_text() for one in alone.page.select("h2")] == ["Speaker"]
    nothing = as_support.get("/badges", query_string={"q": "<b>\x00" * 50})
    assert "No badges found" in nothing.words("main")


def test_hostile_names_are_text(as_manager: ReviewingClient) -> None:
    """W95: on every page of the badge, and in the audit log."""
    name = '"><img src=x onerror=alert(1)> {{7*7}} gnol'
    answer = as_manager.post("/badges", FORM | {"name": name, "description": "</textarea><script>"})
    address = answer.headers["Location"]
    for path in (address, address + "/settings", address + "/archiving", "/badges", "/audit-log"):
        shown = as_manager.get(path)
        assert "{{7*7}}" in shown.text
        assert shown.page.select("img[onerror], main script") == []


def test_queries_do_not_grow(app: Flask, as_manager: ReviewingClient, make: Make) -> None:
    """M-15: pages and actions need the same for a badge with one quest or many, few holders or many."""
    counts = []
    for number in (1, 12):
        badge = make.badge(f"With {number}")
        quests = [make.quest(f"Quest {place}", badge, position=place) for place in range(number)]
        for member in make.members(number, prefix=f"w{number}-"):
            make.award(member, quests[0].id)
        base, quest = f"/badges/{badge.id}", quests[0].id
        seen = []
        for path, sent in (
            (base, None),
            (f"{base}/settings", None),
            (f"{base}/archiving", None),
            (f"{base}/quests/{quest}", None),
            (f"{base}/settings", FORM | {"name": f"Now {number}"}),
            (f"{base}/quests", {"name": "Another"}),
            (f"{base}/archiving", {}),
        ):
            with app.app_context(), statements() as run:
                answer = as_manager.get(path) if sent is None else as_manager.post(path, sent)
                assert answer.status_code in (200, 303), path
            seen.append(len(run))
        counts.append(seen)
    assert counts[0] == counts[1]


def test_a_badge_page_opens_the_award_with_its_quest(
    as_manager: ReviewingClient, make: Make
) -> None:
    """M-7: if it has one quest, it is preselected."""
    quest = make.quest("Only one", make.badge("Single"))
    link = as_manager.get(f"/badges/{quest.badge_id}").page.select_one(".actions a.primary")
    assert link is not None
    assert checked(as_manager.get(str(link["href"])), "quest") == str(quest.id)
    for odd in ("x", "0", "9" * 40, "-1"):
        assert as_manager.get(f"/badges/award?quest={odd}").status_code == 200
