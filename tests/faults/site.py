"""A site of its own, made to be broken: durable Postgres and Valkey, a web server, and a worker on request.

Everything is asked from outside, over HTTP and SQL; Django is never imported into this database's way.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import psycopg
import requests

from raya_recs.embedded import EmbeddedServers
from raya_recs.processes import Child, Children, free_port, serving
from tests.observability.promql import samples

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PATIENCE_SECONDS = 300.0  # for what prepares a test, on cores that others use too, with no loop compiled yet
HOME = {"latitude": 51.5074, "longitude": -0.1278, "market": "london"}
# Eligible for everybody but for one thing.
FORBIDDEN: dict[str, dict[str, Any]] = {
    "hidden": {"visibility": "hidden"},
    "minor": {"birth_date": f"{datetime.now(UTC).year - 17}-12-31"},
    "ageless": {"birth_date": None},
    "applicant": {"status": "applicant"},
    "erased": {},
}
PUBLISH = """
import json, sys
from apps.releases import services
draft = services.start_revision(actor=None)
draft = services.edit_revision(draft, draft.version, json.loads({changes!r}))
services.publish_revision(draft, actor=None, note="for a test")
"""


class Site:
    cap = 0  # that the site of the test publishes; 0: none

    def __init__(self, servers: EmbeddedServers, folder: Path) -> None:
        self.servers = servers
        self.snapshots = folder / "snapshots"
        self.children = Children(folder / "site")
        self.env = os.environ | {
            "DJANGO_SETTINGS_MODULE": "raya_recs.settings.local",
            "DATABASE_URL": servers.database_url,
            "REDIS_URL": servers.redis_url,
            "VAR_DIR": str(folder),
            "SNAPSHOT_DIR": str(self.snapshots),
            "LEARN_EVERY_HOURS": "0",  # every refresh is a long one: there is time to kill it
        }
        self.env.pop("CELERY_BROKER_URL", None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.children.stop_all()

    def open(self, *, workers: int, each: int) -> None:
        """Migrates, makes a key, a market, `each` women and men, and starts the web server."""
        self.manage("migrate", "--verbosity", "0")
        self.secret = self.manage("create_service_key", "faults", "--scopes", "all").strip()
        self.query(
            "INSERT INTO surfaces_market (key, name, country, latitude, longitude, timezone)"
            " VALUES ('london', 'London', '', 51.5074, -0.1278, 'UTC')"
        )
        self.start_web(workers)
        self._fill(each)

    def _fill(self, each: int) -> None:
        members = [_member(sex, i) for i in range(each) for sex in "wm"]
        members += [_member("w", 0) | {"id": name} | what for name, what in FORBIDDEN.items()]
        for start in range(0, len(members), 500):
            self.post("/members/bulk", members[start : start + 500]).raise_for_status()
        self.send("DELETE", "/members/erased").raise_for_status()
        half = each // 2
        self.askers = [f"{sex}{i}" for i in range(half) for sex in "wm"]
        self.actors = [f"w{i}" for i in range(half, each)], [f"m{i}" for i in range(half, each)]

    def serve(self, surface: str = "dating", **policies: Any) -> None:
        """Publishes `policies` of a surface, makes a snapshot, and waits until both are served."""
        changes = json.dumps({f"{surface}.{key}": value for key, value in policies.items()})
        before = self.list("w0")["release"]
        if policies:
            self.manage("shell", "--no-imports", "-c", PUBLISH.format(changes=changes))
        self.manage("refresh")
        live = before + bool(policies)
        wait_until(
            lambda: self.is_well() and self.list("w0")["release"] == live,
            "what was published",
            PATIENCE_SECONDS,
            pause=0.2,
        )

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        done = subprocess.run(
            command, env=self.env, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS
        )
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        return done.stdout

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.servers.database_url, connect_timeout=3) as connection:
            cursor = connection.execute(sql, parameters)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def execute(self, sql: str, parameters: dict[str, Any]) -> None:
        """One statement of any length, within a transaction."""
        with psycopg.connect(self.servers.database_url, connect_timeout=3) as connection:
            connection.execute(sql, parameters)  # type: ignore[call-overload]

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        session: requests.Session | None = None,
        seconds: float = 30,
    ) -> requests.Response:
        """One call, whatever its answer. Raises RequestException when there is none."""
        return (session or requests).request(
            method,
            f"{self.address}/api/v1{path}",
            json=body,
            headers={"Authorization": f"Api-Key {self.secret}"},
            timeout=(3, seconds),
        )

    def post(self, path: str, body: Any) -> requests.Response:
        return self.send("POST", path, body)

    def list(self, member: str, limit: int = 10) -> dict[str, Any]:
        """A list that is not delivered."""
        path = f"/recommendations?surface=dating&member={member}&limit={limit}&dry_run=true"
        response = self.send("GET", path, seconds=10)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def is_well(self) -> bool:
        """Whether lists are answered with nothing missing, by whichever of the processes is asked."""
        try:
            return all(self.list(member)["degraded"] == [] for member in self.askers[:8])
        except (requests.RequestException, AssertionError):
            return False

    def breakers(self) -> dict[str, str]:
        said: dict[str, str] = requests.get(f"{self.address}/health/ready", timeout=5).json()["breakers"]
        return said

    def narrowed(self) -> dict[str, float]:
        """How many lists were narrowed, by rung, as the processes count them."""
        found = samples(requests.get(f"{self.address}/metrics", timeout=10).text)
        name = "raya_recs_lists_narrowed_total"
        return {key.split('rung="')[1].split('"')[0]: n for key, n in found.items() if key.startswith(name)}

    def shown(self) -> int:
        """How many members may be shown."""
        sql = "SELECT count(*) FROM members_member WHERE status = 'active' AND visibility = 'visible'"
        return int(self.query(f"{sql} AND birth_date < now() - interval '18 years'")[0][0])

    def start_worker(self) -> Child:
        load = ["--concurrency", "1", "--loglevel", "INFO", "--hostname", f"{uuid4()}@test"]
        child = self._start_celery("worker", ["worker", *load])
        child.wait_until(lambda: " ready." in child.output(), 60)
        return child

    def start_beat(self, name: str) -> Child:
        return self._start_celery(name, ["beat", "--loglevel", "INFO", "--pidfile", ""])

    def _start_celery(self, name: str, arguments: list[str]) -> Child:
        command = [BIN / "celery", "--app", "raya_recs", "--workdir", ROOT, *arguments]
        return self.children.start(name, command, env=self.env, cwd=ROOT)

    def wake_refresh(self, key: str) -> None:
        code = f"from apps.refresh.tasks import refresh_task; refresh_task.delay(key={key!r})"
        self.manage("shell", "--no-imports", "-c", code)

    def start_web(self, workers: int, application: str = "raya_recs.wsgi:application", **env: str) -> Child:
        """A web server, which is asked from now on. `application`: one that a test has broken."""
        port = free_port()
        command = serving(port, "--workers", str(workers), "--application", application)
        env = self.env | {"RAYA_RECS_PROCESS": "api"} | env
        child = self.children.start("api", command, env=env, cwd=ROOT, seconds=30)
        address = f"http://127.0.0.1:{port}"
        child.wait_until(lambda: _answers(f"{address}/health/live"), 60)
        self.web, self.address = child, address
        return child

    @contextmanager
    def another_web(self, application: str = "raya_recs.wsgi:application", **env: str) -> Iterator[None]:
        """A web server of its own is asked while the block runs."""
        before = self.web, self.address
        child = self.start_web(1, application, **env)
        try:
            yield
        finally:
            self.web, self.address = before
            self.children.stop(child)


def event(kind: str, actor: str, target: str, *, days_ago: float = 0) -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(days=days_ago)
    said = {"id": str(uuid4()), "type": kind, "actor": actor, "target": target, "surface": "dating"}
    return said | {"occurred_at": at.isoformat()}


def wait_until(holds: Callable[[], bool], what: str, seconds: float, *, pause: float = 0.01) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"{what} did not come within {seconds} s"
        time.sleep(pause)


def _member(sex: str, i: int) -> dict[str, Any]:
    return {
        "id": f"{sex}{i}",
        "display_name": f"{sex.upper()} {i}",
        "status": "active",
        "birth_date": "1990-01-31",
        "gender": "woman" if sex == "w" else "man",
        "seeking": ["man" if sex == "w" else "woman"],
        "home": HOME,
    }


def _answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=1).ok
    except requests.RequestException:
        time.sleep(0.1)
        return False
