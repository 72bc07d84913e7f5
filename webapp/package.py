"""The installed distribution: its name, its version and its files."""

from functools import cache
from importlib import metadata
from pathlib import Path

DISTRIBUTION = "laurel-badges"

_PACKAGE = Path(__file__).resolve().parent
# Templates, static files, migrations and guides are inside the package in a wheel, and next to it in a checkout.
IN_CHECKOUT = not (_PACKAGE / "templates").is_dir()


@cache
def version() -> str:
    return metadata.version(DISTRIBUTION)


def folder(name: str) -> Path:
    """The folder `templates`, `static`, `migrations` or `docs/guides`, in a checkout or in an installed wheel."""
    return (_PACKAGE.parent if IN_CHECKOUT else _PACKAGE) / name
