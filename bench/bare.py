"""A bare Flask app, served like the console: one route with one indexed insert and a commit."""

from __future__ import annotations

import os
import sqlite3
import threading
from typing import Any

import psycopg
from flask import Flask, request

TABLE = "CREATE TABLE IF NOT EXISTS bare (member TEXT, quest BIGINT, PRIMARY KEY (member, quest))"


def create_app() -> Flask:
    """The app, on the database in BARE_DATABASE: a SQLite file or a PostgreSQL URL."""
    app, here = Flask("bare"), threading.local()
    where = os.environ["BARE_DATABASE"]
    mark = "%s" if "://" in where else "?"

    def connection() -> Any:
        if not hasattr(here, "connection"):
            if "://" in where:
                here.connection = psycopg.connect(where, autocommit=True)
            else:
                here.connection = sqlite3.connect(where, isolation_level=None, timeout=30)
                here.connection.execute("PRAGMA journal_mode=WAL")
                here.connection.execute("PRAGMA synchronous=FULL")
        return here.connection

    connection().execute(TABLE)

    @app.post("/awards")
    def award() -> tuple[dict[str, str], int]:
        body = request.get_json()
        row = (body["member"]["id"], int(body["quest"]))
        connection().execute(f"INSERT INTO bare VALUES ({mark}, {mark})", row)
        return {"id": body["member"]["id"]}, 201

    return app
