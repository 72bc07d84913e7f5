"""Communities on loopback that answer as WordPress with our plugin, Discourse and NodeBB do, as far as adapters ask.

All three have the same methods for tests: members and badges to begin with, what people do there by hand, and faults.
"""

from __future__ import annotations

import html
import json
import threading
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

from webapp.adapters.contract import AdapterKind, Credentials
from webapp.infrastructure.network_policy import Target

LOOPBACK = ("127.0.0.0/8",)


@dataclass
class User:
    """A user there."""

    id: int
    username: str
    name: str
    email: str


@dataclass
class Answer:
    """What a community responds. A `body` that isn't bytes is sent as JSON."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Request:
    """What a community was asked; `query` has the last value of each name."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class _Handler(BaseHTTPRequestHandler):
    server: FakeCommunity
    protocol_version = "HTTP/1.1"

    def respond(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = json.loads(sent) if sent else None
        request = Request(self.command, unquote(parts.path), query, headers, body)
        with self.server.lock:
            self.server.requests.append(request)
            answer = self.server.fault(request) if self.server.fault else None
            answer = answer or self.server.answer(request)
        content = (
            answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        )
        kind = "application/json" if not isinstance(answer.body, bytes) else "text/html"
        self.send_response(answer.status)
        for name, value in {"Content-Type": kind, **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = respond  # noqa: N815 (http.server calls them so)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


class FakeCommunity(ThreadingHTTPServer):
    """A community. `fault` may answer a request instead; `requests` has all of them."""

    kind: ClassVar[AdapterKind]
    credentials: ClassVar[Credentials]
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = threading.RLock()
        self.requests: list[Request] = []
        self.fault: Callable[[Request], Answer | None] | None = None
        self.users: dict[int, User] = {}
        self.names: dict[str, str] = {}  # of badges, by ID
        self.held: dict[str, dict[int, dict[str, Any]]] = {}  # badge ID → user ID → what was sent
        self.admin = True
        self.revoked = False
        self.last_id = 0
        self.add_user("laurel", "Laurel")
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def to(self) -> Target:
        return Target("http", "127.0.0.1", self.server_port, "/community/")

    def add_user(self, username: str, name: str = "", email: str | None = None) -> str:
        self.last_id += 1
        address = f"{username}@example.org" if email is None else email
        self.users[self.last_id] = User(self.last_id, username, name or username, address)
        return str(self.last_id)

    def add_users(self, number: int) -> list[str]:
        return [self.add_user(f"member{n}", f"Member {n}") for n in range(number)]

    def delete_user(self, user_id: str) -> None:
        del self.users[int(user_id)]
        for holders in self.held.values():
            holders.pop(int(user_id), None)

    def rename(self, user_id: str, username: str) -> None:
        self.users[int(user_id)].username = username

    def add_badge(self, name: str) -> str:
        badge_id = self.id_of(name)
        self.names[badge_id], self.held[badge_id] = name, {}
        return badge_id

    def delete_badge(self, badge_id: str) -> None:
        del self.names[badge_id], self.held[badge_id]

    def id_of(self, name: str) -> str:
        return str(100 + len(self.names))

    def holders(self, badge_id: str) -> set[str]:
        return {str(user_id) for user_id in self.held[badge_id]}

    def take_away(self, badge_id: str, user_id: str) -> None:
        """Someone revokes an award there by hand."""
        del self.held[badge_id][int(user_id)]

    def answer(self, request: Request) -> Answer:
        raise NotImplementedError

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that closes the connection is not an error."""

    def close(self) -> None:
        self.shutdown()
        self.server_close()

    def _below(self, request: Request) -> str | None:
        """Return the path below the community's address."""
        path = request.path
        return path.removeprefix("/community") if path.startswith("/community/") else None

    def _named(self, username: str) -> User | None:
        return next((user for user in self.users.values() if user.username == username), None)


HTML = Answer(404, b"<!DOCTYPE html><title>Not found</title>")


class FakeWordPress(FakeCommunity):
    """WordPress 6.5 with our plugin, without pretty permalinks."""

    kind = AdapterKind.WORDPRESS
    credentials = Credentials("laurel", "abcd efgh ijkl mnop qrst uvwx")
    plugin = True

    def id_of(self, name: str) -> str:
        return f"badge-{len(self.names) + 1}"

    def answer(self, request: Request) -> Answer:
        if self._below(request) != "/" or "rest_route" not in request.query:
            return HTML
        route = request.query["rest_route"]
        if route == "/":
            namespaces = ["wp/v2", *(["laurel/v1"] if self.plugin else [])]
            return Answer(body={"name": "Forum &amp; friends", "namespaces": namespaces})
        if (refused := self._refused(request)) is not None:
            return refused
        if route == "/wp/v2/users/me":
            return Answer(body={"username": "laurel", "capabilities": self._capabilities()})
        if route == "/wp/v2/users":
            return self._page(request.query)
        if route.startswith("/laurel/v1/") and self.plugin:
            return self._ours(request, route.removeprefix("/laurel/v1"))
        return Answer(404, {"code": "rest_no_route", "message": "No route was found."})

    def _refused(self, request: Request) -> Answer | None:
        scheme, _, pair = request.headers.get("authorization", "").partition(" ")
        expected = f"{self.credentials.account}:{self.credentials.secret}"
        if scheme != "Basic" or b64decode(pair).decode() != expected or self.revoked:
            return Answer(401, {"code": "incorrect_password", "data": {"status": 401}})
        if not self.admin and request.query["rest_route"] != "/wp/v2/users/me":
            return Answer(403, {"code": "rest_forbidden", "data": {"status": 403}})
        return None

    def _capabilities(self) -> dict[str, bool]:
        return {"read": True, **({"list_users": True, "edit_users": True} if self.admin else {})}

    def _page(self, query: dict[str, str]) -> Answer:
        if query["context"] != "edit" or query["orderby"] != "id" or query["order"] != "asc":
            return Answer(400, {"code": "rest_invalid_param"})
        offset, most = int(query["offset"]), int(query["per_page"])
        users = sorted(self.users.values(), key=lambda user: user.id)
        shown = [
            {**vars(user), "name": html.escape(user.name, quote=False)}
            for user in users[offset : offset + most]
        ]
        headers = {"X-WP-Total": str(len(users))}
        if offset + most < len(users):
            headers["Link"] = f'<http://127.0.0.1/?offset={offset + most}>; rel="next"'
        return Answer(body=shown, headers=headers)

    def _ours(self, request: Request, path: str) -> Answer:
        if path == "/status":
            return Answer(body={"plugin": "1.0.0", "wordpress": "6.5.3"})
        if path == "/badges" and request.method == "GET":
            return Answer(body=[{"id": key, "name": name} for key, name in self.names.items()])
        if path == "/badges":
            name = request.body["name"]
            found = next((key for key, known in self.names.items() if known == name), None)
            return Answer(body={"id": found or self.add_badge(name), "name": name})
        if path == "/changes":
            if len(request.body["changes"]) > 50:
                return Answer(400, {"code": "rest_invalid_param"})
            return Answer(body={"results": [self._change(one) for one in request.body["changes"]]})
        after = int(request.query["after"])
        holders = sorted(user for user in self.held.get(request.query["badge"], ()) if user > after)
        page = holders[:500]
        return Answer(body={"users": page, "next": page[-1] if len(page) == 500 else None})

    def _change(self, change: dict[str, Any]) -> dict[str, str]:
        if change["user"] not in self.users:
            return {"status": "user_gone"}
        if change["badge"] not in self.names:
            return {"status": "badge_gone" if change["held"] else "done"}
        if change["held"]:
            self.held[change["badge"]][change["user"]] = change
        else:
            self.held[change["badge"]].pop(change["user"], None)
        return {"status": "done"}


class FakeDiscourse(FakeCommunity):
    """Discourse, whose errors have a list of texts and a type."""

    kind = AdapterKind.DISCOURSE
    credentials = Credentials("laurel", "0f3f2c")

    def answer(self, request: Request) -> Answer:
        path = self._below(request)
        if path is None or not path.endswith(".json"):
            return HTML
        path = path.removesuffix(".json")
        if path == "/site/basic-info":
            return Answer(body={"title": "Forum & friends", "description": ""})
        keys = (request.headers.get("api-username"), request.headers.get("api-key"))
        if keys != (self.credentials.account, self.credentials.secret) or self.revoked:
            return self._error(403, "invalid_access")
        if path == "/session/current":
            return Answer(body={"current_user": {"username": "laurel", "admin": self.admin}})
        return self._admin(request, path) if self.admin else self._error(404, "not_found")

    def _error(self, status: int, kind: str) -> Answer:
        return Answer(status, {"errors": ["It didn't work."], "error_type": kind})

    def _admin(self, request: Request, path: str) -> Answer:
        match request.method, path.strip("/").split("/"):
            case "GET", ["admin", "users", "list", "active"]:
                return self._page(request.query)
            case "GET", ["admin", "users", user_id] if int(user_id) in self.users:
                return Answer(body=vars(self.users[int(user_id)]))
            case "GET", ["admin", "badges"]:
                badges = [{"id": int(key), "name": name} for key, name in self.names.items()]
                return Answer(body={"badges": badges})
            case "POST", ["admin", "badges"]:
                name = request.body["name"]
                if name in self.names.values():
                    return self._error(422, "invalid_parameters")
                return Answer(body={"badge": {"id": int(self.add_badge(name)), "name": name}})
            case "POST", ["user_badges"]:
                return self._grant(request.body)
            case "DELETE", ["user_badges", award_id]:
                return self._revoke(int(award_id))
            case "GET", ["user-badges", username] if user := self._named(username):
                return Answer(body={"user_badges": self._awards(user)})
            case "GET", ["user_badges"] if request.query["badge_id"] in self.held:
                return self._holders(request.query["badge_id"], int(request.query["offset"]))
        return self._error(404, "not_found")

    def _page(self, query: dict[str, str]) -> Answer:
        if (query["order"], query["asc"], query["show_emails"]) != ("created", "true", "true"):
            return self._error(400, "invalid_parameters")
        system = User(-1, "system", "system", "no_email")
        users = [system, *sorted(self.users.values(), key=lambda user: user.id)]
        start = (int(query["page"]) - 1) * 100
        return Answer(body=[vars(user) for user in users[start : start + 100]])

    def _grant(self, body: dict[str, Any]) -> Answer:
        user, badge_id = self._named(body["username"]), str(body["badge_id"])
        if user is None or badge_id not in self.names:
            return self._error(404, "not_found")
        if "reason" in body:
            return self._error(400, "invalid_grant_badge_reason_link")
        self.held[badge_id].setdefault(user.id, body)
        return Answer(body={"user_badge": {"id": self._award_id(badge_id, user.id)}})

    def _award_id(self, badge_id: str, user_id: int) -> int:
        return int(badge_id) * 100_000 + user_id

    def _revoke(self, award_id: int) -> Answer:
        badge_id, user_id = divmod(award_id, 100_000)
        if self.held.get(str(badge_id), {}).pop(user_id, None) is None:
            return self._error(404, "not_found")
        return Answer(body={"success": "OK"})

    def _awards(self, user: User) -> list[dict[str, int]]:
        return [
            {"id": self._award_id(badge_id, user.id), "badge_id": int(badge_id)}
            for badge_id, holders in self.held.items()
            if user.id in holders
        ]

    def _holders(self, badge_id: str, offset: int) -> Answer:
        found = sorted(self.held[badge_id], reverse=True)[offset : offset + 96]
        awards = [
            {"id": self._award_id(badge_id, user), "badge_id": int(badge_id), "user_id": user}
            for user in found
        ]
        return Answer(body={"user_badge_info": {"user_badges": awards}})


class FakeNodeBB(FakeCommunity):
    """NodeBB, whose unusual answers are those of version 3."""

    kind = AdapterKind.NODEBB
    credentials = Credentials("1", "1a2b-3c4d")

    def id_of(self, name: str) -> str:
        return name.lower().replace(" ", "-")

    def answer(self, request: Request) -> Answer:
        path = self._below(request)
        if path is None or not path.startswith("/api/"):
            return HTML
        if path == "/api/config":
            return Answer(body={"siteTitle": "Forum & friends", "version": "3.8.1"})
        token = f"Bearer {self.credentials.secret}"
        if request.headers.get("authorization") != token or self.revoked:
            return self._error(401, "A valid login session was not found.")
        if path == "/api/self":
            return Answer(body=self._shown(self.users[1]))
        if not self.admin:
            return self._error(403, "You do not have enough privileges for this action.")
        return self._admin(request, path)

    def _error(self, status: int, text: str) -> Answer:
        return Answer(status, {"status": {"code": "error", "message": text}, "response": {}})

    def _shown(self, user: User) -> dict[str, Any]:
        confirmed = {"email:confirmed": 1} if user.email else {}
        return {
            "uid": user.id,
            "username": user.username,
            "displayname": user.name,
            "email": user.email,
            **confirmed,
        }

    def _admin(self, request: Request, path: str) -> Answer:
        match request.method, path.removeprefix("/api/").split("/"):
            case "GET", ["admin", "manage", "users"]:
                return self._page(request.query)
            case "GET", ["admin", "manage", "groups"]:
                return self._groups(int(request.query["page"]))
            case "POST", ["v3", "groups"]:
                name = request.body["name"]
                if name in self.names.values():
                    return self._error(400, "Group name already exists")
                return Answer(body={"response": {"slug": self.add_badge(name), "name": name}})
            case method, ["v3", "groups", slug, "membership", uid]:
                return self._membership(method, slug, int(uid))
            case "GET", ["v3", "groups", slug, "members"] if slug in self.held:
                return self._members(slug, int(request.query["after"]))
            case "GET", ["v3", "users", uid] if int(uid) in self.users:
                return Answer(body={"response": self._shown(self.users[int(uid)])})
        return self._error(404, "Not Found")

    def _page(self, query: dict[str, str]) -> Answer:
        most, page = int(query["resultsPerPage"]), int(query["page"])
        if (query["sortBy"], query["sortDirection"]) != ("joindate", "asc") or most != 500:
            return self._error(400, "Bad request")
        users = sorted(self.users.values(), key=lambda user: user.id)
        shown = [self._shown(user) for user in users[(page - 1) * most : page * most]]
        pages = max(1, -(-len(users) // most))
        body = {"users": shown, "page": page, "pageCount": pages, "userCount": len(users)}
        return Answer(body=body)

    def _groups(self, page: int) -> Answer:
        every = [{"slug": "administrators", "name": "administrators", "system": 1}]
        every += [{"slug": slug, "name": name, "system": 0} for slug, name in self.names.items()]
        pages = max(1, -(-len(every) // 20))
        shown = every[(page - 1) * 20 : page * 20]
        return Answer(body={"groups": shown, "pagination": {"pageCount": pages}})

    def _membership(self, method: str, slug: str, uid: int) -> Answer:
        if slug not in self.held:
            return self._error(404, "Group does not exist")
        if uid not in self.users:
            return self._error(401, "Invalid User ID")
        if method == "PUT":
            self.held[slug].setdefault(uid, {})
        elif self.held[slug].pop(uid, None) is None:
            return self._error(400, "Not a member of this group")
        return Answer(body={"status": {"code": "ok", "message": "OK"}, "response": {}})

    def _members(self, slug: str, after: int) -> Answer:
        found = sorted(self.held[slug])[after : after + 20]
        users = [{"uid": uid} for uid in found]
        return Answer(body={"response": {"users": users, "nextStart": after + 20}})


FAKES: dict[AdapterKind, type[FakeCommunity]] = {
    fake.kind: fake for fake in (FakeWordPress, FakeDiscourse, FakeNodeBB)
}
