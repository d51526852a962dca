"""What a page of the admin asks of large tables, by the database's own account: every statement of every
address is explained with what it read. LARGE_MEMBERS=1000000 also takes times (docs/performance.md).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import reverse

from apps.common.models import AuditEntry
from apps.common.staff import LargeInspectAdmin
from apps.console.roles import ROLES, ensure_staff
from apps.delivery.models import DraftStudy
from apps.delivery.runtime import runtime
from apps.interactions.models import Delivery
from apps.members.models import Member
from apps.refresh.models import SnapshotRow
from apps.refresh.services import refresh
from apps.releases.models import Emergency, Revision
from apps.releases.selectors import live_release
from tests.console.access.test_roles import addresses, arguments
from tests.console.large_tables import LARGE, blocks_of, fill
from tests.console.town import build_town

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
BY_HAND = "LARGE_MEMBERS" in os.environ
MEMBERS = int(os.environ.get("LARGE_MEMBERS", "60000"))
MOST_BLOCKS = 300  # a statement may read: 2.4 MB, whatever the size of the tables
MOST_STATEMENTS = 40  # a page may ask
# What Postgres takes for 10,000 rows or fewer is counted up to there: no more, however large the table gets.
BOUNDED = "LIMIT 10001) AS few"


@dataclass
class Account:
    """What one page asked: statements, and what is wrong with them."""

    statements: int = 0
    wrong: list[str] = field(default_factory=list)


@contextmanager
def explained() -> Iterator[Account]:
    """Explains each query in here before it runs."""
    account = Account()

    def explain(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        account.statements += 1
        asks = isinstance(sql, str) and sql.lstrip().upper().startswith(("SELECT", "WITH"))
        if asks and not sql.endswith(BOUNDED):
            with context["connection"].connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params)
                plan = cursor.fetchone()[0][0]["Plan"]
            account.wrong += [f"{said}: {' '.join(sql.split())[:600]}" for said in _wrong_with(plan)]
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        yield account


def _wrong_with(plan: dict[str, Any]) -> Iterator[str]:
    read = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    if read > MOST_BLOCKS:
        yield f"read {read:,} blocks"
    for node in _nodes(plan):
        table = node.get("Relation Name", "")
        # A month without rows has no block to read: the planner doesn't bother with its index.
        blocks = node["Shared Hit Blocks"] + node["Shared Read Blocks"]
        if node["Node Type"].endswith("Seq Scan") and table.startswith(LARGE) and blocks:
            yield f"reads all of {table}"


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from _nodes(part)


@pytest.fixture
def town(settings: Any, tmp_path: Path) -> None:
    """The small town, a snapshot of it that serves, and the many around it."""
    settings.SNAPSHOT_DIR = tmp_path / "snapshots"
    build_town(members=30, days=2)
    for role in ROLES:
        ensure_staff(role, "a long pass phrase", role)
    draft = Revision.objects.filter(status="draft").first()
    DraftStudy.objects.create(revision=draft, version=1, sample=10, asked_by=None)
    editor = User.objects.get(username="editor")
    Emergency.objects.create(release=live_release(), by=editor, reason="For a test")
    AuditEntry.objects.create(action="member.stopped", subject="member m-00001", actor_name="safety")
    SnapshotRow.objects.filter(status="active").update(status="ready")
    for step in (fill, _refresh) if BY_HAND else (_refresh, fill):  # a snapshot of few is made quickly
        step(MEMBERS)
    runtime()


def _refresh(_: int) -> None:
    refresh()


def test_no_page_reads_more_the_larger_the_tables_are(town: None) -> None:
    small = {table for table in LARGE if blocks_of(table) < MOST_BLOCKS} - {"places_place"}
    assert small == set(), "the tables are large beside what a statement may read"
    _assert_noticed()
    client = Client()
    user = ensure_staff("ann", "a long pass phrase", "approver")
    User.objects.filter(pk=user.pk).update(is_superuser=True)
    client.force_login(user)
    wrong: dict[str, list[str]] = {}
    times: dict[str, tuple[float, float]] = {}
    opened: dict[str, bool] = {}
    for name, ask in {**_every_address(client), **_every_list(client), **_every_form(client)}.items():
        answer = ask()
        if b"Why do you look at" in answer.content:
            client.post(answer.wsgi_request.get_full_path(), {"reason": "A test"})
        cache.clear()
        with explained() as account:
            status = ask().status_code
        assert status < (400 if "?" in name else 500), f"{name} answered {status}"
        opened[name] = status == 200
        if BY_HAND:
            costs = [_cost(ask) for _ in range(5)]
            times[name] = min(cpu for cpu, _ in costs), min(wall for _, wall in costs)
        if account.statements > MOST_STATEMENTS:
            account.wrong.append(f"asked {account.statements} statements")
        if account.wrong:
            wrong[name] = account.wrong
    for name, (cpu, wall) in sorted(times.items(), key=lambda one: -one[1][0]):
        print(f"{cpu:8.1f} ms of CPU {wall:8.1f} ms  {name}")
    assert sum(opened.values()) > 0.75 * len(opened), "the others wait for a post, or nobody may do that"
    assert not wrong, "\n".join(f"{name} {said}" for name, all_said in wrong.items() for said in all_said)


def _assert_noticed() -> None:
    """What the test leans on: without an index this search can't but read every row."""
    with explained() as account:
        assert not Member.objects.filter(bio="nobody").exists()
        assert not Member.objects.filter(external_id="nobody").exists()
    assert {"bio" in said for said in account.wrong} == {True}, "the first alone is found to be wrong"


