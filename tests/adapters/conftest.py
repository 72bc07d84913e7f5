"""`community`: each kind of community in turn; `adapter`: its adapter."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.adapters.fakes import FAKES, LOOPBACK, FakeCommunity
from webapp.adapters import adapter_for
from webapp.adapters.contract import Adapter, AdapterKind


@pytest.fixture(params=list(AdapterKind), ids=str)
def community(request: pytest.FixtureRequest) -> Iterator[FakeCommunity]:
    fake = FAKES[request.param]()
    yield fake
    fake.close()


@pytest.fixture
def adapter(community: FakeCommunity) -> Iterator[Adapter]:
    made = adapter_for(community.kind, community.to, community.credentials, LOOPBACK)
    yield made
    made.close()
