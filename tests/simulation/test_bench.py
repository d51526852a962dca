"""The benchmarks' own arithmetic, and that each runs and counts right; what it measures is not asserted."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from apps.interactions.bodies import EventBody
from apps.simulation.bench import conditions, serving
from apps.simulation.bench.conditions import bench_conditions
from apps.simulation.bench.day import day_of
from apps.simulation.bench.day import figures_of as of_day
from apps.simulation.bench.driver import dues, summary
from apps.simulation.bench.events import MIX, Person, make_batch
from apps.simulation.bench.pacer import Minute, figures
from apps.simulation.bench.pacer import Plan as PacedDay
from apps.simulation.bench.processes import cpu_of, cpu_of_this, cpu_seconds, drive, empty_view
from apps.simulation.bench.retrieval import Plan, bench_retrieval
from apps.simulation.bench.servers import for_requests
from apps.simulation.cities import CITIES
from raya_recs.env import BASE_DIR
from raya_recs.management.commands.bench import plan_for

FROM_ELSEWHERE = {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"}
MEMBERS = 600
WINTER = 1_767_225_600  # 2026-01-01: Los Angeles is 8 hours behind UTC, Copenhagen one ahead
Figures = dict[str, float | None]


def test_a_day_asks_as_its_zones_are_awake_and_the_driver_asks_at_its_pace() -> None:
    paths = [f"/{i}" for i in range(30)]
    day = day_of(paths, at=WINTER, busiest=200.0, seconds=0.5)
    rates = [rate for _, rate in day.rates]
    assert (len(rates), max(rates)) == (24, 200.0)
    assert 10 < min(rates) < 60  # all three zones sleep at four in the morning, local time, and not at once
    due = np.array(dues(day.rates))
    assert len(due) == len(day.paths)
    assert set(day.paths) == set(paths)
    zone = np.array([int(path[1:]) % len(CITIES) for path in day.paths])
    in_west = [float(np.mean(zone[(start <= due) & (due < end)] == 0)) for start, end in day.windows]
    assert int(np.argmax(in_west)) in range(1, 8)  # evening in Los Angeles while Europe sleeps
    seen = [(at, 0.001 if at < 6 else 0.002, 200, 1, False) for at in due.tolist()]
    found = of_day(day, summary(seen, 12.0, day.windows))
    assert (found["requests_day"], found["failed_day"]) == (len(due), 0)
    assert (found["p99_ms_day_worst_hour"], found["asked_per_second_day_busiest"]) == (2.0, 200.0)


def test_a_summary_counts_requests_items_and_percentiles() -> None:
    seen = [(0.0, 0.001, 200, 20, False), (0.5, 0.003, 200, 10, True), (1.0, 0.002, 429, 0, False)]
    found = summary(seen, seconds=1.5, windows=[(0.4, 0.6), (9.0, 10.0)])
    assert found == {
        "requests": 3,
        "per_second": 2.0,
        "p50_ms": 2.0,
        "p95_ms": 2.0,
        "p99_ms": 2.0,
        "window_p99_ms": [3.0, None],
        "failed": 1,
        "degraded": 1,
        "statuses": {"200": 2, "429": 1},
        "items_per_answer": 10.0,
    }


def test_whoever_says_what_is_said_while_nobody_asks_is_not_counted() -> None:
    idle = [("poll", "GET o:generation"), ("poll", "PING")]
    asked = [("line", "MGET o:g:1"), ("poll", "HINCRBY o:health"), ("line", "EVALSHA 0f5e")]
    new_poll = [("poll again", "HINCRBY o:health"), ("poll again", "PING")]
    assert for_requests(idle, [*idle, *asked, *new_poll]) == [asked[0], asked[2]]


def test_the_cpu_time_of_this_process_grows_with_work() -> None:
    before, start = cpu_seconds(os.getpid()), time.process_time()
    while time.process_time() - start < 0.2:
        pass
    assert 0.15 <= cpu_seconds(os.getpid()) - before <= 1.0


def test_cpu_of_user_and_system_are_told_apart() -> None:
    """Reading zeros is the system's work, adding numbers is not."""
    before = cpu_of(os.getpid())
    with open("/dev/zero", "rb", buffering=0) as zeros:
        while (cpu_of(os.getpid()) - before).system < 0.1:
            zeros.read(1 << 24)
    read = cpu_of(os.getpid())
    while (cpu_of_this() - read).total < 0.2:
        sum(range(100_000))
    added = cpu_of(os.getpid()) - read
    assert added.user > 3 * added.system
    assert added.total == pytest.approx(added.user + added.system)


