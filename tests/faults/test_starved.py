"""A web process is starved of CPU for real: its lists get narrower step by step, then callers are sent away,
those in the background first; with the CPU the widths come back."""

from __future__ import annotations

import copy
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import requests

from apps.api.shedding import RUNNING
from apps.delivery.latency import FORGOTTEN_SECONDS, LADDER
from tests.faults.checker import lists_of
from tests.faults.site import Site, wait_until
from tests.faults.traffic import Answer, Traffic

pytestmark = [
    pytest.mark.faults,
    pytest.mark.slow,
    # On one core the driver would starve with the server, and show nothing. CI has two.
    pytest.mark.skipif(
        len(getattr(os, "sched_getaffinity", lambda _: [0])(0)) < 2,
        reason="starves one core, and asks from another",
    ),
]

LISTS_IN_BUDGET = 5  # as long as so many lists take here: on a machine that is quick, a list has little time
MOST_BUSY, MOST_ROUNDS = 24, 8
IN_A_ROW = 20  # lists at full width: the process has recovered
WIDTHS = [[rung.widths.heavy, rung.widths.retrieved] for rung in LADDER]


def test_a_starved_process_narrows_its_lists_then_sends_the_background_away_and_recovers(
    shared_site: Site,
) -> None:
    site, jobs = shared_site, copy.copy(shared_site)
    jobs.secret = site.manage(
        "create_service_key", "jobs", "--scopes", "all", "--caller-class", "background"
    ).strip()
    with web_on_one_core(site, budget_ms(site)) as core:
        jobs.web, jobs.address = site.web, site.address
        with Traffic(site, askers=1) as calm:
            calm.wait_for_answers(IN_A_ROW)
        with ExitStack() as busy:
            # As many as may work at once: nobody waits, so nobody can be sent away.
            with Traffic(site, askers=RUNNING, pause=0.0) as starved:
                starve(site, core, busy)
            with (
                Traffic(site, askers=2 * RUNNING) as members,
                Traffic(jobs, askers=4 * RUNNING) as background,
            ):
                wait_until(lambda: len(sent_away(background)) >= 20, "refusals", 30)
                refusal = until_refused(jobs)
        with Traffic(site, askers=1) as after:
            wait_until_wide(site, after)
        rows = delivered(site, {"calm": calm, "starved": starved, "after": after})

    tally = {name: [rows[name].count(one) for one in WIDTHS] for name in rows}
    print(f"lists by rung, {[rung.name for rung in LADDER]}: {tally}")
    assert tally["calm"][0] > IN_A_ROW / 2
    assert all(tally["starved"][1:]), "not every width was narrowed"
    assert rows["after"][-IN_A_ROW:] == [WIDTHS[0]] * IN_A_ROW
    # Narrower before anybody is sent away.
    assert sent_away(calm) == sent_away(starved) == sent_away(after) == []
    assert refusal.status_code == 503
    assert refusal.headers["Retry-After"] == "1"
    assert refusal.json()["code"] == "overloaded"
    first = min((answer.asked_at for answer in sent_away(members)), default=float("inf"))
    assert min(answer.asked_at for answer in sent_away(background)) < first
    assert share_sent_away(members) < share_sent_away(background) / 4
    for traffic in (calm, starved, members, background, after):
        assert {answer.status for answer in traffic.answers} <= {200, 503}


def budget_ms(site: Site) -> int:
    """Milliseconds that LISTS_IN_BUDGET lists take, one after the other, while nobody is starved."""
    took = []
    for _ in range(IN_A_ROW):
        started = time.perf_counter()
        site.list("m0")
        took.append(time.perf_counter() - started)
    return round(1000 * LISTS_IN_BUDGET * statistics.median(took))


@contextmanager
def web_on_one_core(site: Site, budget: int) -> Iterator[int]:
    """Another web process is asked, which never leaves one core; gives the core."""
    here = os.sched_getaffinity(0)
    core = max(here)
    with ExitStack() as stack:
        os.sched_setaffinity(0, {core})  # of this thread, and of what it starts
        try:
            stack.enter_context(site.another_web(LIST_BUDGET_MS=str(budget)))
        finally:
            os.sched_setaffinity(0, here - {core})
        try:
            yield core
        finally:
            os.sched_setaffinity(0, here)


def starve(site: Site, core: int, busy: ExitStack) -> None:
    """Busy processes on the core, one more at a time, until lists are as narrow as they get; at every rung
    some ran by then.

    A rung that was jumped over on the way there is met on the way back, or on another.
    """
    wanted, last = {rung.name for rung in LADDER[1:]}, LADDER[-1].name
    for _ in range(MOST_ROUNDS):
        before = site.narrowed().get(last, 0)
        for _ in range(MOST_BUSY):
            busy.enter_context(busy_process(core))
            time.sleep(0.25)
            if site.narrowed().get(last, 0) > before:
                break
        if wanted <= site.narrowed().keys():
            return
        busy.close()
        time.sleep(2 * FORGOTTEN_SECONDS)
    raise AssertionError(
        f"only {site.narrowed()} in {MOST_ROUNDS} rounds of up to {MOST_BUSY} busy processes"
    )


@contextmanager
def busy_process(core: int) -> Iterator[None]:
    code = f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
    process = subprocess.Popen([sys.executable, "-S", "-c", code])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def wait_until_wide(site: Site, traffic: Traffic) -> None:
    """Until a row of lists was not narrowed."""

    def is_wide() -> bool:
        before = site.narrowed()
        traffic.wait_for_answers(IN_A_ROW)
        return site.narrowed() == before

    wait_until(is_wide, "full widths", 20)


def delivered(site: Site, phases: dict[str, Traffic]) -> dict[str, list[list[int]]]:
    """The widths in the rows of each phase's deliveries, in their order; the trace of each says the same.

    Starved for longer than a lease a process can't say who may be shown: that list is empty, and has no row.
    """
    lists = {
        name: [one for one, shown in lists_of(traffic).items() if shown] for name, traffic in phases.items()
    }
    last = list(lists.values())[-1][-1]
    site.send("GET", f"/deliveries/{last}/trace").raise_for_status()  # copies whatever is still in the stream
    sql = "SELECT id::text, inputs -> 'widths', trace FROM interactions_delivery WHERE id::text = ANY(%s)"
    found = {}
    for name, ids in lists.items():
        rows = {one: (widths, trace) for one, widths, trace in site.query(sql, ids)}
        found[name] = [rows[one][0] for one in ids]
        for widths, trace in rows.values():
            told = [[s["heavy"], s["retrieved"]] for s in trace if s["stage"] == "narrowed"]
            assert told == ([widths] if widths != WIDTHS[0] else [])
    return found


def sent_away(traffic: Traffic) -> list[Answer]:
    return [answer for answer in list(traffic.answers) if answer.status != 200]


def share_sent_away(traffic: Traffic) -> float:
    return len(sent_away(traffic)) / len(traffic.answers)


def until_refused(site: Site) -> requests.Response:
    """The first answer that is none."""
    for _ in range(1000):
        response = site.send("GET", "/recommendations?surface=dating&member=w0&limit=1")
        if response.status_code != 200:
            return response
    raise AssertionError("everybody was answered")
