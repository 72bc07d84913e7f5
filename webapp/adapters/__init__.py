"""Communities that awards are shown in: one adapter for each kind. They know no database and no Flask.

`adapter_for` returns an adapter; `contract` says what all of them do, and `rest` has the requests that they share.
WordPress is tested against a real one (`make connections`); Discourse and NodeBB are written after their documentation
and source, and tested against servers that answer as those do, never yet against a live forum.
"""

from __future__ import annotations

from collections.abc import Iterable

from webapp.adapters.contract import Adapter, AdapterKind, Credentials
from webapp.infrastructure.network_policy import Target


def adapter_for(
    kind: AdapterKind, to: Target, credentials: Credentials, networks: Iterable[str] = ()
) -> Adapter:
    """Return an adapter for a community at an address; `networks` are not public and may be connected to anyway."""
    # Imported here because every process imports the contract: their libraries take a sixth of the time to start.
    from webapp.adapters.discourse import Discourse
    from webapp.adapters.nodebb import NodeBB
    from webapp.adapters.wordpress import WordPress

    adapters: dict[AdapterKind, type[WordPress] | type[Discourse] | type[NodeBB]] = {
        AdapterKind.WORDPRESS: WordPress,
        AdapterKind.DISCOURSE: Discourse,
        AdapterKind.NODEBB: NodeBB,
    }
    return adapters[kind](to, credentials, networks)
