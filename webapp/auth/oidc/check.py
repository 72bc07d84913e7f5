"""Check the settings against the provider, for `laurel oidc check`."""

from __future__ import annotations

from collections.abc import Iterator

from webapp.auth.oidc import flow
from webapp.auth.oidc.provider import Provider, ProviderError


def problems(provider: Provider) -> Iterator[str]:
    """Yield what is wrong, in sentences for operators."""
    try:
        metadata = provider.metadata()
        provider.keys()
    except ProviderError as error:
        yield f"The provider doesn't work: {error.detail}."
        return
    settings = provider.settings
    if metadata.issuer != settings.oidc_issuer:
        yield f"LAUREL_OIDC_ISSUER differs from the provider's name for itself, {metadata.issuer}."
    if "client_secret_basic" not in metadata.auth_methods and (
        "client_secret_post" not in metadata.auth_methods and settings.oidc_client_secret
    ):
        yield "The provider accepts neither client_secret_basic nor client_secret_post."
    if not settings.oidc_client_secret:
        yield "LAUREL_OIDC_CLIENT_SECRET isn't set. That is right only for a public client."
    if metadata.claims and "auth_time" not in metadata.claims:
        yield "The provider doesn't list the claim auth_time. Without it no one can confirm a change of access."
    if all(role != "admin" for _, role in settings.oidc_roles):
        yield "LAUREL_OIDC_ROLES makes no one an admin."


def urls(provider: Provider) -> list[tuple[str, str]]:
    """Return what to enter at the provider."""
    address = provider.settings.address
    return [
        ("Redirect URL", address + flow.CALLBACK),
        ("URL after signing out", f"{address}/sign-in"),
        ("Back-channel logout URL", f"{address}/sso/back-channel-logout"),
        ("Front-channel logout URL", f"{address}/sso/front-channel-logout"),
    ]
