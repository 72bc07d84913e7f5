"""Parts that badges can be drawn from: names of shapes, colors and icons. The pages draw them."""

from __future__ import annotations

SHAPES = ("shield", "hexagon", "circle", "star", "rosette", "diamond")
COLOURS = (
    "green",
    "teal",
    "blue",
    "violet",
    "pink",
    "red",
    "orange",
    "amber",
    "gold",
    "slate",
)
NO_ICON = ""  # draws the first letter of the badge's name instead
# Names of Lucide icons in groups, in the order shown.
ICONS = (
    *("award", "medal", "trophy", "crown", "gem", "star", "sparkles", "flame", "zap", "rocket"),
    *("heart", "hand-heart", "handshake", "thumbs-up", "smile", "life-buoy", "shield-check", "key"),
    *(
        "message-circle",
        "messages-square",
        "megaphone",
        "mic",
        "languages",
        "pen-line",
        "book-open",
    ),
    *(
        "graduation-cap",
        "lightbulb",
        "puzzle",
        "search",
        "compass",
        "map-pin",
        "flag",
        "footprints",
    ),
    *("users", "user-plus", "calendar-check", "ticket", "party-popper", "cake", "gift", "coffee"),
    *(
        "code",
        "bug",
        "wrench",
        "hammer",
        "flask-conical",
        "camera",
        "palette",
        "music",
        "gamepad-2",
    ),
    *("sprout", "leaf", "tree-pine", "sun", "moon", "globe", "anchor", "mountain"),
)