def test_a_process_that_ended_meanwhile_is_counted_with_its_parent() -> None:
    """Postgres ends a backend with its connection: what it used must not be lost, or even negative."""
    spins = "import time\nwhile time.process_time() < 0.3: pass"
    before = cpu_seconds(os.getpid())
    subprocess.run([sys.executable, "-c", spins], check=True)
    assert 0.25 <= cpu_seconds(os.getpid()) - before <= 1.5  # the kernel counts in ticks of 10 ms


def test_every_case_of_the_conditions_bench_gets_a_verdict() -> None:
    said: list[str] = []
    found = bench_conditions(conditions.Plan(repeat=1), said.append)
    assert said[0] == "the widest: taken: 200 nodes, 200 steps"
    assert said[1] == "the dearest: taken: 99 nodes, 9,899 steps"
    assert all(": refused: " in line for line in said[2:])
    assert len(found) == len(said) == 6


def test_the_empty_view_answers_under_load() -> None:
    with empty_view(workers=1) as (port, pid):
        found = drive(port, 0.5, 2, ["/"], {})
        assert cpu_seconds(pid) > 0
    assert set(found["statuses"]) == {"200"}


def test_a_batch_of_events_is_the_mix_with_new_ids_and_undoes_only_what_it_holds() -> None:
    people = [Person(f"m{i}", i + 1) for i in range(50)]
    batch = make_batch(people, 1000, np.random.default_rng(1))
    bodies = {body.id: body for body in map(EventBody.model_validate, batch)}
    assert len(bodies) == 1000
    assert {body.type.value for body in bodies.values()} == set(MIX)
    undos = [body for body in bodies.values() if body.type == "undo"]
    assert all(bodies[UUID(undo.target)].actor == undo.actor for undo in undos)


def test_retrieval_is_measured_beside_numpy_and_finds_all_that_numpy_finds(
    tmp_path: Path, settings: Any
) -> None:
    settings.VAR_DIR = tmp_path
    found = bench_retrieval(Plan(members=5_000, seconds=0.01, repeat=1), lambda _: None)
    assert found["recall"] == 1.0
    assert found["p50_ms_1m_10pct"] is None
    assert found["ratio_to_numpy_50k"] is None
    assert 400 <= (found["eligible_5k_10pct"] or 0) <= 600
    assert (found["p50_ms_5k_1pct"] or 0) <= (found["p95_ms_5k_1pct"] or 0) <= (found["p99_ms_5k_1pct"] or 0)
    assert found["p95_ms_1m_10pct"] is None
    assert (found["eligible_5k_80pct"] or 0) <= (found["rows_scanned_5k_80pct"] or 0) <= 5_000
    assert (found["rows_scanned_5k_1pct"] or 0) <= (found["rows_scanned_5k_80pct"] or 0)
    parts = (found["cpu_user_ms_5k_10pct"] or 0) + (found["cpu_system_ms_5k_10pct"] or 0)
    assert found["cpu_ms_5k_10pct"] == pytest.approx(parts, abs=0.001)
    assert found["p50_ms_5k_1pct_bfloat16"] is not None
    assert (found["ratio_to_bound_5k_80pct_bfloat16"] or 0) > 0
    whole, half = (found[f"bound_mb_5k_80pct{name}"] or 0 for name in ("", "_bfloat16"))
    assert 0.48 < half / whole < 0.70, "64 numbers of 2 bytes instead of 4, beside the other columns"
    folders = {folder.name for folder in (tmp_path / "bench").iterdir()}
    assert folders == {"pool-5000-1-float32", "pool-5000-1-bfloat16"}


