"""A real WordPress on loopback, with our plugin, on SQLite and PHP's own server. `make connections` installs both.

It has the methods of the communities in `tests.adapters.fakes`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import tomllib
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from hatch_build import vendor
from tests.faults.console import await_
from webapp.adapters.contract import AdapterKind, Credentials
from webapp.infrastructure.network_policy import Target

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "connections" / "wordpress" / "laurel-badges.php"
CONTROL = Path(__file__).with_name("wordpress_control.php")
SETTINGS = {
    "WP_ENVIRONMENT_TYPE": "'local'",  # permits application passwords without HTTPS
    "WP_HTTP_BLOCK_EXTERNAL": "true",
    "DISABLE_WP_CRON": "true",
    "WP_DEBUG_LOG": "__DIR__ . '/debug.log'",
    "WP_DEBUG_DISPLAY": "false",
}
WORKERS = "4"  # processes that answer requests


class RealWordPress:
    """A WordPress in a folder of its own. `stop` and `start` keep its data; `close` deletes it."""

    kind = AdapterKind.WORDPRESS

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="laurel-wordpress-"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None
        self._install()
        self.credentials = Credentials("laurel", self._control("set_up"))
        self.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def to(self) -> Target:
        return Target("http", "127.0.0.1", self.port, "/")

    def start(self) -> None:
        with (self.folder / "php.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["php", "-S", f"127.0.0.1:{self.port}", "-t", str(self.folder)],
                env={**os.environ, "PHP_CLI_SERVER_WORKERS": WORKERS},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        await_(self._answers, 60, "WordPress answers")

    def kill(self) -> None:
        """Kill it, whatever it is doing."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder)

    def problems(self) -> list[str]:
        """Return the errors and warnings of PHP that concern our plugin."""
        log = self.folder / "debug.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line for line in lines if PLUGIN.name in line]

    def page(self, path: str) -> str:
        return httpx.get(self.address + path, timeout=60).raise_for_status().text

    def reset(self) -> None:
        """Delete all users but ours, and all badges."""
        with closing(self._database()) as database, database:
            database.execute("DELETE FROM wp_users WHERE ID > 1")
            database.execute("DELETE FROM wp_usermeta WHERE user_id > 1")
            database.execute("DELETE FROM wp_usermeta WHERE meta_key = 'laurel_badges'")
            database.execute("DELETE FROM wp_options WHERE option_name = 'laurel_badges'")

    @property
    def users(self) -> list[int]:
        with closing(self._database()) as database:
            return [row[0] for row in database.execute("SELECT ID FROM wp_users")]

    def add_user(self, username: str, name: str = "", email: str | None = None) -> str:
        user = {
            "user_login": username,
            "display_name": name or username,
            "user_email": f"{username}@example.org" if email is None else email,
        }
        return str(self._control("add_user", user=user))

    def add_users(self, number: int) -> list[str]:
        """Add many users directly: WordPress takes a while to hash their passwords."""
        with closing(self._database()) as database, database:
            last = database.execute("SELECT MAX(ID) FROM wp_users").fetchone()[0]
            ids = range(last + 1, last + 1 + number)
            database.executemany(
                "INSERT INTO wp_users (ID, user_login, user_pass, user_nicename, user_email,"
                " user_registered, display_name) VALUES (?, ?, '', ?, ?, '2026-01-01 00:00:00', ?)",
                [
                    (one, f"member{n}", f"member{n}", f"member{n}@example.org", f"Member {n}")
                    for n, one in enumerate(ids)
                ],
            )
            database.executemany(
                "INSERT INTO wp_usermeta (user_id, meta_key, meta_value)"
                " VALUES (?, 'wp_capabilities', 'a:1:{s:10:\"subscriber\";b:1;}')",
                [(one,) for one in ids],
            )
        return [str(one) for one in ids]

    def delete_user(self, user_id: str) -> None:
        self._control("delete_user", id=int(user_id))

    def rename(self, user_id: str, username: str) -> None:
        """WordPress doesn't rename users, but plugins do."""
        with closing(self._database()) as database, database:
            database.execute(
                "UPDATE wp_users SET user_login = ? WHERE ID = ?", (username, int(user_id))
            )

    def delete_badge(self, badge_id: str) -> None:
        self._control("delete_badge", badge=badge_id)

    def take_away(self, badge_id: str, user_id: str) -> None:
        self._control("take_away", id=int(user_id), badge=badge_id)

    def badges_of(self, user_id: str) -> list[dict[str, str]]:
        return self._control("badges", id=int(user_id)) or []

    def application_password(self, user_id: str) -> str:
        return str(self._control("application_password", id=int(user_id)))

    def render(self, content: str) -> str:
        """Return the HTML of blocks and shortcodes."""
        return str(self._control("render", content=content))

    def profile(self, user_id: str) -> str:
        """Return what plugins add to a user's page in the admin area."""
        return str(self._control("profile", id=int(user_id)))

    def holders(self, badge_id: str) -> set[str]:
        with closing(self._database()) as database:
            rows = database.execute(
                "SELECT user_id FROM wp_usermeta WHERE meta_key = 'laurel_badges'"
                " AND INSTR(meta_value, ?)",
                (f'"{badge_id}"',),
            )
            return {str(row[0]) for row in rows}

    def _database(self) -> sqlite3.Connection:
        return sqlite3.connect(self.folder / "wp-content/database/.ht.sqlite", timeout=60)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.address}/?rest_route=/", timeout=20).is_success
        except httpx.HTTPError:
            return False

    def _control(self, command: str, **asked: Any) -> Any:
        asked |= {"command": command, "host": f"127.0.0.1:{self.port}"}
        answered = subprocess.run(
            ["php", str(CONTROL), str(self.folder)],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(answered.stdout)

    def _install(self) -> None:
        pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        package = pyproject["tool"]["laurel"]["wordpress"]
        vendor(ROOT, **package)
        wordpress, sqlite = (ROOT / package["dest"] / name for name in package["keep"])
        content = self.folder / "wp-content"
        with zipfile.ZipFile(wordpress) as archive:
            archive.extractall(self.folder)
        with zipfile.ZipFile(sqlite) as archive:
            archive.extractall(content / "plugins")
        unpacked = content / "plugins" / "sqlite-database-integration-main"
        unpacked.rename(unpacked.with_name("sqlite-database-integration"))
        shutil.copy(content / "plugins/sqlite-database-integration/db.copy", content / "db.php")
        (content / "mu-plugins").mkdir()
        shutil.copy(PLUGIN, content / "mu-plugins")
        settings = "".join(f"define( '{name}', {value} );\n" for name, value in SETTINGS.items())
        config = self.folder / "wp-config.php"
        text = config.read_text().replace(
            "define( 'WP_DEBUG', false );", "define( 'WP_DEBUG', true );"
        )
        config.write_text(text.replace("<?php", f"<?php\n{settings}", 1))
