"""Far more callers than there are places, and each comes again at once when it is sent away."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from apps.api.shedding import RUNNING, WAITING
from tests.faults.checker import wrongs
from tests.faults.site import Site
from tests.faults.traffic import Traffic

pytestmark = [pytest.mark.faults, pytest.mark.slow]

PROCESSES = 2
TIMES = 5
STORM_SECONDS, PEAK_SECONDS = 12.0, 5.0


def test_a_retry_storm_is_refused_and_costs_no_list_a_promise_and_ends_at_once(shared_site: Site) -> None:
    peak, _ = _asked(shared_site, RUNNING * PROCESSES, PEAK_SECONDS)
    storm, goodput = _asked(shared_site, TIMES * PROCESSES * (RUNNING + WAITING), STORM_SECONDS)
    calm, _ = _asked(shared_site, 2, 1.0)
    said = Counter(answer.status for answer in storm.answers)
    before = _goodput(peak, PEAK_SECONDS)
    print(
        f"storm: {dict(said)}; {goodput:.0f} lists a second, {goodput / before:.0%} of {before:.0f} before it"
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


def _goodput(traffic: Traffic, seconds: float) -> float:
    return sum(answer.status == 200 for answer in traffic.answers) / seconds
