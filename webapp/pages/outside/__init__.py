"""Pages for people outside the console: a member's own page, public badges, and the check of credentials (OB-2, OB-3).

They use no session. The link of a member's page is unguessable, and needs no protection against forged requests.
"""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("outside", __name__)


from webapp.pages.outside import (  # noqa: E402
    member_page,  # noqa: F401
    public_badge,  # noqa: F401
    verify,  # noqa: F401
)
