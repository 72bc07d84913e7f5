"""Status lists: revoked credentials, derived from the awards (OB-1)."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from flask import Flask
from openbadgeslib.ob3.did import resolve_verification_method
from openbadgeslib.ob3.ldp import OB3LdpVerifier, verify_data_integrity_proof
from openbadgeslib.ob3.status import decode_encoded_list, set_indices
from openbadgeslib.ob3.verifier import OB3VerificationError
from sqlalchemy import select, update

from tests.counting import statements
from tests.domain.credentials.conftest import ACTOR, ADDRESS
from tests.domain.credentials.test_signing import did_json, open_credential
from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain.awards import manual
from webapp.domain.batches import processing, runs
from webapp.domain.credentials import status_lists
from webapp.domain.credentials.links import LIST_SIZE, Links
from webapp.domain.erasure import erase
from webapp.domain.errors import NotFoundError
from webapp.models import Award
from webapp.transaction import transaction


def bits(number: int = 0) -> frozenset[int]:
    listed = status_lists.document(number, ADDRESS, NOW)["credentialSubject"]["encodedList"]
    raw = decode_encoded_list(listed)
    assert len(raw) * 8 == LIST_SIZE >= 131_072
    return set_indices(raw)


def test_revoked_and_erased_awards_are_set(issuing: Flask, make: Make) -> None:
    quest = make.quest()
    members = [make.member().id for _ in range(3)]
    awards = [make.award(member, quest.id).id for member in members]
    with issuing.app_context():
        assert bits() == frozenset()
        with transaction():
            manual.revoke(members[0], awards[0], "", ACTOR)
        with transaction():
            erase.erase(members[1], ACTOR)
        links = Links()
        assert bits() == {links.position(award)[1] for award in awards[:2]}


def test_positions_are_a_permutation_that_looks_random(issuing: Flask) -> None:
    with issuing.app_context():
        links = Links()
        places = [links.position(award) for award in range(LIST_SIZE)]
    assert {number for number, _ in places} == {0}
    assert sorted(index for _, index in places) == list(range(LIST_SIZE))
    steps = {later[1] - earlier[1] for earlier, later in pairwise(places[:1000])}
    assert len(steps) > 900


def test_a_whole_batch_is_one_list_and_two_statements(issuing: Flask, make: Make) -> None:
    """Revoking needs no write besides the awards', however many there are."""
    quest = make.quest()
    for member in make.members(30):
        make.award(member, quest.id)
    with issuing.app_context():
        with transaction():
            db.session.execute(update(Award).values(revoked_at=NOW))
        with statements() as sent:
            assert len(bits()) == 30
        assert len(sent) <= 4


def work_through(batch_id: int) -> list[str]:
    """Process a batch as workers do, in chunks of 500; return the statements."""
    with statements() as sent:
        while True:
            with transaction():
                claimed = processing.claim(batch_id, "worker", 600, 100_000, NOW)
            if claimed is None:
                return list(sent)
            going = True
            while going:
                with transaction():
                    going = processing.process_chunk(claimed, 500, NOW)


def test_publishing_and_undoing_write_nothing_for_credentials(issuing: Flask, make: Make) -> None:
    """OB-1: the write that revokes the awards is the one that revokes their credentials, opened or not."""
    batch_id = make.batch(make.members(600), make.quest(), published=True).id
    with issuing.app_context():
        sent = work_through(batch_id)
        opened = db.session.scalars(select(Award.id).limit(3)).all()
        for award in opened:
            open_credential(award)
        assert bits() == frozenset()
        with transaction():
            runs.undo(batch_id, ACTOR)
        sent += work_through(batch_id)
        tables = "credentials|shared_awards|member_pages|issuers|issuer_keys"
        assert [one for one in sent if re.search(rf"\b({tables})\b", one)] == []
        revoking = [one for one in sent if re.match(r"UPDATE awards\b.*revoked_at", one, re.DOTALL)]
        assert len(revoking) == 2, "one for each chunk of 500"
        with statements() as reading:
            assert len(bits()) == 600
        assert len(reading) == 4


def test_a_verifier_sees_revocation_and_refuses_bad_lists(issuing: Flask, make: Make) -> None:
    """A truncated list, and one from before the revocation that is replayed after it has expired."""
    member = make.member().id
    award = make.award(member, make.quest().id)
    now = datetime.now(UTC)
    with issuing.app_context():
        text = open_credential(award.id)
        served = {"list": status_lists.document(0, ADDRESS, now)}

        def download(url: str) -> bytes:
            if "status" in url:
                listed = served["list"]
                key = resolve_verification_method(
                    listed["proof"]["verificationMethod"], download=did_json
                )
                verify_data_integrity_proof(listed, key)
                return json.dumps(listed).encode()
            return did_json(url)

        def check() -> None:
            # The library knows only lists signed as JWT, so `download` checks the signature.
            OB3LdpVerifier().verify(
                text, download=download, check_status=True, verify_status_list=False
            )

        check()
        served["list"] = status_lists.document(0, ADDRESS, now - timedelta(days=2))
        with pytest.raises(OB3VerificationError):
            check()
        with transaction():
            manual.revoke(member, award.id, "", ACTOR)
        served["list"] = status_lists.document(0, ADDRESS, now)
        with pytest.raises(OB3VerificationError, match="is set at index"):
            check()
        short = dict(served["list"]["credentialSubject"])
        short["encodedList"] = short["encodedList"][:20]
        served["list"] = {**served["list"], "credentialSubject": short}
        with pytest.raises(OB3VerificationError, match="mismatch"):
            check()
        with pytest.raises(ValueError, match="truncated"):
            decode_encoded_list(short["encodedList"])


def test_unknown_lists_do_not_exist(issuing: Flask, make: Make) -> None:
    with issuing.app_context():
        for number in (1, 2**62):
            with pytest.raises(NotFoundError):
                status_lists.document(number, ADDRESS, NOW)