def _cost(ask: Any) -> tuple[float, float]:
    """CPU of this thread and of its database process, and the time on the clock, in milliseconds."""
    backend = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat")
    cache.clear()
    began = time.perf_counter(), time.thread_time(), int(backend.read_text().split()[0])
    ask()
    database = (int(backend.read_text().split()[0]) - began[2]) / 1e9
    return 1000 * (time.thread_time() - began[1] + database), 1000 * (time.perf_counter() - began[0])


def _every_address(client: Client) -> dict[str, Any]:
    """Each page of the URL configuration, opened."""
    found = {}
    for name, pattern in addresses():
        address = reverse(f"admin:{name}", kwargs=arguments(name, pattern))
        found[name] = lambda address=address: client.get(address)
    return found


def _every_list(client: Client) -> dict[str, Any]:
    """Each large list: its next and previous page, each filter, searches that find and that don't."""
    found = {}
    for model, page in admin.site._registry.items():
        if not isinstance(page, LargeInspectAdmin):
            continue
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        asked = [*_searches(model), *_filters(client, address), *_further(client, address)]
        for query in asked:
            found[address + query] = lambda full=address + query: client.get(full)
    return found


def _searches(model: Any) -> list[str]:
    delivery = Delivery.objects.filter(viewer__gt=0).order_by("served_at").first()
    words = ("m-00001", "big-7", "Ada", "ada 1", "A", "nobody", "member.looked_at", "member.st", "staff 1")
    some = [model.objects.order_by("pk").values_list("pk", flat=True)[0], delivery.id if delivery else ""]
    return [f"?q={word}" for word in (*words, *some)]


def _filters(client: Client, address: str) -> list[str]:
    cl = client.get(address).context["cl"]
    found = [choice["query_string"] for spec in cl.filter_specs for choice in spec.choices(cl)]
    searched = [f"{query}&q=nobody" for query in found]
    return [*found, *searched]


def _further(client: Client, address: str) -> list[str]:
    following = client.get(address).context["cl"].paginator.following
    if not following:
        return []
    previous = client.get(address + following).context["cl"].paginator.previous
    return [following, previous]


def _every_form(client: Client) -> dict[str, Any]:
    """The pages that answer what is posted."""
    draft = Revision.objects.get(status="draft")
    why = {"reason": "A test", "surface": "dating"}
    asked: dict[str, tuple[str, Any]] = {
        "preview of a list": (
            reverse("admin:preview", args=[draft.pk]), why | {"member": "m-00001"},
        ),
        "why not": (reverse("admin:why_not"), why | {"viewer": "m-00001", "candidate": "m-00002"}),
        "reach": (reverse("admin:draft_measure", args=[draft.pk]), {}),
    }  # fmt: skip
    found: dict[str, Any] = {
        name: lambda at=at, data=data: client.post(at, data) for name, (at, data) in asked.items()
    }
    condition = {"attribute": "age", "operator": "at_least", "value": 30}
    body = {"condition": condition, "of": "member", "surface": "dating", "draft": draft.pk}
    found["whom a condition fits"] = lambda: client.post(
        reverse("admin:match"), body, content_type="application/json"
    )
    return found
