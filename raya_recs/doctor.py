"""What works on this machine and what does not: a list of findings, each with what to do about it.

Asks each part once, with short waits. It changes nothing.
"""

import importlib.metadata
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

FREE_DISK_GB = 2.0
COPIER_LAG_SECONDS = 60
DISTRIBUTIONS = ("Django", "numpy", "numba", "celery", "granian", "psycopg", "redis")


@dataclass(frozen=True)
class Finding:
    name: str
    good: bool
    detail: str


def findings() -> Iterator[Finding]:
    for name, look in CHECKS.items():
        try:
            yield Finding(name, True, look())
        except Exception as error:  # whatever is wrong is what the reader wants to see
            first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
            yield Finding(name, False, first_line)


class NotGoodError(Exception):
    """Says what is wrong and what to do."""


def _python() -> str:
    return sys.version.split()[0]


def _packages() -> str:
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in DISTRIBUTIONS)


def _postgres() -> str:
    import psycopg
    from django.conf import settings

    with psycopg.connect(settings.DATABASE_URL, connect_timeout=3) as connection:
        return f"{connection.info.server_version // 10000} at {_place(settings.DATABASE_URL)}"


def _role() -> str:
    """In production the application may not change what is append-only."""
    from django.conf import settings
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user, has_table_privilege('common_auditentry', 'UPDATE') "
            "OR has_table_privilege('releases_release', 'UPDATE')"
        )
        role, may_change = cursor.fetchone()
    if may_change and settings.SETTINGS_MODULE.endswith(".production"):
        raise NotGoodError(f"{role} may change the audit trail: run under a role of its own (grant_app_role)")
    return f"{role}, {'owner of the tables' if may_change else 'which may only add to the audit trail'}"


def _valkey() -> str:
    import redis
    from django.conf import settings

    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=3, socket_connect_timeout=3) as client:
        policy = client.config_get("maxmemory-policy")["maxmemory-policy"]
        if policy != "noeviction":
            raise NotGoodError(f"maxmemory-policy is {policy}: counters may be evicted; set noeviction")
        info = client.info("server")
        version = info.get("valkey_version") or info["redis_version"]
        return f"{version} at {_place(settings.REDIS_URL)}"


def _migrations() -> str:
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise NotGoodError(f"{len(missing)} not applied: manage.py migrate")
    return "all applied"


def _release() -> str:
    from apps.releases.models import LiveRelease

    live = LiveRelease.objects.first()
    if live is None:
        raise NotGoodError("nothing is published: manage.py migrate publishes release 1")
    return str(live)


def _snapshot() -> str:
    from django.conf import settings

    from apps.refresh.models import SnapshotRow
    from apps.refresh.store import is_published

    active = SnapshotRow.objects.filter(status=SnapshotRow.Status.ACTIVE).first()
    if active is None:
        raise NotGoodError("none is active: manage.py refresh")
    if not (Path(settings.SNAPSHOT_DIR) / active.id).is_dir() and not is_published(active.id):
        raise NotGoodError(f"{active.id} is active but its folder is missing: manage.py refresh")
    return f"{active.id}, built {active.built_at:%Y-%m-%d %H:%M} UTC"


def _promises() -> str:
    """What the alerts watch, by the same questions: approvals, caps, deliveries on their way."""
    from apps.delivery.facts import postgres_facts, valkey_facts

    truth, online = postgres_facts(), valkey_facts()
    wrong = {
        "live releases that nobody allowed": truth.unapproved,
        "candidates shown more often than caps allow": online.caps_overshot,
        "deliveries that can't be read": online.set_aside,
        "emergency publishes to review": truth.emergencies,
    }
    if found := [f"{count} {what}" for what, count in wrong.items() if count]:
        raise NotGoodError(f"{', '.join(found)}: see docs/runbooks")
    if online.copier_lag_seconds > COPIER_LAG_SECONDS:
        waited = f"{online.copier_lag_seconds:.0f} s"
        raise NotGoodError(
            f"{online.stream} deliveries wait for the copier, the oldest {waited}: start a worker"
        )
    return f"kept; {online.stream} deliveries on their way to Postgres"


def _mail() -> str:
    """Approvals and roll-backs are told by mail."""
    from django.conf import settings

    from apps.releases.notices import unsent

    late, unreachable = unsent()
    if unreachable:
        raise NotGoodError(f"{late} reach nobody: give staff who may {', '.join(unreachable)} an address")
    if late:
        raise NotGoodError(f"{late} wait to be sent: look at EMAIL_URL and the worker's log")
    return f"by {settings.EMAIL_BACKEND.split('.')[-2]}, from {settings.DEFAULT_FROM_EMAIL}"


def _disk() -> str:
    from django.conf import settings

    folder = Path(settings.VAR_DIR)
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free / 1e9
    if free < FREE_DISK_GB:
        raise NotGoodError(f"{free:.1f} GB free at {there}: {FREE_DISK_GB:.0f} GB are needed")
    return f"{free:.0f} GB free at {there}"


def _ports() -> str:
    """Taken is good news when it is the demo itself: the API answers there."""
    from raya_recs.demo import ADMIN_PORT, API_PORT
    from raya_recs.processes import port_is_taken

    taken = [str(port) for port in (API_PORT, ADMIN_PORT) if port_is_taken(port)]
    return f"in use: {', '.join(taken)} (a demo picks others)" if taken else f"{API_PORT}, {ADMIN_PORT} free"


def _place(url: str) -> str:
    """Without the password."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}{parts.path}"


CHECKS: dict[str, Callable[[], str]] = {
    "Python": _python,
    "Packages": _packages,
    "Postgres": _postgres,
    "Role": _role,
    "Valkey": _valkey,
    "Migrations": _migrations,
    "Release": _release,
    "Snapshot": _snapshot,
    "Promises": _promises,
    "Mail": _mail,
    "Disk": _disk,
    "Ports": _ports,
}
