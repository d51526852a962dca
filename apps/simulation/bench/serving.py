"""What a recommendation costs beside an empty Django JSON view on the same server, in the same rounds.

Every viewer has about a tenth of their market to choose from, and seen and held lists of the asked lengths,
renewed before each round. Rules, flags and experiments are live on both surfaces. Rounds take turns, so that
a busy machine disturbs all alike: the empty view, both surfaces, and one of them once more under a release
that lets the heavy ranker look at the best 120. A closed loop gives cost and throughput; waiting is of an
open loop at 60 % of that, once undisturbed, once while another snapshot becomes active, and once over a day
of three time zones.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.request import Request as Call
from urllib.request import urlopen

import orjson
from django.core.management.base import CommandError
from django.db import connection

from apps.common import clock, online
from apps.common.valkey import background_client
from apps.delivery import runtime as runtimes
from apps.delivery.runtime import runtime
from apps.pipeline.params import FULL
from apps.pipeline.snapshot import Snapshot
from apps.refresh.masks import ensure_masks_of_active
from apps.refresh.services import activate_snapshot
from apps.releases.models import Release
from apps.releases.publishing import publish_revision, roll_back
from apps.releases.selectors import live_release
from apps.releases.services import start_revision
from apps.simulation.bench.askers import Asked, askers, fill
from apps.simulation.bench.day import day_of, figures_of
from apps.simulation.bench.heavy import ensure_heavy
from apps.simulation.bench.market import ensure_market_of, ensure_snapshots, service_key
from apps.simulation.bench.paired import paired_cost
from apps.simulation.bench.processes import Cpu, api, cpu_of, drive, empty_view, private_mb, shared_mb
from apps.simulation.bench.rulebook import with_rules
from apps.simulation.bench.servers import stores_watched, valkey_cpu
from apps.simulation.bench.visible import measure_visible

LIGHT = "dating"  # the surface of the figures that name none
SURFACES = (LIGHT, "networking")
HEAVY = "heavy"  # the rounds on LIGHT with a second look
WARM_SECONDS = 3.0
FOLLOW_SECONDS = 20.0
REBUILT_SECONDS = 900.0  # of the online state, for a million members on a busy machine
EASE = 0.6  # of the throughput, in the open loop
AROUND_SWAP = 10.0  # seconds
COUNTS, COUNTING_TRIES = 3, 10
NO_HURRY_MS = "60000"  # nobody is ranked narrower for want of time: figures are of the full path
PAUSED = 10  # members who pause, one after the other
LOOKED_AT = 200  # deliveries of a round, to see whom its rankers looked at
ROUND = (
    "cpu_ms",
    "cpu_user_ms",
    "cpu_system_ms",
    "workers_cpu_ms",
    "workers_cpu_user_ms",
    "workers_cpu_system_ms",
    "valkey_cpu_ms",
    "valkey_cpu_user_ms",
    "valkey_cpu_system_ms",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "per_second",
    "items_per_answer",
    "degraded",
)
SAID = ("cpu_ms", "workers_cpu_ms", "valkey_cpu_ms", "p50_ms", "p95_ms", "p99_ms", "per_second", "degraded")
WAITS = ("p50_ms", "p95_ms", "p99_ms")


Say = Callable[[str], object]
Rounds = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    members: int = 1_000_000
    seconds: float = 2.5  # per round
    repeat: int = 5
    limit: int = 20
    seen: int = 500
    held: int = 50
    connections: int = 8
    workers: int = 2
    rules: int = 100
    flags: int = 20
    experiments: int = 5
    paired: int = 600  # viewers who are served in turn without rules and with them


@dataclass(frozen=True)
class Releases:
    """Without any rule; with those of the plan; the same with a second look on LIGHT."""

    plain: Release
    light: Release
    heavy: Release


@dataclass(frozen=True)
class Server:
    """A server under test, and how the driver asks it."""

    port: int
    pid: int
    plan: Plan
    headers: Mapping[str, str]

    def drive(self, seconds: float, paths: list[str], **open_loop: Any) -> dict[str, Any]:
        return drive(self.port, seconds, self.plan.connections, paths, self.headers, **open_loop)

    def measure(self, paths: list[str]) -> dict[str, Any]:
        """A round. Raises CommandError when something else than answers came back."""
        before = self._cpu()
        seen = self.drive(self.plan.seconds, paths)
        if seen["failed"]:
            raise CommandError(f"Expected only status 200, got {seen['statuses']}")
        workers, valkey = (now - then for now, then in zip(self._cpu(), before, strict=True))
        used = {"cpu": workers + valkey, "workers_cpu": workers, "valkey_cpu": valkey}
        return seen | {
            f"{name}_ms": 1000 * took / seen["requests"]
            for who, cpu in used.items()
            for name, took in ((who, cpu.total), (f"{who}_user", cpu.user), (f"{who}_system", cpu.system))
        }

    def _cpu(self) -> tuple[Cpu, Cpu]:
        """Of the workers and of Valkey."""
        return cpu_of(self.pid), valkey_cpu()

    def follow(self, release: Release, path: str) -> None:
        """Makes a release live. CommandError when a worker doesn't serve it in time."""
        if live_release().number != release.number:
            roll_back(release, actor=None, note="For a benchmark")
        deadline = time.monotonic() + FOLLOW_SECONDS
        while (served := self._releases(path)) != {release.number}:
            if time.monotonic() > deadline:
                raise CommandError(f"The workers serve releases {served}, not {release.number}.")
            time.sleep(0.2)

    def _releases(self, path: str) -> set[int]:
        found = set()
        for _ in range(8):
            with urlopen(Call(f"http://127.0.0.1:{self.port}{path}", headers=dict(self.headers))) as answer:
                found.add(orjson.loads(answer.read())["release"])
        return found

    def snapshots(self) -> set[str]:
        """What the workers serve, as far as they were met."""
        found = set()
        for _ in range(8):
            with urlopen(f"http://127.0.0.1:{self.port}/health/ready", timeout=10) as answer:
                found.add(orjson.loads(answer.read())["snapshot"])
        return found


