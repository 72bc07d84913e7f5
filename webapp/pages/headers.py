"""What every answer says to browsers, and what is let in at all: hosts, proxies, sizes (S3, S4, S5)."""

from __future__ import annotations

from flask import Flask, Response, request
from htmx_flask import Htmx
from werkzeug.middleware.proxy_fix import ProxyFix

from webapp.config import Settings
from webapp.pages.bodies import Whole

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
    # Not `no-referrer`: over HTTPS the check of CSRF tokens wants a Referer.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Content-Security-Policy": POLICY,
}
YEARS = "max-age=63072000"  # two years; subdomains are not ours to decide about


def init_app(app: Flask) -> None:
    """Sets the limits of what is read and the headers of what is answered."""
    settings: Settings = app.config["LAUREL"]
    app.config.update(
        MAX_CONTENT_LENGTH=6 * MEGABYTE,
        MAX_FORM_MEMORY_SIZE=500_000,
        MAX_FORM_PARTS=1000,
        SEND_FILE_MAX_AGE_DEFAULT=3600,
    )
    Htmx(app)
    app.wsgi_app = Whole(app.wsgi_app)  # type: ignore[method-assign]
    if settings.proxies:
        number = settings.proxies
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=number, x_proto=number, x_host=number
        )

    @app.after_request
    def say(response: Response) -> Response:
        response.headers.update(ALWAYS)
        if settings.secure:
            response.headers["Strict-Transport-Security"] = YEARS
        if request.endpoint != "static" or response.status_code >= 400:
            response.vary.add("HX-Request")
            response.headers.setdefault("Cache-Control", "no-store")
        return response
