"""Read the settings of single sign-on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from webapp.config.values import SettingError, is_loopback, one_of, split_list

PREFIX = "LAUREL_OIDC_"
ROLES = ("admin", "dev", "manager", "support")


def load(environ: Mapping[str, str], *, by_header: bool = False) -> dict[str, Any]:
    """Return the fields of `Settings` for single sign-on; without a provider, only `passwords`.

    `by_header` says that a proxy signs people in. Passwords can be limited to break-glass admins only if a provider or
    a proxy does. Raises SettingError.
    """
    issuer = environ.get("LAUREL_OIDC_ISSUER", "").strip()
    passwords = one_of(environ, "LAUREL_PASSWORDS", "everyone", "break-glass")
    if not issuer:
        _ensure_unused(environ)
        if passwords != "everyone" and not by_header:
            raise SettingError(
                "LAUREL_PASSWORDS is 'break-glass', but without LAUREL_OIDC_ISSUER or LAUREL_REMOTE_USER_HEADER there "
                "is no other way to sign in."
            )
        return {"passwords": passwords}
    client_id = environ.get("LAUREL_OIDC_CLIENT_ID", "").strip()
    if not client_id:
        raise SettingError(
            "LAUREL_OIDC_CLIENT_ID isn't set. Set it to the client ID from your provider."
        )
    scopes = environ.get("LAUREL_OIDC_SCOPES", "").split() or ["openid", "email", "profile"]
    return {
        "oidc_issuer": _read_issuer(issuer),
        "oidc_client_id": client_id,
        "oidc_client_secret": _read_client_secret(environ),
        "oidc_client_secret_file": environ.get("LAUREL_OIDC_CLIENT_SECRET_FILE", "").strip(),
        "oidc_name": environ.get("LAUREL_OIDC_NAME", "").strip()[:40] or "your organization",
        "oidc_scopes": " ".join(dict.fromkeys(["openid", *scopes])),
        "oidc_role_claim": environ.get("LAUREL_OIDC_ROLE_CLAIM", "").strip() or "groups",
        "oidc_roles": _read_roles(environ.get("LAUREL_OIDC_ROLES", "")),
        "oidc_create": one_of(environ, "LAUREL_OIDC_CREATE", "no", "yes"),
        "passwords": passwords,
    }


def _ensure_unused(environ: Mapping[str, str]) -> None:
    for name, value in environ.items():
        if name.startswith(PREFIX) and value.strip():
            raise SettingError(
                f"{name} is set, but LAUREL_OIDC_ISSUER isn't. Set it to the issuer URL of your provider, "
                "or remove all LAUREL_OIDC_ settings."
            )


def _read_issuer(issuer: str) -> str:
    try:
        parts = urlsplit(issuer)
        safe = parts.scheme == "https" or (
            parts.scheme == "http" and is_loopback(parts.hostname or "")
        )
        good = safe and parts.hostname and parts.port != 0 and parts.username is None
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment:
        raise SettingError(
            "LAUREL_OIDC_ISSUER must look like https://login.example.org/realms/main, "
            "without a username, `?` or `#`."
        )
    return issuer


def _read_client_secret(environ: Mapping[str, str]) -> str:
    """Return the secret, from its file if LAUREL_OIDC_CLIENT_SECRET_FILE names one."""
    secret = environ.get("LAUREL_OIDC_CLIENT_SECRET", "").strip()
    path = environ.get("LAUREL_OIDC_CLIENT_SECRET_FILE", "").strip()
    if not path:
        return secret
    if secret:
        raise SettingError(
            "LAUREL_OIDC_CLIENT_SECRET and LAUREL_OIDC_CLIENT_SECRET_FILE are both set. Remove one."
        )
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it isn't in UTF-8"
        raise SettingError(
            f"The file in LAUREL_OIDC_CLIENT_SECRET_FILE can't be read: {reason}."
        ) from None


def _read_roles(text: str) -> tuple[tuple[str, str], ...]:
    roles = []
    for pair in split_list(text):
        value, _, role = (part.strip() for part in pair.rpartition("="))
        if not value or role not in ROLES:
            raise SettingError(
                f"LAUREL_OIDC_ROLES contains {pair[:40]!r}, but each part must be a value and a role, such as "
                f"console-admins=admin. The roles are {', '.join(ROLES)}."
            )
        roles.append((value, role))
    if not roles:
        raise SettingError(
            "LAUREL_OIDC_ROLES isn't set, so no one could sign in. Set it to groups and their roles, such as "
            "console-admins=admin,moderators=manager."
        )
    return tuple(roles)
