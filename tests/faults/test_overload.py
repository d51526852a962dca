"""Far more callers than there are places, and each comes again at once when it is sent away."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest

from apps.api.shedding import RUNNING, WAITING
from tests.faults.checker import wrongs
from tests.faults.site import Site
from tests.faults.traffic import Traffic

pytestmark = [pytest.mark.faults, pytest.mark.slow]

PROCESSES = 2
TIMES = 5
PEAK_SECONDS = 5.0


def test_a_retry_storm_is_refused_and_costs_no_list_a_promise_and_ends_at_once(
    shared_site: Site, request: pytest.FixtureRequest
) -> None:
    seconds = request.config.getoption("storm")
    with on_cores_of_their_own() as apart:
        _, before = _asked(shared_site, RUNNING * PROCESSES, PEAK_SECONDS)
        storm, goodput = _asked(shared_site, TIMES * PROCESSES * (RUNNING + WAITING), seconds)
        calm, _ = _asked(shared_site, 2, 1.0)
    said = Counter(answer.status for answer in storm.answers)
    print(
        f"storm: {dict(said)}; {goodput:.0f} lists a second, {goodput / before:.0%} of {before:.0f} before it"
        f"{', callers on a core of their own' if apart else ''}"
    )
    assert set(said) == {200, 503}
    assert said[503] > said[200], "hardly anybody was sent away: the test shows nothing"
    assert said[200] > 100
    assert {answer.status for answer in calm.answers} == {200}
    assert wrongs(storm) == []


def _asked(site: Site, askers: int, seconds: float) -> tuple[Traffic, float]:
    with Traffic(site, askers=askers, pause=0.0) as traffic:
        time.sleep(seconds)
    return traffic, _goodput(traffic, seconds)


@contextmanager
def on_cores_of_their_own() -> Iterator[bool]:
    """The site on one core and its callers on another, so that whoever calls more takes nothing from it;
    False where there is but one."""
    all_cores = os.sched_getaffinity(0)
    callers, *others = sorted(all_cores)
    if not others:
        yield False
        return
    here = psutil.Process()
    try:
        for process in here.children(recursive=True):
            _bind(process, {others[0]})
        _bind(here, {callers})
        yield True
    finally:
        for process in (here, *here.children(recursive=True)):
            _bind(process, all_cores)


def _bind(process: psutil.Process, cores: set[int]) -> None:
    """All its threads; those to come inherit it."""
    with suppress(psutil.NoSuchProcess):
        for thread in process.threads():
            with suppress(ProcessLookupError):  # it ended meanwhile
                os.sched_setaffinity(thread.id, cores)


def _goodput(traffic: Traffic, seconds: float) -> float:
    return sum(answer.status == 200 for answer in traffic.answers) / seconds
