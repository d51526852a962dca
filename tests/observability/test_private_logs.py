"""No log of any process holds what a member said, is, or where they live: canaries in, journeys, grep."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
import requests

from tests.faults.site import Site, event, wait_until

CANARIES = {
    "display_name": "Quetzalina Canaryworth",
    "photo_url": "https://photos.example.org/canary-4711.jpg",
    "bio": "canarybio reach me on +44 7700 900461",
    "skills": ["canaryskill"],
    "interests": {"canaryinterest": 0.5},
    "industries": ["canaryindustry"],
    "crafts": ["canarycraft"],
    "birth_date": "1987-11-23",
    "home": {"latitude": 51.31237, "longitude": -0.76543, "market": "london"},
}
PLANTED = (
    "canary", "Quetzalina", "7700 900461", "7700900461", "900461", "1987-11-23", "51.31237", "0.76543",
    "+447700900462",
)  # fmt: skip
MEMBER = {"status": "active", "gender": "woman", "seeking": ["man"], **CANARIES}
REQUEST = str(uuid4())


@pytest.fixture
def talking_site(own_servers: Any, tmp_path: Path) -> Iterator[Site]:
    with Site(own_servers, tmp_path) as site:
        site.env["LOG_FORMAT"] = "json"
        site.open(workers=1, each=40)
        yield site


def call(site: Site, method: str, path: str, body: Any = None, **headers: str) -> int:
    headers = {"Authorization": f"Api-Key {site.secret}", "X-Request-ID": REQUEST} | headers
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers.setdefault("Content-Type", "application/json")
    return requests.request(
        method, f"{site.address}/api/v1{path}", data=data, headers=headers, timeout=30
    ).status_code


def plant_and_refuse(site: Site) -> None:
    assert call(site, "PUT", "/members/quiet", MEMBER) == 201
    site.manage("refresh")
    ready = f"{site.address}/health/ready"
    wait_until(lambda: requests.get(ready, timeout=5).status_code == 200, "the snapshot", 30)
    assert call(site, "PUT", "/members/quiet", MEMBER | {"canarykey": "canary"}) == 400
    assert call(site, "PATCH", "/members/quiet", {"birth_date": "canary", "age_min": "canary"}) == 400
    assert call(site, "PUT", "/members/quiet", b'{"display_name": "canary') == 400
    assert call(site, "PUT", "/members/quiet", b'{"display_name": "canary\\u0000"}') == 400
    assert call(site, "PUT", "/members/quiet", b"canary", **{"Content-Type": "text/canary"}) == 415
    assert call(site, "GET", "/members/canary-unknown") == 404
    assert call(site, "GET", "/members/quiet", Authorization="Api-Key canary.canary") == 401
    assert call(site, "GET", "/recommendations?surface=canary&member=quiet") == 404
    assert call(site, "GET", "/recommendations?surface=dating&member=%2B447700900462") == 404
    assert call(site, "GET", "/recommendations?surface=dating&member=quiet&canary=1") == 400
    odd = {"X-Request-ID": "canary"}
    assert call(site, "GET", "/recommendations?surface=dating&member=quiet", **odd) == 200
    told = event("report", "quiet", "m1") | {"context": {"reason": "canaryreason", "screen": "canary"}}
    stray = event("like", "+447700900462", "m1")
    assert call(site, "POST", "/events", [told, stray, told | {"type": "canary"}, "canary"]) == 200


def break_the_database(site: Site) -> None:
    """Errors of Postgres quote the row or the statement."""
    site.query("ALTER TABLE members_member ADD CONSTRAINT dull CHECK (bio !~ 'reach') NOT VALID")
    assert call(site, "PUT", "/members/other", MEMBER) == 409
    site.query("ALTER TABLE members_member DROP CONSTRAINT dull")
    site.query("ALTER TABLE members_member RENAME COLUMN bio TO elsewhere")
    assert call(site, "PUT", "/members/other", MEMBER) == 500
    site.query("ALTER TABLE members_member RENAME COLUMN elsewhere TO bio")


def break_the_worker(site: Site) -> None:
    """A delivery nobody can read, and a refresh that fails."""
    with redis.Redis.from_url(site.servers.redis_url) as client:
        broken = '{"id": "canary", "viewer": "canary"}'
        client.xadd("o:deliveries", {"p": broken, "k": "", "g": "canary", "c": 0})
    site.query("ALTER TABLE members_member RENAME COLUMN bio TO elsewhere")
    site.query("UPDATE members_member SET elsewhere = 'canarybio'")
    worker = site.start_worker()
    for task in ("interactions.tasks import copy_deliveries_task", "refresh.tasks import refresh_task"):
        name = task.rpartition(" ")[2]
        site.manage("shell", "--no-imports", "-c", f"from apps.{task}; {name}.delay()")
    wait_until(lambda: "set aside" in worker.output(), "the delivery that nobody can read", 60)
    wait_until(lambda: "refresh" in worker.output().partition("set aside")[2], "the refresh", 60)
    site.query("ALTER TABLE members_member RENAME COLUMN elsewhere TO bio")


def lines_of(site: Site, name: str) -> list[dict[str, Any]]:
    """The project's own lines; the web server's few of its own start with a bracket."""
    text = (site.children.log_folder / f"{name}.log").read_text()
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


@pytest.mark.slow
def test_no_log_holds_what_was_planted_in_members_events_and_errors(talking_site: Site) -> None:
    site = talking_site
    plant_and_refuse(site)
    break_the_database(site)
    break_the_worker(site)
    site.servers.restart_postgres(kill=True)
    call(site, "PUT", "/members/quiet", MEMBER)

    told = lines_of(site, "api")
    unforeseen = [line for line in told if line["message"] == "unforeseen"]
    assert {line["error"].split()[0] for line in unforeseen} == {"IntegrityError", "ProgrammingError"}
    assert all(line["request"] == REQUEST and line["call"] and line["where"] for line in unforeseen)
    assert any("set aside" in line["message"] for line in lines_of(site, "worker"))

    logs = [*site.children.log_folder.glob("*.log"), *site.servers.folder.glob("log/*.log")]
    assert {path.stem for path in logs} >= {"api", "worker", "postgres", "valkey"}
    found = [
        f"{path.name}: {line[:300]}"
        for path in logs
        for line in path.read_text(errors="replace").splitlines()
        if any(word.lower() in line.lower() for word in PLANTED)
    ]
    assert found == []
