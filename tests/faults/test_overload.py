"""Five times as many calls as the site can answer with lists, half of them members', half in the background;
whoever is sent away comes again."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil
import pytest
import requests

from apps.api.shedding import RUNNING, WAITING
from tests.faults.checker import wrongs
from tests.faults.site import Site
from tests.faults.traffic import Answer, Traffic

pytestmark = [pytest.mark.faults, pytest.mark.slow]

CALLERS = Path(__file__).with_name("callers.py")
PROCESSES = 2
PLACES = PROCESSES * (RUNNING + WAITING)
TIMES = 5
MARGIN = 1.1  # so that it is five times, too, where the machine holds up the callers
PEAK_SECONDS, CALM_SECONDS = 5.0, 3.0
IDLE_LINES = 700
HEALTH_SECONDS = 0.25  # between two checks of each kind


@dataclass(frozen=True)
class Calls:
    """What was called for a while, and answered, by the key of the callers."""

    seconds: float
    by_key: list[list[Answer]]

    @property
    def answers(self) -> list[Answer]:
        return [answer for answers in self.by_key for answer in answers]

    def took(self, status: int) -> list[float]:
        return [answer.seconds for answer in self.answers if answer.status == status]

    @property
    def goodput(self) -> float:
        """Lists a second."""
        return len(self.took(200)) / self.seconds

    @property
    def offered(self) -> float:
        """Calls a second."""
        return len(self.answers) / self.seconds

    def shares_answered(self) -> list[float]:
        return [sum(answer.status == 200 for answer in answers) / len(answers) for answers in self.by_key]


def test_a_retry_storm_is_refused_and_costs_no_list_a_promise_and_ends_at_once(
    shared_site: Site, request: pytest.FixtureRequest
) -> None:
    site, seconds = shared_site, request.config.getoption("storm")
    jobs = site.manage(
        "create_service_key", "jobs in a storm", "--scopes", "all", "--caller-class", "background"
    )
    keys = [site.secret, jobs.strip()]
    with on_cores_of_their_own() as apart:
        before = called(site, CALM_SECONDS, keys[:1], lines=2)
        peak = called(site, PEAK_SECONDS, keys[:1], lines=RUNNING * PROCESSES)
        wide = sum(site.narrowed().values())
        with Health(site) as health:
            storm = called(site, seconds, keys, lines=TIMES * PLACES, rate=MARGIN * TIMES * peak.goodput)
        narrowed = sum(site.narrowed().values()) - wide
        calm = called(site, CALM_SECONDS, keys[:1], lines=2)
        later = called(site, PEAK_SECONDS, keys[:1], lines=RUNNING * PROCESSES)
    said = Counter(answer.status for answer in storm.answers)
    members, background = storm.shares_answered()
    print(
        f"storm: {storm.offered:.0f} calls a second, {storm.offered / peak.goodput:.1f} times the"
        f" {peak.goodput:.0f} lists of the peak: {dict(said)}; {storm.goodput:.0f} lists a second,"
        f" {storm.goodput / peak.goodput:.0%}, and {storm.goodput / later.goodput:.0%} of the"
        f" {later.goodput:.0f} of a peak after it; {narrowed:.0f} lists narrower; answered:"
        f" {members:.0%} of members' callers, {background:.0%} in the background\n"
        f"median, p99, longest in ms: lists before {told(before.took(200))}, after {told(calm.took(200))},"
        f" in the storm {told(storm.took(200))}; refusals {told(storm.took(503))}"
        + "".join(f"; {path} {told(took)}" for path, took in health.took.items())
        + ("" if apart else "; callers on the site's core")
    )
    assert storm.offered >= TIMES * peak.goodput, "it was no storm"
    assert set(said) == {200, 503}
    assert members > background
    assert set(health.statuses) == {200}
    assert said[200] > 100
    assert {answer.status for answer in calm.answers} == {200}
    ledger = Traffic(site, askers=0)
    ledger.answers = [*peak.answers, *storm.answers, *calm.answers, *later.answers]
    assert wrongs(ledger) == []


def test_callers_who_only_hold_their_lines_keep_no_health_check_out(shared_site: Site) -> None:
    host, _, port = shared_site.address.removeprefix("http://").partition(":")
    with ExitStack() as held:
        for _ in range(IDLE_LINES):
            held.enter_context(socket.create_connection((host, int(port))))
        for _ in range(4 * PROCESSES):  # a new connection each: all processes are asked
            assert requests.get(f"{shared_site.address}/health/live", timeout=10).status_code == 200


def called(site: Site, seconds: float, keys: list[str], *, lines: int, rate: float | None = None) -> Calls:
    """What the callers of callers.py were answered."""
    work = {"path": "/api/v1/recommendations?surface=dating&limit=1", "viewers": site.askers, "keys": keys}
    work |= {"lines": lines} | ({"rate": rate} if rate is not None else {})
    command = [sys.executable, "-S", str(CALLERS), site.address.rpartition(":")[2], str(seconds)]
    done = subprocess.run(
        command, input=json.dumps(work), stdout=subprocess.PIPE, text=True, timeout=seconds + 120, check=True
    )
    by_key: list[list[Answer]] = [[] for _ in keys]
    for line in done.stdout.splitlines():
        key, *answer = json.loads(line)
        by_key[key].append(Answer(*answer))
    return Calls(seconds, by_key)


class Health:
    """Asks how a site is while the `with` block runs, each time over a connection of its own."""

    def __init__(self, site: Site) -> None:
        self._site, self._done = site, threading.Event()
        self.statuses: list[int] = []
        self.took: dict[str, list[float]] = {"/health/live": [], "/health/ready": []}
        self._thread = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(60)

    def _look_on(self) -> None:
        while not self._done.wait(HEALTH_SECONDS):
            for path, took in self.took.items():
                start = time.monotonic()
                self.statuses.append(requests.get(f"{self._site.address}{path}", timeout=30).status_code)
                took.append(time.monotonic() - start)


def told(took: list[float]) -> str:
    found = sorted(took)
    picked = (found[int((len(found) - 1) * share)] for share in (0.5, 0.99, 1.0))
    return ", ".join(f"{one * 1000:.0f}" for one in picked)


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
