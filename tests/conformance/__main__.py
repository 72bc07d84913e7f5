"""Start a console, issue credentials, and have other people's software verify them without a network.

Prints a line for each check; the exit status is 1 if one fails. The libraries of `package-lock.json` are in the
folder given as argument.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import Request, urlopen

import openbadgeslib.ob3 as library
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from flask import Flask
from sqlalchemy import select

from tests.factories import Make
from tests.faults.started import Console
from webapp import create_app
from webapp.config import load
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.batches import drafts, runs
from webapp.domain.credentials import issuer, sharing, signing
from webapp.domain.credentials.issuer import SigningKey
from webapp.models import Award, Origin
from webapp.transaction import transaction

ADDRESS = "https://badges.example.org"
SECRET = "conformance-only-kM3v9QxT7wLr2ZpN8sYd4HbJ6fGcA1eU"
CONTEXTS = {
    "https://www.w3.org/ns/credentials/v2": "credentials-v2",
    "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json": "ob-v3p0-context-3.0.3",
    "https://purl.imsglobal.org/spec/ob/v3p0/extensions.json": "ob-v3p0-extensions",
    "https://w3id.org/security/multikey/v1": "security-multikey-v1",
    "https://w3id.org/security/data-integrity/v2": "security-data-integrity-v2",
}
DID = "did:web:badges.example.org"
MEMBERS = 3


@dataclass
class Check:
    """What is verified, and what should come out. `documents` are served in place of the console's."""

    name: str
    given: dict[str, Any]
    verified: bool = True
    revoked: bool = False
    documents: dict[str, Any] = field(default_factory=dict)


class World:
    """The running console, the documents that verifiers would download from it, and the checks so far."""

    def __init__(self, console: Console, app: Flask, verifier: Path) -> None:
        self.console, self.app, self.verifier = console, app, verifier
        self.make = Make(app)
        self.contexts = {url: json.loads(_context(name)) for url, name in CONTEXTS.items()}
        self.failures = 0

    def get(self, path: str, form: bytes | None = None) -> bytes:
        """Request something from the console, as its proxy would; a POST with a form."""
        request = Request(f"http://127.0.0.1:{self.console.port}{path}", form)
        request.add_header("Host", "badges.example.org")
        with urlopen(request, timeout=60) as answer:
            return bytes(answer.read())

    def documents(self) -> dict[str, Any]:
        path = "/credentials/status/0"
        return {
            DID: json.loads(self.get("/.well-known/did.json")),
            ADDRESS + path: json.loads(self.get(path)),
        }

    def download(self, award: int, kind: str) -> bytes:
        with self.app.app_context():
            member = signing.open_award(award).member_id
            page = sharing.PageUrls("").of([member])[member]
        return self.get(f"{page}/awards/{award}/credential", f"kind={kind}".encode())

    def credential(self, award: int) -> dict[str, Any]:
        return dict(json.loads(self.download(award, "json")))

    def file(self, award: int, kind: str) -> str:
        path = self.console.data.parent / f"{award}.{kind}"
        path.write_bytes(self.download(award, kind))
        return str(path)

    def awards_of(self, batch: int) -> list[int]:
        with self.app.app_context():
            found = select(Award.id).where(Award.batch_id == batch).order_by(Award.id)
            return list(db.session.scalars(found))

    def wait_for(self, condition: Callable[[], object], what: str) -> None:
        def in_context() -> object:
            with self.app.app_context():
                return condition()

        self.console.wait_for(in_context, 60, what)

    def check(self, *checks: Check, published: dict[str, Any] | None = None) -> None:
        """Verify all at once with the documents that are published now, and print a line for each."""
        documents = self.contexts | (published or self.documents())
        sent = {
            "documents": documents,
            "checks": [one.given | {"documents": one.documents} for one in checks],
        }
        ended = subprocess.run(
            ["node", "verify.mjs"],
            cwd=self.verifier,
            input=json.dumps(sent),
            capture_output=True,
            text=True,
            timeout=120,
        )
        if ended.returncode:
            raise SystemExit(ended.stderr)
        for one, result in zip(checks, json.loads(ended.stdout), strict=True):
            why = "; ".join(result["why"])
            right = (result["verified"], result["revoked"]) == (one.verified, one.revoked)
            self.failures += not right
            found = (
                "revoked" if result["revoked"] else "verified" if result["verified"] else "refused"
            )
            print(
                f"{'ok    ' if right else 'FAILED'}  {one.name:<52}  {found}  {why[:120]}",
                flush=True,
            )


