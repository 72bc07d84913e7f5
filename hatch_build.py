"""Build hook: downloads the front end's packages, and copies templates, static files and guides into a wheel.

hatch-npm-vendor downloads and verifies each package of ``[[tool.laurel.vendor]]``, but only if the existing copy
is missing or a different version, so a second install needs no network. An editable install runs from its checkout
and needs no copies; a wheel includes them.
"""

import shutil
import tomllib
from pathlib import Path
from typing import Any

from hatch_npm_vendor.plugin import DEFAULT_REGISTRY
from hatch_npm_vendor.vendor import vendor_package
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MARK = ".integrity"
WHEEL_FOLDERS = ("templates", "static", "migrations", "connections", "docs/guides")


class LaurelBuildHook(BuildHookInterface):
    """Runs before each build, editable installs included."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        pyproject = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
        for package in pyproject["tool"]["laurel"]["vendor"]:
            vendor(root, **package)
        if version != "editable":
            build_data.setdefault("force_include", {}).update(wheel_files(root))


def vendor(
    root: Path, *, package: str, version: str, integrity: str, dest: str, keep: list[str]
) -> None:
    """Put the files `keep` of an npm package into `dest`; nothing happens if they are there."""
    folder = root / dest
    mark = folder / MARK
    wanted = "\n".join([integrity, *keep])
    present = all((folder / name).is_file() for name in keep)
    if present and mark.is_file() and mark.read_text(encoding="utf-8") == wanted:
        return
    vendor_package(folder, package, version, integrity, registry=DEFAULT_REGISTRY)
    only(folder, keep)
    mark.write_text(wanted, encoding="utf-8")


def only(folder: Path, keep: list[str]) -> None:
    """Leave only the named files of `folder`: what is there is also served."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in keep:
            path.unlink()
    missing = [name for name in keep if not (folder / name).is_file()]
    if missing:
        shutil.rmtree(folder)
        raise RuntimeError(f"{folder.name}: the package has no {', '.join(missing)}")


def wheel_files(root: Path) -> dict[str, str]:
    """Map each template, static file, migration and guide to its place inside `webapp`."""
    return {
        str(path): f"webapp/{path.relative_to(root).as_posix()}"
        for name in WHEEL_FOLDERS
        for path in (root / name).rglob("*")
        if path.is_file() and path.name != MARK and "__pycache__" not in path.parts
    }
