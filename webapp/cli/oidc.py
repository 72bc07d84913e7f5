"""`laurel oidc`: single sign-on (SSO-1)."""

from __future__ import annotations

import click

from webapp import create_app
from webapp.cli.output import json_option, show, tell
from webapp.cli.settings import load_settings


@click.group("oidc")
def group() -> None:
    """Check single sign-on."""


@group.command("check")
@json_option
def check(as_json: bool) -> None:
    """Fetch the provider's discovery document and keys, and say what is wrong.

    Also prints the URLs to enter at the provider. The exit status is 1 if something is wrong.
    """
    settings = load_settings()
    if not settings.oidc_issuer:
        raise click.ClickException("Single sign-on is off: LAUREL_OIDC_ISSUER isn't set.")
    from webapp.auth.oidc import check as checks
    from webapp.auth.oidc.provider import Provider

    with create_app(settings, web=False).app_context():
        provider = Provider(settings)
        urls, problems = checks.urls(provider), list(checks.problems(provider))
    lines = [f"{name}: {url}" for name, url in urls]
    if not problems:
        lines.append(f"{settings.oidc_issuer} works: its discovery document and keys are valid.")
    data = {"issuer": settings.oidc_issuer, "urls": dict(urls), "problems": problems}
    show("\n".join(lines), data, as_json=as_json)
    for problem in problems:
        tell(f"Problem: {problem}")
    if problems:
        raise SystemExit(1)