def main(verifier: Path) -> int:
    (verifier / "verify.mjs").write_bytes((Path(__file__).parent / "verify.mjs").read_bytes())
    with TemporaryDirectory(prefix="laurel-conformance-") as folder:
        console = Console(Path(folder) / "data", Path(folder) / "log")
        console.environment |= {"SECRET_KEY": SECRET, "LAUREL_ADDRESS": ADDRESS}
        try:
            console.up()
            app = create_app(load(console.environment))
            try:
                world = World(console, app, verifier)
                verify_all(world)
            finally:
                with app.app_context():
                    db.session.remove()
                    db.engine.dispose()
        finally:
            console.end()
    print(f"\n{world.failures} failed" if world.failures else "\nAll passed")
    return 1 if world.failures else 0


def verify_all(world: World) -> None:
    """Issue and verify; then change, revoke, rotate, and verify again."""
    actor = Actor(datetime.now(UTC), Origin.COMMAND_LINE)
    with world.app.app_context(), transaction():
        issuer.turn_on(actor)
    (_, kept), (batch, undone) = (publish(world, name) for name in ("Kept", "Undone"))
    first = world.credential(kept[0])
    before = world.documents()
    later = [world.credential(award) for award in undone]
    world.check(
        Check("a new credential", {"credential": first}),
        Check("baked into a PNG", {"png": world.file(kept[1], "png")}),
        Check("baked into an SVG", {"svg": world.file(kept[1], "svg")}),
        *(Check(f"of a batch, {place} of {MEMBERS}", {"credential": one})
          for place, one in enumerate(later, 1)),
        *tampered(world, first),
    )  # fmt: skip

    undo(world, batch, actor)
    world.check(
        *(Check(f"batch undone, {place} of {MEMBERS}", {"credential": one}, verified=True, revoked=True)
          for place, one in enumerate(later, 1)),
        Check("another batch is unaffected", {"credential": first}),
    )  # fmt: skip

    with world.app.app_context(), transaction():
        assert issuer.rotate_key(issuer.signing_key().number, actor)
    new = world.credential(kept[2])
    assert new["proof"]["verificationMethod"] != first["proof"]["verificationMethod"]
    world.check(
        Check("signed before the key was rotated", {"credential": first}),
        Check("signed with the new key", {"credential": new}),
        Check("revoked before the key was rotated", {"credential": later[0]}, revoked=True),
    )
    world.check(
        Check("the new key isn't in the old document", {"credential": new}, verified=False),
        published=before,
    )


def tampered(world: World, credential: dict[str, Any]) -> list[Check]:
    """Forgeries, each of which must be refused."""
    renamed, moved, other, added = (deepcopy(credential) for _ in range(4))
    renamed["credentialSubject"]["achievement"]["name"] = "President"
    moved["credentialStatus"]["statusListIndex"] = "1"
    other["@context"] = other["@context"][:1]
    added["issuer"]["email"] = "forger@example.org"
    url = f"{ADDRESS}/credentials/status/0"
    short = deepcopy(world.documents()[url])
    short["credentialSubject"]["encodedList"] = short["credentialSubject"]["encodedList"][:30]
    unsigned = {name: value for name, value in credential.items() if name != "proof"}
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    at = datetime.fromisoformat(credential["validFrom"])
    number = int(credential["proof"]["verificationMethod"].rpartition("-")[2])
    forged = signing.signed(unsigned, SigningKey(number, pem.decode()), ADDRESS, at)
    return [
        Check("with another name", {"credential": renamed}, verified=False),
        Check("with another place in the status list", {"credential": moved}, verified=False),
        Check("without a context", {"credential": other}, verified=False),
        Check("with another issuer's email", {"credential": added}, verified=False),
        Check("signed with a stranger's key", {"credential": forged}, verified=False),
        Check("with a truncated status list", {"credential": credential}, verified=False,
              documents={url: short}),
    ]  # fmt: skip


def publish(world: World, name: str) -> tuple[int, list[int]]:
    """Award a badge to new members with a batch, which the console's worker processes; return both."""
    quest = world.make.quest(badge=world.make.badge(name))
    members = [
        world.make.member(f"{name}{n}", email=f"{name}{n}@example.org").id for n in range(MEMBERS)
    ]
    batch = world.make.batch(members, quest, name, published=True).id
    world.wait_for(lambda: not drafts.get(batch).running, f"{name} is published")
    return batch, world.awards_of(batch)


def undo(world: World, batch: int, actor: Actor) -> None:
    """Undo the whole batch, as the console's button does."""
    with world.app.app_context(), transaction():
        runs.undo(batch, actor)
    world.wait_for(lambda: not drafts.get(batch).running, "the batch is undone")


def _context(name: str) -> str:
    return (Path(library.__file__).parent / "contexts" / f"{name}.json").read_text(encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
