"""A complete console for the browser: web, worker, clock and queue as processes, with 100,000 members."""

from __future__ import annotations

import http.client
import subprocess
from datetime import UTC, datetime
from functools import cache
from itertools import count

from flask.sessions import SecureCookieSessionInterface

from tests.faults.console import Console, await_, free_port
from webapp.auth import staff_sessions as sessions
from webapp.domain.actor import Actor
from webapp.domain.batches import processing, runs
from webapp.domain.batches.ranges import ClaimedRange
from webapp.domain.staff import accounts
from webapp.models import Origin, Role, Staff
from webapp.transaction import transaction

PASSWORD = "twelve mossy laurels by the gate"
OWNER = "the-test"


class Site(Console):
    """A running console. Its web process can be killed and restarted at the same address."""

    port = 0
    web: subprocess.Popen[bytes] | None = None
    people = count(1)
    claimed: ClaimedRange

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start_web(self) -> None:
        """Start the web process; return once it responds."""
        self.port = self.port or free_port()
        self.web = self.start("webapp.cli", "web", PORT=str(self.port), WEB_WORKERS="1")
        await_(self._web_answers, 30, "the web process answers")

    def _web_answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def stop_web(self) -> None:
        """Stop the web process and wait for it."""
        assert self.web is not None
        self.web.terminate()
        self.web.wait(15)

    def account(self, role: Role) -> str:
        """Add a staff account with `PASSWORD`; return the email to sign in with."""
        return self._person(role).email

    def session(self, role: Role) -> tuple[str, str]:
        """Sign in a new staff account; return the name and value of its cookie."""
        person = self._person(role)
        with self.app.app_context():
            key = sessions.start(person.id, self.actor().at)
        signed_in = {"account": person.security_stamp, "key": key}
        signer = SecureCookieSessionInterface().get_signing_serializer(self.app)
        assert signer is not None
        return self.app.config["SESSION_COOKIE_NAME"], signer.dumps(signed_in)

    def _person(self, role: Role) -> Staff:
        email = f"{role.value}{next(self.people)}@example.org"
        return self.make.staff(role, email=email, name=f"The {role.label}", password=_hashed())

    def actor(self) -> Actor:
        return Actor(datetime.now(UTC), Origin.CONSOLE)

    def publish(self, batch_id: int) -> None:
        """Publish a batch now, so that pages poll it every second."""
        with self.app.app_context(), transaction():
            runs.publish(batch_id, self.actor())

    def hold(self, batch_id: int) -> None:
        """Lease a published batch as a worker does; `unlock` then decides as many entries as a test wants."""
        with self.app.app_context(), transaction():
            claimed = processing.claim(batch_id, OWNER, 600, 500, self.actor().at)
            assert claimed
            self.claimed = claimed

    def unlock(self, batch_id: int, number: int) -> bool:
        """Decide the next `number` entries of a held batch; False when it is finished."""
        with self.app.app_context(), transaction():
            return processing.process_chunk(self.claimed, number, self.actor().at)


@cache
def _hashed() -> str:
    """The hash of `PASSWORD`, cached because hashing is slow by design."""
    return accounts.hash_of(PASSWORD)
