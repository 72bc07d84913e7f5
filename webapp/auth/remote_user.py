"""The header in which a trusted proxy names the person it has signed in; removed from every other request."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

ASSERTED = (
    "laurel.remote_user"  # clients can't send it: the names of their headers begin with HTTP_
)


class RemoteUserMiddleware:
    """Passes the header on only from trusted proxies.

    Goes around `ProxyFix`, so that `REMOTE_ADDR` is still the address that has connected. The environment has one
    entry for all spellings of a header, and several headers of one name arrive as one value with commas.
    """

    def __init__(self, app: WSGIApplication, header: str, proxies: Iterable[str]) -> None:
        self._app, self._header = app, header
        self._key = "HTTP_" + header.upper().replace("-", "_")
        self._networks = [ip_network(network) for network in proxies]
        self._warned = False

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        value = environ.pop(self._key, None)
        if value is not None and self._is_trusted(environ.get("REMOTE_ADDR", "")):
            environ[ASSERTED] = value
        elif value is not None:
            self._warn(environ.get("REMOTE_ADDR", ""))
        return self._app(environ, start_response)

    def _is_trusted(self, peer: str) -> bool:
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)

    def _warn(self, peer: str) -> None:
        """Warn once per process."""
        if not self._warned:
            self._warned = True
            log.warning(
                "%s arrives from %s, which isn't in LAUREL_REMOTE_USER_PROXIES, so it is ignored. If that is a proxy "
                "of yours, add its address",
                self._header,
                peer[:64],
            )


def asserted(environ: WSGIEnvironment) -> str:
    """Return what a trusted proxy says about who sends this request, "" if it says nothing. It may be nonsense."""
    value: str = environ.get(ASSERTED, "")
    return value.encode("latin-1", "replace").decode("utf-8", "replace").strip()