def bench_serving(plan: Plan, say: Say) -> dict[str, float | None]:
    """Figures by name; None for what was not measured."""
    ensure_market_of(plan.members, say)
    snapshots = ensure_snapshots(2, say)
    ensure_heavy(snapshots, LIGHT, say)
    snapshot = runtime().world.snapshot
    assert snapshot is not None
    _until_believed()
    asked = [askers(snapshot, surface) for surface in SURFACES]
    releases = _releases(plan)
    runtimes.stop()
    key = service_key("recommend:read", "explain:read")  # the latter for dry runs
    with (
        empty_view(workers=plan.workers) as (empty_port, empty_pid),
        api(workers=plan.workers, LIST_BUDGET_MS=NO_HURRY_MS) as (port, pid),
    ):
        empty, serving = Server(empty_port, empty_pid, plan, {}), Server(port, pid, plan, key)
        rounds = _rounds(empty, serving, snapshot, asked, releases, say)
        figures = _figures(rounds, asked)
        around = min(AROUND_SWAP, 4 * plan.seconds)
        paths, rate = asked[0].paths(plan.limit), EASE * figures["rps_heavy"]
        waits = serving.drive(around, paths, rates=[(around, rate)])
        figures |= {f"{name}_heavy": waits[name] for name in WAITS}
        serving.follow(releases.light, paths[0])
        figures |= _stores(serving, asked[0])
        figures |= {"private_mb": private_mb(pid), "shared_mb": shared_mb(pid)}
        figures["private_mb_empty"] = private_mb(empty_pid)
        figures |= _day(serving, paths, figures["rps_light"])
        figures |= _waiting(serving, asked[0], figures["rps_light"], snapshots[1])
        figures |= _visible(serving, asked[0])
    fill(snapshot, asked[0], seen=plan.seen, held=plan.held)
    added = paired_cost((releases.plain, releases.light), asked[0].ids[: plan.paired], LIGHT, plan.limit)
    say(f"rules, flags and experiments, in one thread, request by request in turn: {added}")
    runtimes.stop()
    figures |= {f"rules_{name}": value for name, value in added.items()}
    return figures


