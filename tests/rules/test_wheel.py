"""The wheel contains everything that the console needs, and runs without a checkout."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin
from urllib.request import urlopen

import pytest
from bs4 import BeautifulSoup

from tests.faults.console import await_, free_port

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.starts_processes, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=240)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def laurel(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in a new environment with only the wheel and its pinned dependencies."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(folder / "bin/python"),
        "install",
        "--quiet",
        "--no-compile",
    ]
    for arguments in (
        ["--require-hashes", "-r", str(ROOT / "requirements.txt")],
        ["--no-deps", "--no-index", str(wheel)],
    ):
        subprocess.run([*pip, *arguments], check=True, timeout=400)
    return folder / "bin/laurel"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """No settings except the port; the platform's data folder is in `tmp_path`."""
    own = ("SECRET_KEY", "DATABASE_URL", "REDIS_URL", "LAUREL_", "TRUSTED_HOSTS", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return kept | {
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "PORT": str(free_port()),
        "WEB_WORKERS": "1",
    }


def test_the_wheel_contains_only_its_packages_with_their_files(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())

    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"webapp", "jobs"}
    own = ("templates", "migrations", "static/css", "static/js", "connections", "docs/guides")
    for folder in own:
        files = {path for path in (ROOT / folder).rglob("*.*") if "__pycache__" not in path.parts}
        assert {f"webapp/{path.relative_to(ROOT).as_posix()}" for path in files} <= names
    assert not [name for name in names if name.endswith((".pyc", ".integrity"))]


@pytest.fixture
def address(laurel: Path, environment: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """The URL of a console running in an empty folder."""
    log = tmp_path / "log.txt"
    with log.open("wb") as output:
        console = subprocess.Popen(
            [str(laurel), "start"], cwd=tmp_path, env=environment, stdout=output, stderr=output
        )
        try:
            await_(
                lambda: "Laurel is at" in log.read_text() or console.poll() is not None,
                60,
                log.read_text,
            )
            yield f"http://localhost:{environment['PORT']}/"
        finally:
            console.send_signal(signal.SIGTERM)
            try:
                assert console.wait(60) == 0, log.read_text()
            finally:
                console.kill()  # stops its processes too


def fetch(url: str) -> str:
    with urlopen(url, timeout=30) as response:
        text: str = response.read().decode()
    return text


def test_the_installed_wheel_serves_the_sign_in_page_styles_scripts_and_guides(
    address: str, tmp_path: Path
) -> None:
    page = BeautifulSoup(fetch(urljoin(address, "sign-in")), "html5lib")
    styles = [str(link["href"]) for link in page.select("link[rel=stylesheet]")]
    scripts = [str(script["src"]) for script in page.select("script[src]")]

    assert page.select_one("input[type=password]")
    assert styles
    assert any("htmx" in script for script in scripts)
    for path in styles + scripts:
        assert fetch(urljoin(address, path)), path
    guide = BeautifulSoup(fetch(urljoin(address, "help/batch")), "html5lib")
    assert guide.select_one(".prose h2")
    assert urlopen(urljoin(address, str(guide.select(".prose img")[0]["src"]))).read()
    assert (tmp_path / "data/laurel/laurel.sqlite").is_file()
    assert not (tmp_path / "instance").exists()


def test_a_demo_without_faker_names_the_package_and_creates_nothing(
    laurel: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    ended = subprocess.run(
        [str(laurel), "start", "--demo"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240,
    )  # fmt: skip

    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: The demo community needs Faker. ")
    assert "pip install 'laurel-badges[demo]'" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert not (tmp_path / "data/laurel/demo.unfinished").exists()
