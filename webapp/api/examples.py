"""Examples that can be run: a first call, a full script, and every operation in curl and Python."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote, urlencode

from webapp.api.framework.operations import Operation
from webapp.domain.permissions import Scope

# Values that readers fill in: $QUEST in a shell, QUEST in Python.
VARIABLES = {
    "BADGE": "a badge's ID",
    "QUEST": "the ID of one of its quests",
    "AWARD": "an award's ID",
    "BATCH": "a batch's ID",
    "WEBHOOK": "a webhook's ID",
    "DELIVERY": "the ID of one of its deliveries",
    "DRAFT": "the ID of a draft (a batch that has never been published)",
}
_VARIABLE = re.compile(r"\$([A-Z]+)")
_CONSTANTS = {"true": "True", "false": "False", "null": "None"}  # of JSON, in Python
_CONSTANT = re.compile(r"(?<=: )(true|false|null)(?=,?$)", re.MULTILINE)

SHELL = """\
export LAUREL={address}
export LAUREL_KEY=…  # your API key
"""
FIRST = """\
curl "$LAUREL/api/v1/badges" \\
  -H "Authorization: Bearer $LAUREL_KEY"
"""
PYTHON = '''\
import json
import os
import urllib.error
import urllib.request

LAUREL = os.environ.get("LAUREL", "{address}")
KEY = os.environ["LAUREL_KEY"]


def call(method, path, body=None, **headers):
    """Send a request and return the response's JSON; after an error, say what is wrong and end."""
    request = urllib.request.Request(
        f"{{LAUREL}}/api/v1{{path}}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={{"Authorization": f"Bearer {{KEY}}", "Content-Type": "application/json", **headers}},
    )
    try:
        with urllib.request.urlopen(request) as response:
            return json.loads(response.read() or "null")
    except urllib.error.HTTPError as error:
        problem = json.load(error)
        raise SystemExit(f"{{method}} {{path}}: {{problem['title']}}. {{problem.get('detail', '')}}") from None
'''
WALK = '''\
import time
import uuid
from contextlib import ExitStack

PREFIX = f"example-{uuid.uuid4().hex[:6]}"  # everything that this script creates starts with it


def wait_for(batch):
    """Poll a batch until it's finished."""
    while batch["status"] in ("Unpublished", "In Progress"):
        time.sleep(1)
        batch = call("GET", f"/batches/{batch['id']}")
        print(batch["status"], batch["percent"], "%")
    return batch


with ExitStack() as cleanup:  # what is registered here is called at the end, also after an error
    # 1. Create a badge, with a quest to award.
    badge = call("POST", "/badges", {"name": f"{PREFIX} badge", "quest": "Completed the course"})
    cleanup.callback(call, "PATCH", f"/badges/{badge['id']}", {"archived": True})
    quest = badge["quests"][0]["id"]

    # 2. Create or update members, up to 1,000 per request. Running this again changes nothing.
    members = [{"id": f"{PREFIX}-{n}", "username": f"{PREFIX}-{n}"} for n in range(1, 21)]
    result = call("POST", "/member-imports", {"members": members})
    print(result["created"], "created,", result["unchanged"], "unchanged,", result["errors"], "errors")
    for member in members:
        cleanup.callback(call, "DELETE", f"/members/{member['id']}")

    # 3. Award the badge to one member. With an Idempotency-Key, it's safe to retry the request.
    award = call(
        "POST",
        "/awards",
        {"quest": quest, "member": {"id": f"{PREFIX}-1"}, "reason": "Completed the course"},
        **{"Idempotency-Key": str(uuid.uuid4())},
    )
    print(award["member"]["username"], "now has", award["quest"]["badge"]["name"])

    # 4. Award it to everyone: create a draft, check the report, and publish it.
    batch = call(
        "POST",
        "/batches",
        {
            "name": f"{PREFIX} completions",
            "quest": quest,
            "members": [{"id": member["id"]} for member in members],
        },
    )
    print(batch["report"]["added"], "added,", batch["report"]["errors"], "errors")
    cleanup.callback(lambda: wait_for(call("POST", f"/batches/{batch['id']}/reversal")))
    batch = wait_for(call("POST", f"/batches/{batch['id']}/publication"))
    print(batch["counts"])

    # 5. Revoke one award. The reason appears in the member's history.
    revoked = call("POST", f"/awards/{award['id']}/revocation", {"reason": "Awarded too early"})
    print(revoked["member"]["username"], revoked["state"])