def _until_believed() -> None:
    """A start waits for the online state, but not where Valkey was too slow at first: lists would lack it
    then, and a rebuild go on beside the rounds. CommandError: it takes too long."""
    deadline = time.monotonic() + REBUILT_SECONDS
    while not runtime().world.vouches_for(online.marker(background_client())):
        if time.monotonic() > deadline:
            raise CommandError(f"The online state is not believed after {REBUILT_SECONDS:.0f} s.")
        time.sleep(0.5)


def _rounds(
    empty: Server,
    serving: Server,
    snapshot: Snapshot,
    asked: Sequence[Asked],
    releases: Releases,
    say: Say,
) -> Rounds:
    """The last of them is under the release with a second look, which stays live."""
    plan, (light, other) = serving.plan, asked
    cases = (
        (LIGHT, light, releases.light),
        (other.surface, other, releases.light),
        (HEAVY, light, releases.heavy),
    )
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in ("empty", *SURFACES, HEAVY)}
    path = light.paths(plan.limit)[0]
    warm = min(WARM_SECONDS, 2 * plan.seconds)
    for one in asked:
        serving.drive(warm / len(asked), one.paths(plan.limit))
    empty.drive(warm / 2, ["/"])
    for i in range(plan.repeat):
        rounds["empty"].append(empty.measure(["/"]))
        for name, one, release in cases:
            serving.follow(release, path)
            fill(snapshot, one, seen=plan.seen, held=plan.held)
            seen = serving.measure(one.paths(plan.limit))
            rounds[name].append(seen | _rankers(seen["requests"]))
        for name, measured in rounds.items():
            last = measured[-1]
            said = ", ".join(f"{figure} {last[figure]:.3f}" for figure in SAID)
            say(f"round {i + 1} {name}: {said}")
    return rounds


def _figures(rounds: Rounds, asked: Sequence[Asked]) -> dict[str, Any]:
    """Medians of the rounds; ratios are of the rounds that followed each other."""
    figures: dict[str, Any] = {
        f"{figure}_{name}": statistics.median(one[figure] for one in measured)
        for name, measured in rounds.items()
        for figure in ROUND
    }
    for measured_as in (*SURFACES, HEAVY):
        pairs = zip(rounds[measured_as], rounds["empty"], strict=True)
        ratios = [ours["cpu_ms"] / empty["cpu_ms"] for ours, empty in pairs]
        name = "light" if measured_as == LIGHT else measured_as
        figures |= {
            f"cpu_ratio_{name}": statistics.median(ratios),
            f"cpu_ratio_spread_{name}": max(ratios) - min(ratios),
            f"rps_{name}": figures[f"per_second_{measured_as}"],
            f"looked_at_again_{name}": statistics.median(one["heavy"] for one in rounds[measured_as]),
        }
    for one in asked:
        figures |= {f"eligible_{one.surface}": one.eligible, f"rows_scanned_{one.surface}": one.scanned}
    return figures


def _rankers(requests: int) -> dict[str, float]:
    """How many the heavy ranker looked at, by the latest of so many deliveries."""
    count = max(min(requests, LOOKED_AT), 1)
    latest = cast("list[Any]", background_client().xrevrange(online.STREAM, count=count))
    traces = [orjson.loads(fields[b"p"])["trace"] for _, fields in latest]
    of_each = [stage.get("heavy", 0) for trace in traces for stage in trace if stage["stage"] == "score"]
    return {"heavy": statistics.fmean(of_each or [0])}


