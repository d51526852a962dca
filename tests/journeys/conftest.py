"""A town that whole flows walk through: members sent over HTTP, a refresh, a real server with two workers.

The database is committed to for real and flushed afterwards; Valkey is emptied once, before.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import requests
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from raya_recs.processes import Children, free_port, serving
from tests.journeys.town import Town, build_town

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def empty_valkey() -> None:
    """Stands in for the suite's own: these tests share one state, as the real thing does."""


@pytest.fixture(scope="module")
def town(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: Any) -> Iterator[Town]:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()
    with django_db_blocker.unblock():
        children = Children(tmp_path_factory.mktemp("journey"))
        try:
            yield build_town(_start_server(children))
        finally:
            children.stop_all()
            call_command("flush", interactive=False, verbosity=0)


@pytest.fixture
def _django_db_helper(town: Town, django_db_blocker: Any) -> Iterator[None]:
    """In place of pytest-django's: no transaction around a test, since the server must see what it writes."""
    with django_db_blocker.unblock():
        yield


def _start_server(children: Children) -> str:
    port = free_port()
    command = serving(port, "--workers", "2", "--threads", "4")
    child = children.start("api", command, env=_environment(), cwd=ROOT, seconds=30)
    address = f"http://127.0.0.1:{port}"
    child.wait_until(lambda: _answers(f"{address}/health/live"), 60)
    return address


def _environment() -> dict[str, str]:
    d = connection.settings_dict
    database = f"postgresql://{d['USER']}:{d['PASSWORD']}@{d['HOST']}:{d['PORT']}/{d['NAME']}"
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "raya_recs.settings.local",
        "RAYA_RECS_PROCESS": "api",
        "DATABASE_URL": database,
        "REDIS_URL": settings.REDIS_URL,
        "SNAPSHOT_DIR": str(settings.SNAPSHOT_DIR),
        "VAR_DIR": str(settings.VAR_DIR),
    }


def _answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=1).ok
    except requests.RequestException:
        time.sleep(0.1)
        return False