def test_a_paced_day_is_judged_by_rolling_hours_after_the_first() -> None:
    first = [Minute(100, 50, 0, 0.0)] * 60  # does not count
    held, high, low = ([Minute(100, part, 10, 1.0)] * 460 for part in (10, 20, 0))
    found = figures([*first, *held, *high, *low], PacedDay(lists=5), floor=1440, newcomers=10)
    held_ends, passing = 413, 13  # up to 12 minutes of the high share in the hour; 24 to 36 of them again
    assert found["share_within"] == round((held_ends + passing) / 1321, 4)
    assert found["crossings_beyond_tolerance"] == 1
    assert (found["share_lowest"], found["share_highest"]) == (0.0, 0.2)
    assert (found["floor_within"], found["floor_lowest"]) == (1.0, 1.0)
    assert found["floor_of_the_day"] == 1380.0  # but for the first hour


def test_a_quiet_hour_owes_less_of_a_floor() -> None:
    quiet, busy = [Minute(20, 2, 2, 0.0)] * 720, [Minute(180, 18, 18, 0.0)] * 720
    found = figures([*quiet, *busy], PacedDay(lists=5), floor=1440, newcomers=10)
    assert (found["floor_within"], found["floor_of_the_day"]) == (1.0, 1440.0)
    assert found["floor_within_evenly"] == pytest.approx(720 / 1321, abs=0.03)


