"""The JSON API for other systems, under /api/v1."""

from __future__ import annotations

from flask import Flask
from werkzeug.routing import BaseConverter

from webapp.infrastructure.rate_limiter import RateLimiter


class MemberId(BaseConverter):
    """The community's own ID of a member in a URL: any text, including slashes."""

    regex = ".+?"
    weight = 200
    part_isolating = False


def init_app(app: Flask) -> None:
    from webapp.api import (
        activities,  # noqa: F401 its operations are part of the blueprint, as are the others'
        awards,  # noqa: F401
        badges,  # noqa: F401
        batches,  # noqa: F401
        bulk_awards,  # noqa: F401
        docs,
        events,  # noqa: F401
        members,  # noqa: F401
        rate_limits,
        rules,  # noqa: F401
        runs,  # noqa: F401
        webhooks,  # noqa: F401
    )
    from webapp.api.framework import openapi, problems
    from webapp.api.framework.operations import blueprint

    app.extensions["rate_limiter"] = RateLimiter()
    app.url_map.converters["member"] = MemberId
    # Browsers don't store API keys, and sessions are ignored here, so there is no request to forge (S5).
    app.extensions["csrf"].exempt(blueprint)
    app.before_request(problems.refuse_unrouted)
    app.after_request(rate_limits.add_headers)
    app.register_blueprint(blueprint)
    app.register_blueprint(docs.blueprint)
    app.add_url_rule("/api/v1/openapi.json", "api.openapi", openapi.serve)
    for view in (docs.index, openapi.serve):  # nothing in them needs a key
        view.__dict__["asks_for"] = "public"