def _stores(serving: Server, asked: Asked) -> dict[str, float | None]:
    """What warm requests ask, counted apart from the rounds: a log of every statement costs.

    The least of some counts: what a request asks is in each; what the background asks on a new connection,
    say to heal, is not. A count with a degraded answer is left out: a store was too slow, and others were
    asked instead. On a machine where that never ends nothing is counted.
    """
    paths = asked.paths(serving.plan.limit)
    seen: dict[str, Any] = {}
    counts: list[dict[str, float]] = []

    def send() -> int:
        seen.update(drive(serving.port, 1.0, 1, paths, serving.headers))
        return int(seen["requests"])

    with stores_watched() as asked_by:
        for _ in range(COUNTING_TRIES):
            serving.drive(0.5, paths)  # every thread of the server has its connection
            found = asked_by(send)
            if not seen["degraded"] + seen["failed"]:
                counts.append(found)
            if len(counts) == COUNTS:
                break
    names = ("postgres_queries", "valkey_round_trips")
    return {name: min((one[name] for one in counts), default=None) for name in names}


def _waiting(serving: Server, asked: Asked, rps: float, other: str) -> dict[str, float | None]:
    """The open loop, undisturbed and then around a swap to another snapshot. CommandError: nobody swapped.

    The swap is judged by the undisturbed loop: a p99 of all seconds around it holds what it caused itself.
    """
    plan, paths = serving.plan, asked.paths(serving.plan.limit)
    around = min(AROUND_SWAP, 4 * plan.seconds)
    calm = serving.drive(around, paths, rates=[(around, EASE * rps)])
    swap = threading.Timer(around, _activate, [other])
    swap.start()
    rates, windows = [(2 * around, EASE * rps)], [(around / 2, around * 1.5)]
    seen = serving.drive(2 * around, paths, rates=rates, windows=windows)
    swap.join()
    deadline = time.monotonic() + FOLLOW_SECONDS
    while serving.snapshots() != {other}:
        if time.monotonic() > deadline:
            raise CommandError(f"The workers serve {serving.snapshots()}, not {other}.")
        time.sleep(0.5)
    return {
        **{f"{name}_light": calm[name] for name in WAITS},
        "failed_on_swap": seen["failed"],
        "requests_on_swap": seen["requests"],
        "p99_ms_around_swap": seen["window_p99_ms"][0],
        "p99_ratio_around_swap": ratio(seen["window_p99_ms"][0], calm["p99_ms"]),
    }


def _visible(serving: Server, asked: Asked) -> dict[str, float]:
    """How long a change takes to every process of the server."""
    took = measure_visible(serving.port, serving.headers, asked.ids[-PAUSED:], asked.surface)
    return {"visible_ms_median": statistics.median(took), "visible_ms_max": max(took)}


def ratio(one: float | None, other: float | None) -> float | None:
    """None where either was not measured."""
    return one / other if one is not None and other else None


def _day(serving: Server, paths: Sequence[str], rps: float) -> dict[str, float | None]:
    """An open loop over a day of which the busiest hour asks for EASE of the throughput."""
    now = int(clock.now().timestamp())
    day = day_of(paths, at=now, busiest=EASE * rps, seconds=serving.plan.seconds / 5)
    lasts = sum(seconds for seconds, _ in day.rates)
    return figures_of(day, serving.drive(lasts, day.paths, rates=day.rates, windows=day.windows))


def _activate(snapshot_id: str) -> None:
    try:
        activate_snapshot(snapshot_id)
    finally:
        connection.close()


def _releases(plan: Plan) -> Releases:
    """All three published; the last is live."""
    none = {"rules": 0, "flags": 0, "experiments": 0}
    asked = {name: getattr(plan, name) for name in none}
    made = []
    for counts, width in ((none, 0), (asked, 0), (asked, FULL.heavy)):
        draft = start_revision(actor=None, title="Benchmark")
        content = with_rules(draft.content, *SURFACES, **counts)
        content["surfaces"][LIGHT]["heavy_width"] = width
        draft.content = content
        made.append(publish(draft))
    return Releases(*made)


def publish(draft: Any) -> Release:
    """The draft's content, live, with its masks."""
    draft.save()
    ensure_masks_of_active(draft.content)
    return publish_revision(draft, actor=None, note="For a benchmark")
