"""Community managers who work at the same time, each in a signed-in session, served by gunicorn."""

from __future__ import annotations

import http.client
import random
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlencode

from sqlalchemy import select

from bench.scale.community import MANAGERS
from bench.scale.samples import Samples
from tests.pages.client import ReviewingClient
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.batches import drafts
from webapp.domain.batches.drafts import Heading
from webapp.models import Member, Origin, Staff
from webapp.transaction import transaction

# How often each is done, of a hundred.
MIX = {
    "Home": 10,
    "Members, search": 14,
    "Usernames while typing": 20,
    "Profile": 20,
    "Award and revoke": 6,
    "Batch list": 8,
    "Batch": 8,
    "Batch, progress": 10,
    "Preview of 50 rows": 4,
}
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
FORM = "application/x-www-form-urlencoded"
BOUNDARY = "scale-scale-scale"
AWARD = re.compile(r"/members/\d+/awards/(\d+)/revocation")


@dataclass
class Traffic:
    """Seconds per request by kind, and what went wrong."""

    seconds: float = 0
    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: list[str] = field(default_factory=list)

    @property
    def all(self) -> list[float]:
        return [taken for times in self.times.values() for taken in times]


class Community:
    """What the managers look at, and a draft for each of them."""

    def __init__(self, samples: Samples) -> None:
        self.console = samples.console
        self.values = [samples.draw(number) for number in range(100)]
        with self.console.app.app_context():
            active = select(Member.id).where(Member.status == "active")
            self.active = list(db.session.scalars(active.order_by(Member.id.desc()).limit(5_000)))
            self.staff = list(db.session.scalars(select(Staff).order_by(Staff.id).limit(MANAGERS)))
            db.session.expunge_all()

    def manager(self, place: int, port: int, traffic: Traffic) -> Manager:
        staff = self.staff[place]
        browser = ReviewingClient(self.console.app, None, use_cookies=True).sign_in(staff)
        token = browser.token()
        cookie = browser.get_cookie(self.console.app.config["SESSION_COOKIE_NAME"])
        assert cookie
        with self.console.app.app_context(), transaction():
            actor = Actor(datetime.now(UTC), Origin.CONSOLE, staff)
            draft = drafts.create(Heading(f"Managers {staff.id}"), actor).id
        headers = {"Cookie": f"{cookie.key}={cookie.value}", "X-CSRFToken": token}
        return Manager(self, place, port, traffic, headers, draft)


@dataclass
class Manager:
    community: Community
    place: int
    port: int
    traffic: Traffic
    headers: dict[str, str]
    draft: int

    def work(self, until: float, pause: float) -> None:
        """Do one thing after another, with pauses of `pause` seconds on average."""
        self.dice = random.Random(self.place)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        time.sleep(self.dice.uniform(0, max(pause, 0.1)))
        while time.monotonic() < until:
            action = self.dice.choices(list(MIX), list(MIX.values()))[0]
            try:
                for kind, ask in self._requests(action, self.dice.choice(self.community.values)):
                    self._measure(kind, ask)
            except Exception as error:
                self.traffic.errors.append(f"{action}: {error!r}")
                self.connection.close()
            if pause:
                time.sleep(self.dice.uniform(0, 2 * pause))
        self.connection.close()

    def _measure(self, kind: str, ask: Callable[[], int]) -> None:
        began = time.perf_counter()
        status = ask()
        self.traffic.times[kind].append(time.perf_counter() - began)
        if status not in (200, 303):
            self.traffic.errors.append(f"{kind}: {status}")

    def _requests(
        self, action: str, row: dict[str, str]
    ) -> Iterator[tuple[str, Callable[[], int]]]:
        addresses = {
            "Home": "/",
            "Members, search": f"/members?q={row['word']}",
            "Usernames while typing": f"/batches/usernames?member={row['prefix']}&by=username",
            "Profile": f"/members/{row['member']}",
            "Batch list": "/batches",
            "Batch": f"/batches/{row['batch']}",
            "Batch, progress": f"/batches/{row['batch']}/progress",
        }
        if action in addresses:
            partial = action in ("Usernames while typing", "Batch, progress", "Members, search")
            yield action, lambda: self._ask("GET", addresses[action], HTMX if partial else {})
        elif action == "Award and revoke":
            member = self.dice.choice(self.community.active)
            form = urlencode({"quest": row["quest"], "reason": "For a good answer"})
            send = {**HTMX, "Content-Type": FORM}
            yield "Award", lambda: self._ask("POST", f"/members/{member}/awards", send, form)
            if award := AWARD.search(self.answer):
                yield "Revoke", lambda: self._ask("POST", award[0], send, "reason=By+mistake")
        else:
            upload = f"/batches/{self.draft}/upload"
            kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
            yield "Upload", lambda: self._ask("POST", upload, kind, self._file())
            yield "Preview", lambda: self._ask("GET", self.location or upload, {})

    def _file(self) -> str:
        rows = [f"ID{self.dice.randint(1, 9_000)}" for _ in range(50)]
        head = 'Content-Disposition: form-data; name="file"; filename="members.csv"'
        lines = [f"--{BOUNDARY}", head, "Content-Type: text/csv", "", "ID", *rows]
        return "\r\n".join([*lines, f"--{BOUNDARY}--", ""])

    def _ask(self, method: str, path: str, headers: dict[str, str], body: str = "") -> int:
        sent = body.encode() if body else None
        self.connection.request(method, path, sent, {**self.headers, **headers})
        answer = self.connection.getresponse()
        self.answer = answer.read().decode()
        self.location = answer.headers.get("Location", "")
        return answer.status


def run(community: Community, port: int, seconds: float, pause: float) -> Traffic:
    """`MANAGERS` people at work for this time."""
    traffic = Traffic()
    people = [community.manager(place, port, traffic) for place in range(MANAGERS)]
    began = time.monotonic()
    threads = [
        threading.Thread(target=one.work, args=(began + seconds, pause), daemon=True)
        for one in people
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    traffic.seconds = time.monotonic() - began
    return traffic
