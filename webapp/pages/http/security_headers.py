"""Security headers, and limits on what is accepted at all: hosts, proxies, sizes (S3, S4, S5)."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

from flask import Flask, Response, current_app, g, request
from htmx_flask import Htmx
from werkzeug.exceptions import ClientDisconnected
from werkzeug.middleware.proxy_fix import ProxyFix

from webapp.auth.remote_user import RemoteUserMiddleware
from webapp.config import Settings
from webapp.infrastructure import log_format
from webapp.pages.http.request_body import BROKEN, CompleteBodyMiddleware

log = logging.getLogger(__name__)

MEGABYTE = 1024 * 1024

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "object-src 'none'",
    ]
)

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: over HTTPS the CSRF check requires a Referer.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Content-Security-Policy": POLICY,
}
RESOURCES = "Cross-Origin-Resource-Policy"
REQUEST_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)  # accepted from a trusted proxy
YEARS = "max-age=63072000"  # two years; not for subdomains, which may serve other applications


def init_app(app: Flask) -> None:
    settings: Settings = app.config["LAUREL"]
    app.config.update(
        MAX_CONTENT_LENGTH=6 * MEGABYTE,
        MAX_FORM_MEMORY_SIZE=500_000,
        MAX_FORM_PARTS=1000,
        SEND_FILE_MAX_AGE_DEFAULT=3600,
    )
    Htmx(app)
    app.wsgi_app = CompleteBodyMiddleware(app.wsgi_app, 6 * MEGABYTE)  # type: ignore[method-assign]
    if settings.proxies:
        number = settings.proxies
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=number, x_proto=number, x_host=number
        )
    if settings.remote_user_header:
        app.wsgi_app = RemoteUserMiddleware(  # type: ignore[method-assign]
            app.wsgi_app, settings.remote_user_header, settings.remote_user_proxies
        )

    app.before_request(_begin)
    if not settings.proxies:
        app.before_request(_forwarded_warning())
    app.teardown_request(_end)

    @app.after_request
    def say(response: Response) -> Response:
        response.headers["X-Request-ID"] = log_format.at_work.get()
        if settings.logs == "json":
            _note(response)
        response.headers.update(ALWAYS)
        # The only one a view may change: verifiers on other sites read credentials.
        response.headers.setdefault(RESOURCES, "same-origin")
        if settings.secure:
            response.headers["Strict-Transport-Security"] = YEARS
        if request.endpoint != "static" or response.status_code >= 400:
            response.vary.add("HX-Request")
            response.headers.setdefault("Cache-Control", "no-store")
        return response


def _begin() -> None:
    """Give the request its id for log lines and the response. A trusted proxy's id is kept."""
    settings: Settings = current_app.config["LAUREL"]
    request_id = request.headers.get("X-Request-ID", "") if settings.proxies else ""
    log_format.at_work.set(request_id if REQUEST_ID.fullmatch(request_id) else log_format.new_id())
    g.began = time.monotonic()
    if BROKEN in request.environ and request.routing_exception is None:
        raise ClientDisconnected


def _forwarded_warning() -> Callable[[], None]:
    """Warn once per process that a proxy isn't counted in LAUREL_PROXIES: all clients then share its address."""
    warned = False

    def warn() -> None:
        nonlocal warned
        if not warned and "X-Forwarded-For" in request.headers:
            warned = True
            log.warning(
                "X-Forwarded-For arrives, but LAUREL_PROXIES is 0, so it is ignored: sign-in limits and the audit log "
                "use the address of the connection. If a proxy of yours sets it, set LAUREL_PROXIES to 1"
            )

    return warn


def _end(_: BaseException | None) -> None:
    log_format.at_work.set("")


def _note(response: Response) -> None:
    """Log a request with the route's pattern instead of its path, because paths contain member names."""
    route = str(request.url_rule or "")
    took = round((time.monotonic() - g.began) * 1000, 1) if "began" in g else None
    entry = {"method": request.method, "route": route, "status": response.status_code, "ms": took}
    if key := g.get("api_key"):
        entry |= {"api_key": key.name, "api_key_id": key.id}
    log.info("%s %s %s", request.method, route, response.status_code, extra={"fields": entry})