def test_few_members_are_measured_in_fewer_and_shorter_rounds_unless_those_are_said() -> None:
    whole = plan_for("serving", {})
    assert whole == plan_for("serving", {"members": 1_000_000}) == serving.Plan()
    small = plan_for("serving", {"members": 50_000})
    assert (small.repeat, small.seconds) < (whole.repeat, whole.seconds)
    assert plan_for("serving", {"members": 50_000, "repeat": 5, "seconds": 2.5}).repeat == 5
    assert plan_for("events", {}).repeat == 5, "50,000 without being asked"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where benches keep what they make."""
    made = Path(tempfile.mkdtemp(prefix="raya_recs-bench-"))
    made.chmod(0o711)  # the database's user must pass through
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def figures_of(folder: Path) -> Callable[..., Figures]:
    """Runs `manage.py bench` as somebody types it, on one small market, and reads its file."""

    def run(what: str, *arguments: str) -> Figures:
        env = {name: value for name, value in os.environ.items() if name not in FROM_ELSEWHERE}
        file = folder / f"{what}.json"
        command = [sys.executable, "manage.py", "bench", what, "--members", str(MEMBERS), "--json", str(file)]
        done = subprocess.run(
            [*command, *arguments],
            cwd=BASE_DIR,
            env=env | {"VAR_DIR": str(folder)},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found: Figures = json.loads(file.read_text())
        assert all(value is None or isinstance(value, int | float) for value in found.values())
        return found

    return run


@pytest.mark.slow
def test_a_warm_recommendation_asks_postgres_nothing_and_valkey_twice(
    figures_of: Callable[..., Figures],
) -> None:
    small = ["--seconds", "0.5", "--repeat", "1", "--seen", "60", "--held", "10"]
    found = figures_of("serving", *small, "--rules", "10", "--flags", "4", "--experiments", "2")
    assert (found["postgres_queries"], found["valkey_round_trips"]) == (0, 2)
    assert found["failed_on_swap"] == 0
    assert 0 <= (found["visible_ms_median"] or 0) <= (found["visible_ms_max"] or -1)
    assert (found["requests_on_swap"] or 0) > 0
    assert (found["failed_day"], (found["requests_day"] or 0) > 0) == (0, True)
    swap, calm = found["p99_ms_around_swap"] or 0, found["p99_ms_light"] or 1
    assert found["p99_ratio_around_swap"] == pytest.approx(swap / calm, rel=0.01)
    named = ["cpu_ratio_light", "rps_light", "p99_ms_light", "private_mb"]
    assert all((found[name] or 0) > 0 for name in named)
    assert all((found[f"{name}_heavy"] or 0) > 0 for name in ("cpu_ratio", "rps", "p99_ms"))
    assert (found["looked_at_again_light"], found["looked_at_again_networking"]) == (0, 0)
    assert 0 < (found["looked_at_again_heavy"] or 0) <= 120
    for who in ("cpu", "workers_cpu", "valkey_cpu"):
        parts = sum(found[f"{who}_{kind}_ms_dating"] or 0 for kind in ("user", "system"))
        assert found[f"{who}_ms_dating"] == pytest.approx(parts, abs=0.001)
    for case in ("empty", "dating", "networking", "light", "heavy"):
        assert (
            (found[f"p50_ms_{case}"] or 0) <= (found[f"p95_ms_{case}"] or 0) <= (found[f"p99_ms_{case}"] or 0)
        )
    assert all(0 < (found[f"rows_scanned_{surface}"] or 0) <= MEMBERS for surface in ("dating", "networking"))


@pytest.mark.slow
def test_a_refresh_is_measured_by_step_whole_and_after_a_few_changes(
    figures_of: Callable[..., Figures],
) -> None:
    found = figures_of("refresh")
    assert found["members"] == MEMBERS
    assert (found["events"] or 0) > 19 * MEMBERS
    named = ["minutes_full", "minutes_incremental", "peak_gib", "seconds_learning_dating_full"]
    assert all((found[name] or 0) > 0 for name in named)
    columns = 338  # bytes of a member's columns and of who stands where; each file adds a header
    assert columns <= (found["bytes_per_member"] or 0) < columns + 24 * 128 / MEMBERS + 1
    masks = 2 * (16 + 8)  # a bit per condition on candidates and on viewers, in whole words; two surfaces
    assert masks <= (found["bytes_of_masks_per_member"] or 0) < masks + 10
    assert (found["bytes_beside_per_member"] or 0) > (found["bytes_of_masks_per_member"] or 0)
    assert found["bytes_per_member_float32"] == found["bytes_per_member"]
    assert found["bytes_per_member_bfloat16"] == pytest.approx((found["bytes_per_member"] or 0) - 128)


@pytest.mark.slow
def test_events_and_what_they_add_to_a_list_are_measured(figures_of: Callable[..., Figures]) -> None:
    found = figures_of("events", "--seconds", "0.5", "--repeat", "1", "--effects", "5")
    named = ["per_second", "cpu_ratio_copy", "effect_p99_ms", "effect_crowd_p99_ms"]
    assert all((found[name] or 0) > 0 for name in named)
    assert found["serve_added_cpu_ms"] is not None


@pytest.mark.slow
def test_simulating_is_measured_by_stage_beside_copy_and_leaves_no_stores(
    figures_of: Callable[..., Figures], folder: Path
) -> None:
    found = figures_of("simulate", "--days", "1")
    assert (found["members"], found["days"]) == (MEMBERS, 1)
    stages = ("drawing", "places", "members", "connections", "events", "lists")
    took = [found[f"seconds_{stage}"] or 0 for stage in stages]
    assert min(took) > 0
    assert sum(took) == pytest.approx(found["seconds"], abs=0.01)
    named = ["events", "events_per_second", "cpu_seconds", "peak_gib", "copy_rows_per_second"]
    assert all((found[name] or 0) > 0 for name in named)
    assert (found["rows"] or 0) > (found["events"] or 0) + MEMBERS
    assert (found["cpu_ratio_copy"] or 0) > 1
    assert not (folder / "bench" / f"new-{MEMBERS}").exists()
