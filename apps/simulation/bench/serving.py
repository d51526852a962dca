"""CPU per request and p50 of recommendations, beside an empty Django JSON view on the same server and run.

Every viewer has a seen and a held list of the asked lengths, renewed before each round. The rounds alternate,
so that a busy machine disturbs both alike. It writes to the online state: give it a database of its own.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from apps.common import clock, online
from apps.common.valkey import background_client
from apps.delivery import runtime as runtimes
from apps.delivery.runtime import runtime
from apps.pipeline.snapshot import Snapshot
from apps.releases.models import Release
from apps.simulation.bench.market import ensure_market_of
from apps.simulation.bench.paired import paired_cost
from apps.simulation.bench.processes import cpu_seconds, drive, granian
from apps.simulation.bench.rulebook import with_rules
from apps.simulation.bench.servers import valkey_cpu_seconds

SURFACE = "dating"
VIEWERS = 2000
SEEN_HOURS_AGO = 24
HELD_SECONDS = 1500
WARM_SECONDS = 3.0
FOLLOW_SECONDS = 2.0
COUNTED = ("rules", "flags", "experiments")


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    members: int = 20_000
    seconds: float = 10.0
    repeat: int = 3
    limit: int = 20
    seen: int = 500
    held: int = 50
    connections: int = 8
    workers: int = 2
    rules: int = 0  # with any of the three, a third kind of round is measured: the same with these live
    flags: int = 0
    experiments: int = 0

    @property
    def has_rules(self) -> bool:
        return self.rules + self.flags + self.experiments > 0


def bench_serving(plan: Plan, say: Callable[[str], object]) -> dict[str, Any]:
    """Figures per round and their medians. Raises CommandError when something else than lists came back."""
    _prepare(plan, say)
    snapshot = runtime().world.snapshot
    assert snapshot is not None
    viewers = _viewers(snapshot)
    ids = runtime().world.ids_of("member", viewers.tolist())
    paths = ["/api/v1/recommendations?" + urlencode(_question(one, plan)) for one in ids if one]
    members = len(snapshot.surfaces[SURFACE].candidates)
    runtimes.stop()
    key = _key()
    folder = str(Path(settings.BASE_DIR)) if hasattr(settings, "BASE_DIR") else "."
    common = {"PYTHONPATH": folder, "API_RATE_PER_SECOND": "1000000", "API_RATE_BURST": "1000000"}
    rounds: dict[str, list[dict[str, Any]]] = {"empty": [], "recommendations": []}
    releases = _releases(plan) if plan.has_rules else None
    if releases:
        rounds["with rules"] = []
    with (
        granian(
            "apps.simulation.bench.empty_view:application",
            env={**common, "BENCH_EMPTY_VIEW": "1"},
            workers=plan.workers,
            ready_path="/",
        ) as empty,
        granian(
            "raya_recs.wsgi:application",
            env={**common, "RAYA_RECS_PROCESS": "api"},
            workers=plan.workers,
            ready_path="/health/ready",
        ) as serving,
    ):
        for port, _ in (empty, serving):
            drive(port, WARM_SECONDS, plan.connections, ["/"] if port == empty[0] else paths, key)
        for i in range(plan.repeat):
            _fill(snapshot, viewers, plan)
            rounds["empty"].append(_measure(*empty, plan, ["/"], {}))
            if releases:
                _go_live(releases[0], serving[0], plan, paths, key)
            rounds["recommendations"].append(_measure(*serving, plan, paths, key))
            if releases:
                _fill(snapshot, viewers, plan)
                _go_live(releases[1], serving[0], plan, paths, key)
                rounds["with rules"].append(_measure(*serving, plan, paths, key))
            say(_line(i + 1, rounds))
    found: dict[str, Any] = {"plan": vars(plan) | {"candidates": members}, "rounds": rounds}
    if releases:
        say(_added(rounds))
        _fill(snapshot, viewers, plan)
        found["paired"] = paired_cost(releases, [one for one in ids if one], SURFACE, plan.limit)
        say(f"in one thread, request by request in turn: {found['paired']}")
        runtimes.stop()
    _clean(viewers)
    return found | {"median": _medians(rounds)}


def _releases(plan: Plan) -> tuple[Release, Release]:
    """What is live without any rule, and the same with those of the plan."""
    from apps.refresh.masks import ensure_masks_of_active
    from apps.releases.publishing import publish_revision
    from apps.releases.services import start_revision

    made = []
    counts = ({"rules": 0, "flags": 0, "experiments": 0}, {n: getattr(plan, n) for n in COUNTED})
    for count in counts:
        draft = start_revision(actor=None, title="Benchmark")
        draft.content = with_rules(draft.content, SURFACE, **count)
        draft.save()
        ensure_masks_of_active(draft.content)
        made.append(publish_revision(draft, actor=None, note="For a benchmark"))
    return made[0], made[1]


def _go_live(release: Release, port: int, plan: Plan, paths: list[str], headers: dict[str, str]) -> None:
    """Moves the pointer, and waits until every worker follows and is warm."""
    from apps.releases.publishing import roll_back
    from apps.releases.selectors import live_release

    if live_release().number != release.number:
        roll_back(release, actor=None, note="For a benchmark")
    time.sleep(FOLLOW_SECONDS)
    drive(port, WARM_SECONDS, plan.connections, paths, headers)


def _added(rounds: dict[str, list[dict[str, Any]]]) -> str:
    pairs = zip(rounds["with rules"], rounds["recommendations"], strict=True)
    added = sorted(one["cpu_ms"] - none["cpu_ms"] for one, none in pairs)
    return f"rules, flags and experiments add {statistics.median(added):.3f} ms CPU a request ({added})"


def _measure(port: int, pid: int, plan: Plan, paths: list[str], headers: dict[str, str]) -> dict[str, Any]:
    workers, valkey = cpu_seconds(pid), valkey_cpu_seconds()
    seen = drive(port, plan.seconds, plan.connections, paths, headers)
    if set(seen["statuses"]) != {"200"}:
        raise CommandError(f"Expected only status 200, got {seen['statuses']}")
    workers, valkey = cpu_seconds(pid) - workers, valkey_cpu_seconds() - valkey
    per_request = 1000 / seen["requests"]
    return seen | {
        "workers_cpu_ms": round(workers * per_request, 3),
        "valkey_cpu_ms": round(valkey * per_request, 3),
        "cpu_ms": round((workers + valkey) * per_request, 3),
    }


def _prepare(plan: Plan, say: Callable[[str], object]) -> None:
    ensure_market_of(plan.members, say)
    world = runtime().world
    if world.snapshot is None or world.live is None:
        raise CommandError("There is no active snapshot or no release: run `manage.py refresh` first.")


def _viewers(snapshot: Snapshot) -> Any:
    table = snapshot.surfaces[SURFACE].viewers
    numbers = np.asarray(table["number"])[np.asarray(table["market"]) >= 0]
    return np.random.default_rng(1).permutation(numbers)[:VIEWERS]


def _fill(snapshot: Snapshot, viewers: Any, plan: Plan) -> None:
    """Seen and held of every viewer, drawn from their own market."""
    draw, now = np.random.default_rng(2), clock.now().timestamp()
    data = snapshot.surfaces[SURFACE]
    client = background_client()
    pipe = client.pipeline(transaction=False)
    for viewer in viewers.tolist():
        market = int(data.viewers["market"][data.viewer_row_of[viewer]])
        start, stop = data.market_starts[market : market + 2].tolist()
        size = min(plan.seen + plan.held, stop - start)
        numbers = np.asarray(data.candidates["number"])[
            draw.choice(stop - start, size, replace=False) + start
        ]
        held = min(plan.held, size // 2)
        pipe.set(online.held_key(SURFACE, viewer), _packed(numbers[:held], now + HELD_SECONDS))
        pipe.set(online.seen_key(SURFACE, viewer), _packed(numbers[held:], now - SEEN_HOURS_AGO * 3600))
    pipe.execute()


def _clean(viewers: Any) -> None:
    """What was invented goes; a rebuild brings back what is true."""
    keys = [key(SURFACE, one) for one in viewers.tolist() for key in (online.held_key, online.seen_key)]
    background_client().unlink(*keys)
    online.mark_missed("after a benchmark")


def _packed(numbers: Any, at: float) -> bytes:
    records = np.zeros(len(numbers), online.RECORD)
    records["number"], records["state"], records["at"] = numbers, 1, at
    return records.tobytes()


def _question(member: str, plan: Plan) -> dict[str, Any]:
    return {"surface": SURFACE, "member": member, "limit": plan.limit}


def _key() -> dict[str, str]:
    out = StringIO()
    call_command("create_service_key", "bench", scopes=["recommend:read"], stdout=out)
    return {"Authorization": f"Api-Key {out.getvalue().strip()}"}


def _line(i: int, rounds: dict[str, list[dict[str, Any]]]) -> str:
    empty, ours = rounds["empty"][-1], rounds["recommendations"][-1]
    return (
        f"round {i}: empty {empty['cpu_ms']:.3f} ms CPU, p50 {empty['p50_ms']:.2f} ms; recommendations "
        f"{ours['cpu_ms']:.3f} ms CPU ({ours['valkey_cpu_ms']:.3f} in Valkey), p50 {ours['p50_ms']:.2f} ms, "
        f"{ours['per_second']:.0f} a second, {ours['items_per_answer']:.1f} items"
    )


def _medians(rounds: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, float]]:
    figures = (
        "cpu_ms",
        "workers_cpu_ms",
        "valkey_cpu_ms",
        "p50_ms",
        "p99_ms",
        "per_second",
        "items_per_answer",
    )
    return {
        name: {figure: round(statistics.median(one[figure] for one in measured), 3) for figure in figures}
        for name, measured in rounds.items()
    }
