"""The installed distribution: its name, its version and its files."""

from functools import cache
from importlib import metadata
from pathlib import Path

DISTRIBUTION = "laurel-badges"

_PACKAGE = Path(__file__).resolve().parent
# In a wheel, templates, static files and the other folders below are inside the package, in a checkout next to it.
IN_CHECKOUT = not (_PACKAGE / "templates").is_dir()


@cache
def version() -> str:
    return metadata.version(DISTRIBUTION)


def folder(name: str) -> Path:
    """Return `templates`, `static`, `migrations`, `connections` or `docs/guides`, of a checkout or a wheel."""
    return (_PACKAGE.parent if IN_CHECKOUT else _PACKAGE) / name