'''
WALK_SCOPES = (
    Scope.BADGES_WRITE,
    Scope.MEMBERS_WRITE,
    Scope.MEMBERS_ERASE,
    Scope.AWARDS_WRITE,
    Scope.BATCHES_READ,
    Scope.BATCHES_WRITE,
)
SYNC = '''\
def everything(path):
    """Yield all items of a list."""
    cursor = ""
    while cursor is not None:
        page = call("GET", f"{path}?limit=200{cursor}")
        yield from page["items"]
        cursor = page["next"] and f"&cursor={page['next']}"


def load():
    """Load everything; return the copy, and the place in the events from which to follow."""
    after = call("GET", "/events?after=latest")["next"]  # first, so that no change is missed
    members = {member["id"]: member for member in everything("/members")}
    awards = {award["id"]: award for award in everything("/awards")}
    return {"members": members, "awards": awards}, after


def apply(copy, kind, data):
    """Change the copy as an event says. Applying an event again does no harm."""
    if data is None:
        return  # it no longer exists, and a later event says so
    if kind.startswith("award."):
        copy["awards"][data["id"]] = data  # its state is active or revoked
    elif kind in ("member.created", "member.changed"):
        copy["members"][data["id"]] = data
    elif kind == "member.erased":
        copy["members"].pop(data["id"], None)
        for award in list(copy["awards"].values()):
            if award["member"]["id"] == data["id"]:
                del copy["awards"][award["id"]]


def follow(copy, after):
    """Apply the events after this place; return the place to follow from next time."""
    while True:
        page = call("GET", f"/events?after={after}&limit=200")
        for event in page["items"]:
            apply(copy, event["type"], event["data"])
        after = page["next"]  # store it in the same transaction as your changes
        if not page["has_more"]:
            return after


copy, after = load()  # once
after = follow(copy, after)  # every few seconds, or when a webhook arrives
print(len(copy["members"]), "members,", len(copy["awards"]), "awards")
'''
PROBLEM = """\
{
  "type": "/api/docs#problem-invalid",
  "title": "Invalid values in the request",
  "status": 422,
  "detail": "No member has the ID 4822.",
  "errors": [
    {
      "message": "User was not found.",
      "pointer": "#/member"
    }
  ]
}
"""
VERIFY = '''\
import base64
import hashlib
import hmac
import time


def verified(headers, body, secret):
    """Check that a message is from Laurel, unchanged and at most 5 minutes old. `body` is the raw bytes."""
    if abs(time.time() - int(headers["webhook-timestamp"])) > 300:
        return False
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    signatures = headers["webhook-signature"].split()  # two for a day after the secret was rotated
    return any(hmac.compare_digest(f"v1,{expected}", signature) for signature in signatures)
'''


def curl(operation: Operation) -> str:
    lines = [f'curl "$LAUREL/api/v1{_path(operation)}"']
    body = operation.example.get("body")
    if operation.method not in ("GET", "POST") or (operation.method == "POST" and body is None):
        lines[0] += f" -X {operation.method}"
    lines.append('  -H "Authorization: Bearer $LAUREL_KEY"')
    if body is None:
        return " \\\n".join(lines) + "\n"
    # Not --json, which curl has since 7.82.0 (https://curl.se/docs/optionswhen.html).
    lines += ['  -H "Content-Type: application/json"', "  --data-binary @- <<JSON"]
    return " \\\n".join(lines) + "\n" + _json(body, 2) + "\nJSON\n"


def python(operation: Operation) -> str:
    path = _VARIABLE.sub(r"{\1}", _path(operation))
    path_literal = f'{"f" if "{" in path else ""}"{path}"'
    body = operation.example.get("body")
    if body is None:
        return f'call("{operation.method}", {path_literal})\n'
    written = re.sub(r'"\$([A-Z]+)"', r"\1", _json(body, 4))
    written = _CONSTANT.sub(lambda found: _CONSTANTS[found[0]], written)
    return f'call("{operation.method}", {path_literal}, {written})\n'


def _path(operation: Operation) -> str:
    path = re.sub(r"<\w+:", "<", operation.path)
    for name, value in operation.example.get("path", {}).items():
        path = path.replace(f"<{name}>", value if value[0] == "$" else quote(value, safe=""))
    query = operation.example.get("query")
    return f"{path}?{urlencode(query)}" if query else path


def _json(body: Any, indent: int) -> str:
    return json.dumps(body, indent=indent, ensure_ascii=False)
