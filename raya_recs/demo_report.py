"""What the demo prints: where to look, and one ranked list per surface, as a caller over HTTP sees them."""

import json
import shlex
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from raya_recs.processes import ProcessError

LIMIT = 10
PATIENCE = 60.0  # seconds
TELLING = ("degraded", "shortfall", "release", "snapshot")  # of an answer without items


def address_lines(api: str, admin: str, access: dict[str, Any], logs: Path) -> Iterator[str]:
    yield ""
    yield "Ready. Ctrl-C stops everything; the data stays."
    yield f"  Admin        {admin}/admin/"
    for name, password in access["logins"].items():
        yield f"               {name} / {password}"
    yield f"  API docs     {api}/api/docs/"
    yield f"  Service key  {access['service_key']}"
    yield f"  Logs         {logs}"
    yield "  Try"
    surface, member = next(iter(access["surfaces"]), "dating"), next(iter(access["viewers"]), "MEMBER")
    key = shlex.quote(f"Authorization: Api-Key {access['service_key']}")
    yield f"    curl -H {key} {shlex.quote(_address(api, surface, member))}"


def ranked_list_lines(api: str, access: dict[str, Any]) -> Iterator[str]:
    """For each surface the first viewer whose list is not empty; none of them is an error."""
    for surface in access["surfaces"]:
        for member in access["viewers"]:
            answer = _whole_answer(_address(api, surface, member), access["service_key"])
            if answer["items"]:
                break
        else:
            said = {name: answer[name] for name in TELLING}
            raise ProcessError(
                f"{surface}: no items for any of {', '.join(access['viewers'])}; the last answer said {said}"
            )
        yield ""
        yield f"{surface} for {member}  (release {answer['release']}, snapshot {answer['snapshot']})"
        for item in answer["items"]:
            reasons = "; ".join(_words(reason) for reason in item["reasons"])
            yield f"  {item['rank']:>3}  {item['score']:8.4f}  {item['id']:<24}  {reasons}"


def _address(api: str, surface: str, member: str) -> str:
    query = urllib.parse.urlencode({"surface": surface, "member": member, "limit": LIMIT})
    return f"{api}/api/v1/recommendations?{query}"


def _whole_answer(url: str, key: str) -> Any:
    """With both stores: asked again while Valkey, which has just started, is filled from Postgres."""
    deadline = time.monotonic() + PATIENCE
    while (answer := _get(url, key))["degraded"] and time.monotonic() < deadline:
        time.sleep(0.2)
    return answer


def _get(url: str, key: str) -> Any:
    request = urllib.request.Request(url, headers={"Authorization": f"Api-Key {key}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        body = error.read().decode(errors="replace")
        raise ProcessError(f"{url} answered {error.code}: {body}") from error
    except OSError as error:
        raise ProcessError(f"{url} did not answer: {error}") from error


def _words(reason: Any) -> str:
    return str(reason.get("text", reason)) if isinstance(reason, dict) else str(reason)
