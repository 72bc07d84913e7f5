"""The settings of a command that is run beside `laurel start`."""

from __future__ import annotations

import os

from webapp.config import Settings, data_folder, load


def here() -> Settings:
    """The environment's settings; without SECRET_KEY, the secret that `laurel start` keeps in the data folder."""
    kept = data_folder(os.environ) / "secret_key"
    if os.environ.get("SECRET_KEY") or not kept.is_file():
        return load()
    return load({**os.environ, "SECRET_KEY": kept.read_text(encoding="ascii").strip()})
