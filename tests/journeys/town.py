"""Builds a small town over HTTP and gives the hands to live in it: put, send, ask, publish, wait.

Sixty women and sixty men in one market who seek each other; each liked or passed some. Everything goes
through the API, except what staff do.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import requests
from django.contrib.auth.models import User

from apps.api.models import Scope
from apps.api.services import create_service_key
from apps.common.clock import now
from apps.refresh.services import refresh
from apps.releases.models import Release
from apps.releases.services import edit_revision, publish_revision, start_revision
from apps.surfaces.models import Market

EACH = 60
HOME = {"latitude": 51.5074, "longitude": -0.1278, "market": "london"}
CRAFTS = ["directing", "acting", "editing", "composing"]


@dataclass
class Town:
    address: str
    secret: str
    staff: User
    session: requests.Session = field(default_factory=requests.Session)

    def ask(self, call: str, body: Any = None, *, session: requests.Session | None = None) -> Any:
        method, _, path = call.partition(" ")
        return (session or self.session).request(
            method,
            f"{self.address}/api/v1{path}",
            json=body,
            headers={"Authorization": f"Api-Key {self.secret}"},
            timeout=10,
        )

    def ids(self, member: str, *, limit: int = 100, **more: str) -> list[str]:
        return [item["id"] for item in self.list(member, limit=limit, **more)["items"]]

    def look(self, member: str, *, limit: int = 100, surface: str = "dating") -> list[str]:
        """Who would be shown, without showing them."""
        return self.ids(member, limit=limit, surface=surface, dry_run="true")

    def list(self, member: str, *, limit: int = 10, surface: str = "dating", **more: str) -> dict[str, Any]:
        query = "".join(f"&{name}={value}" for name, value in more.items())
        response = self.ask(f"GET /recommendations?surface={surface}&member={member}&limit={limit}{query}")
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def send(self, *events: dict[str, Any]) -> None:
        results = self.ask("POST /events", list(events)).json()["results"]
        assert [row["status"] for row in results] == ["accepted"] * len(events), results

    def publish(self, changes: Mapping[str, Any], note: str) -> Release:
        draft = start_revision(actor=self.staff)
        edit_revision(draft, draft.version, changes, actor=self.staff)
        return publish_revision(draft, actor=None, note=note)

    def wait_for_release(self, number: int, seconds: float = 10.0) -> float:
        """Seconds until every worker answers with this release: ten answers in a row say so."""
        began, in_a_row = time.monotonic(), 0
        since = began
        while in_a_row < 10:
            fits = self.list("w0", limit=1, dry_run="true")["release"] == number
            if fits and in_a_row == 0:
                since = time.monotonic()
            in_a_row = in_a_row + 1 if fits else 0
            assert time.monotonic() - began < seconds, f"release {number} did not arrive"
            self.session.close()  # a new connection: the other worker may answer
            time.sleep(0.01)
        return since - began


def event(kind: str, actor: str, target: str, **more: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"id": str(uuid4()), "type": kind, "actor": actor, "target": target}
    if kind not in ("block", "unblock", "report"):
        said["surface"] = "dating"
    return said | {"occurred_at": now().isoformat()} | more


def build_town(address: str) -> Town:
    Market.objects.create(key="london", name="London", latitude=51.5074, longitude=-0.1278)
    _, secret = create_service_key("journeys", Scope.values)
    staff = User.objects.create_superuser("journeys", password="long-enough-for-a-test")
    town = Town(address, secret, staff)
    town.publish(
        {"dating.exploration": 0, "dating.random_share": 0, "dating.daily_cap": 0}, note="Nothing by lot"
    )
    bulk = town.ask("POST /members/bulk", [_member(sex, i) for sex in "wm" for i in range(EACH)])
    assert {row["status"] for row in bulk.json()["results"]} == {"created"}
    town.send(*_history())
    refresh()
    wait_until(lambda: bool(town.look("w0")), "a first list")
    return town


def wait_until(holds: Callable[[], bool], what: str, seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"{what} did not come within {seconds} s"
        time.sleep(0.02)


def _member(sex: str, i: int) -> dict[str, Any]:
    return {
        "id": f"{sex}{i}",
        "display_name": f"{sex.upper()} {i}",
        "status": "active",
        "birth_date": "1990-01-31",
        "gender": "woman" if sex == "w" else "man",
        "seeking": ["man" if sex == "w" else "woman"],
        "home": HOME,
        "crafts": [CRAFTS[i % len(CRAFTS)]],
        "last_active_at": (now() - timedelta(hours=i)).isoformat(),
    }


def _history() -> list[dict[str, Any]]:
    """Of each member ten decisions, all on people numbered 30 and up: the others stay undecided."""
    draw = random.Random(7)
    events = []
    for sex, other in (("w", "m"), ("m", "w")):
        for i in range(20, 60):
            for j in draw.sample(range(30, EACH), 10):
                kind = "like" if draw.random() < (0.7 if i % 4 == j % 4 else 0.2) else "pass"
                at = now() - timedelta(days=draw.uniform(1, 20))
                events.append(event(kind, f"{sex}{i}", f"{other}{j}", occurred_at=at.isoformat()))
    return events
