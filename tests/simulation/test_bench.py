"""The benchmark's own arithmetic; its figures are not asserted."""

import os
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from apps.interactions.bodies import EventBody
from apps.simulation.bench.conditions import bench_conditions
from apps.simulation.bench.driver import summary
from apps.simulation.bench.events import MIX, Person, make_batch
from apps.simulation.bench.pacer import Minute, figures
from apps.simulation.bench.pacer import Plan as PacedDay
from apps.simulation.bench.processes import cpu_seconds, drive, granian
from apps.simulation.bench.retrieval import Plan, bench_retrieval


def test_a_summary_counts_requests_items_and_percentiles() -> None:
    found = summary([(0.001, 200, 20), (0.003, 200, 10), (0.002, 429, 0)], seconds=1.5)
    assert found == {
        "requests": 3,
        "per_second": 2.0,
        "p50_ms": 2.0,
        "p99_ms": 2.0,
        "statuses": {"200": 2, "429": 1},
        "items_per_answer": 10.0,
    }


def test_the_cpu_time_of_this_process_grows_with_work() -> None:
    before, start = cpu_seconds(os.getpid()), time.process_time()
    while time.process_time() - start < 0.2:
        pass
    assert 0.15 <= cpu_seconds(os.getpid()) - before <= 1.0


def test_every_case_of_the_conditions_bench_gets_a_verdict() -> None:
    found = bench_conditions(1)
    assert found["the widest"]["verdict"] == "taken: 200 nodes, 200 steps"
    assert found["the dearest"]["verdict"] == "taken: 99 nodes, 9,899 steps"
    assert all(said["verdict"].startswith("refused: ") for said in list(found.values())[2:])


def test_the_empty_view_answers_under_load() -> None:
    with granian(
        "apps.simulation.bench.empty_view:application",
        env={"BENCH_EMPTY_VIEW": "1"},
        workers=1,
        ready_path="/",
    ) as (port, pid):
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
    assert found["p50_ms_5k_1pct"] is not None
    assert [folder.name for folder in (tmp_path / "bench").iterdir()] == ["pool-5000-1"]


def test_a_paced_day_is_judged_by_rolling_hours_after_the_first() -> None:
    first = [Minute(100, 50, 0, 0.0)] * 60  # does not count
    held, high, low = ([Minute(100, part, 10, 1.0)] * 460 for part in (10, 20, 0))
    found = figures([*first, *held, *high, *low], PacedDay(lists=5), floor=1440, newcomers=10)
    held_ends, passing = 413, 13  # up to 12 minutes of the high share in the hour; 24 to 36 of them again
    assert found["share_within"] == round((held_ends + passing) / 1321, 4)
    assert found["crossings_beyond_tolerance"] == 1
    assert (found["share_lowest"], found["share_highest"]) == (0.0, 0.2)
    assert (found["floor_mean"], found["floor_within"]) == (1440.0, 1.0)
