"""Read the settings of signing in by a proxy's header."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from webapp.config.values import SettingError, networks

HEADER, PROXIES = "LAUREL_REMOTE_USER_HEADER", "LAUREL_REMOTE_USER_PROXIES"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)+", re.ASCII)
LONGEST = 60
# Browsers send these themselves, or Laurel reads them for something else.
TAKEN = re.compile(
    r"accept-.*|content-.*|hx-.*|if-.*|idempotency-key|sec-.*|user-agent|x-csrf.*|x-polling|x-request-id|"
    r"x-forwarded-(for|host|port|prefix|proto)",
    re.IGNORECASE,
)


def load(environ: Mapping[str, str], proxies: int) -> dict[str, Any]:
    """Return the fields of `Settings`; none if no header signs anyone in."""
    header = environ.get(HEADER, "").strip()
    trusted = networks(environ, PROXIES)
    if not header:
        if trusted:
            raise SettingError(f"{PROXIES} is set, but {HEADER} isn't. Set it, or remove both.")
        return {}
    if len(header) > LONGEST or not NAME.fullmatch(header) or TAKEN.fullmatch(header):
        raise SettingError(
            f"{HEADER} is {header[:LONGEST]!r}, but must be the name of a header that only your proxy sets, such as "
            "X-Remote-User, with at least one hyphen."
        )
    if not proxies:
        raise SettingError(
            f"{HEADER} is set, but LAUREL_PROXIES is 0, so anyone could send the header. Put a proxy in front that "
            "overwrites it, and set LAUREL_PROXIES to 1."
        )
    if not trusted:
        raise SettingError(
            f"{HEADER} is set, but {PROXIES} isn't, so anyone who reaches the port could send the header. Set it to "
            "the addresses from which your proxy connects, such as 127.0.0.1."
        )
    if any(ipaddress.ip_network(network).prefixlen == 0 for network in trusted):
        raise SettingError(
            f"{PROXIES} contains a network with all addresses, so anyone could send the header. Name only those of "
            "your proxies."
        )
    if environ.get("LAUREL_OIDC_ISSUER", "").strip():
        raise SettingError(
            f"{HEADER} and LAUREL_OIDC_ISSUER are both set. People sign in one way or the other: remove one."
        )
    return {"remote_user_header": header, "remote_user_proxies": trusted}
