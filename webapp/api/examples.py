"""Examples that can be run: of every operation in curl and in Python, and a script that goes the whole way."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote, urlencode

from webapp.api.framework.operations import Operation

# What the examples leave open: as $QUEST in a shell, as QUEST in Python.
VARIABLES = {
    "BADGE": "the id of a badge",
    "QUEST": "the id of one of its quests",
    "AWARD": "the id of an award",
    "BATCH": "the id of a batch",
    "DRAFT": "the id of a batch that was never published",
}
_VARIABLE = re.compile(r"\$([A-Z]+)")

SHELL = """\
export LAUREL={address}
export LAUREL_KEY=…  # the key
"""
PYTHON = '''\
import json
import os
import urllib.request

LAUREL = os.environ.get("LAUREL", "{address}")
KEY = os.environ["LAUREL_KEY"]


def ask(method, path, body=None, **headers):
    """Sends one request, and returns what was answered; what is refused is raised."""
    request = urllib.request.Request(
        f"{{LAUREL}}/api/v1{{path}}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={{"Authorization": f"Bearer {{KEY}}", "Content-Type": "application/json", **headers}},
    )
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read() or "null")
'''
WALK = """\
import time
import uuid

# Which badge? Any quest of it that is not archived can be awarded.
badges = ask("GET", "/badges")["items"]
quest = next(
    quest["id"]
    for badge in badges
    for quest in badge["quests"]
    if not (badge["archived_at"] or quest["archived_at"])
)

# Keep members in step, up to 1,000 in a request. The same again changes nothing.
people = [{"id": f"course-{n}", "username": f"learner.{n}"} for n in range(1, 5001)]
for first in range(0, len(people), 1000):
    done = ask("POST", "/member-imports", {"members": people[first : first + 1000]})
    print(done["created"], "created,", done["unchanged"], "unchanged,", done["errors"], "errors")

# One badge for one member. The key makes it one award, however often this is sent.
award = ask(
    "POST",
    "/awards",
    {"quest": quest, "member": {"id": "course-1"}, "reason": "Completed the course"},
    **{"Idempotency-Key": str(uuid.uuid4())},
)
print(award["member"]["username"], "holds", award["quest"]["badge"]["name"])

# The same badge for all of them: a draft with its report, then its publication.
batch = ask(
    "POST",
    "/batches",
    {
        "name": "Course completions",
        "quest": quest,
        "members": [{"id": person["id"]} for person in people],
    },
)
print(batch["report"]["added"], "added,", batch["report"]["errors"], "errors")
batch = ask("POST", f"/batches/{batch['id']}/publication")
while batch["status"] in ("Unpublished", "In Progress"):
    time.sleep(1)
    batch = ask("GET", f"/batches/{batch['id']}")
    print(batch["status"], batch["percent"], "%")
print(batch["counts"])

# Taken back, with a reason that stays in the member's history.
revoked = ask("POST", f"/awards/{award['id']}/revocation", {"reason": "Awarded too early"})
print(revoked["member"]["username"], revoked["state"])
"""
VERIFY = '''\
import base64
import hashlib
import hmac
import time


def verified(headers, body, secret):
    """Whether a message is from here, whole, and of the last five minutes; `body` are the bytes as they came."""
    if abs(time.time() - int(headers["webhook-timestamp"])) > 300:
        return False
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    right = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = headers["webhook-signature"].split()  # two of them for a day after a new secret
    return any(hmac.compare_digest(f"v1,{right}", one) for one in given)
'''


def curl(operation: Operation) -> str:
    lines = [f'curl "$LAUREL/api/v1{_path(operation)}"']
    body = operation.example.get("body")
    if operation.method not in ("GET", "POST") or (operation.method == "POST" and body is None):
        lines[0] += f" -X {operation.method}"
    lines.append('  -H "Authorization: Bearer $LAUREL_KEY"')
    if body is None:
        return " \\\n".join(lines) + "\n"
    lines.append("  --json @- <<JSON")
    return " \\\n".join(lines) + "\n" + _json(body, 2) + "\nJSON\n"


def python(operation: Operation) -> str:
    path = _VARIABLE.sub(r"{\1}", _path(operation))
    path_literal = f'{"f" if "{" in path else ""}"{path}"'
    body = operation.example.get("body")
    if body is None:
        return f'ask("{operation.method}", {path_literal})\n'
    written = re.sub(r'"\$([A-Z]+)"', r"\1", _json(body, 4))
    return f'ask("{operation.method}", {path_literal}, {written})\n'


def _path(operation: Operation) -> str:
    path = re.sub(r"<\w+:", "<", operation.path)
    for name, value in operation.example.get("path", {}).items():
        path = path.replace(f"<{name}>", value if value[0] == "$" else quote(value, safe=""))
    query = operation.example.get("query")
    return f"{path}?{urlencode(query)}" if query else path


def _json(body: Any, indent: int) -> str:
    return json.dumps(body, indent=indent, ensure_ascii=False)
