"""A site of its own, made to be broken: durable Postgres and Valkey, a web server, and a worker on request.

Everything is asked from outside, over HTTP and SQL; Django is never imported into this database's way.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import requests

from raya_recs.embedded import EmbeddedServers
from raya_recs.processes import Child, Children, free_port

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
HOME = {"latitude": 51.5074, "longitude": -0.1278, "market": "london"}
EACH = 40


class Site:
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
        }
        self.env.pop("CELERY_BROKER_URL", None)

    def open(self, *, workers: int = 1) -> None:
        """Migrates, makes a key, a market and members, and starts the web server."""
        self.manage("migrate", "--verbosity", "0")
        self.secret = self.manage("create_service_key", "faults", "--scopes", "all").strip()
        self.query(
            "INSERT INTO surfaces_market (key, name, country, latitude, longitude, timezone)"
            " VALUES ('london', 'London', '', 51.5074, -0.1278, 'UTC')"
        )
        self.address = self._start_web(workers)
        members = [_member(sex, i) for sex in "wm" for i in range(EACH)]
        self.post("/members/bulk", members).raise_for_status()

    def close(self) -> None:
        self.children.stop_all()

    def crash_postgres(self) -> None:
        """Kills the server and starts it again."""
        self.servers.restart_postgres(kill=True)

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        done = subprocess.run(command, env=self.env, cwd=ROOT, capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        return done.stdout

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.servers.database_url, connect_timeout=3) as connection:
            cursor = connection.execute(sql, parameters)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def post(self, path: str, body: Any) -> requests.Response:
        return requests.post(
            f"{self.address}/api/v1{path}", json=body, headers=self._headers(), timeout=(3, 30)
        )

    def list(self, member: str) -> dict[str, Any]:
        path = f"/api/v1/recommendations?surface=dating&member={member}&dry_run=true"
        response = requests.get(self.address + path, headers=self._headers(), timeout=10)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def start_worker(self) -> Child:
        command = [BIN / "celery", "--app", "raya_recs", "--workdir", ROOT, "worker"]
        load = ["--concurrency", "1", "--loglevel", "INFO", "--hostname", f"{uuid4()}@test"]
        child = self.children.start("worker", [*command, *load], env=self.env, cwd=ROOT)
        child.wait_until(lambda: " ready." in child.log.read_text(), 60)
        return child

    def wake_refresh(self, key: str) -> None:
        code = f"from apps.refresh.tasks import refresh_task; refresh_task.delay(key={key!r})"
        self.manage("shell", "--no-imports", "-c", code)

    def _start_web(self, workers: int) -> str:
        port = free_port()
        command = [BIN / "granian", "--interface", "wsgi", "raya_recs.wsgi:application", "--no-ws"]
        place = ["--host", "127.0.0.1", "--port", str(port), "--working-dir", str(ROOT)]
        env = self.env | {"RAYA_RECS_PROCESS": "api"}
        load = ["--workers", str(workers), "--blocking-threads", "16", "--backpressure", "256"]
        load.append("--respawn-failed-workers")
        child = self.children.start("api", [*command, *place, *load], env=env, cwd=ROOT, seconds=30)
        address = f"http://127.0.0.1:{port}"
        child.wait_until(lambda: _answers(f"{address}/health/live"), 60)
        return address

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Api-Key {self.secret}"}


def event(kind: str, actor: str, target: str, *, days_ago: float = 0) -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(days=days_ago)
    said = {"id": str(uuid4()), "type": kind, "actor": actor, "target": target, "surface": "dating"}
    return said | {"occurred_at": at.isoformat()}


def wait_until(holds: Callable[[], bool], what: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"{what} did not come within {seconds} s"
        time.sleep(0.01)


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
