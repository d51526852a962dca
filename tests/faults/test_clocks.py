"""By option: the clock of a web process jumps two hours, ahead and back, under lists and events.

libfaketime steps it (Debian's package libfaketime); the stores and the callers keep the time.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path
from statistics import fmean
from typing import Any
from uuid import UUID

import pytest

from tests.faults.checker import lists_of, wrongs
from tests.faults.site import Site, event, wait_until
from tests.faults.traffic import Traffic

LIBRARIES = sorted(Path("/usr/lib").glob("**/faketime/libfaketimeMT.so.1"))
pytestmark = [
    pytest.mark.faults,
    pytest.mark.slow,
    pytest.mark.rare,
]


class OfTheMorning(Traffic):
    """Events of three hours ago: of the past, whatever the server's clock says."""

    def _event(self, draw: random.Random) -> dict[str, Any]:
        kind = draw.choice(["like", "pass", "profile_view"])
        return event(kind, *(draw.choice(people) for people in self.site.actors), days_ago=3 / 24)


@pytest.mark.parametrize("step", ["+2h", "-2h"])
def test_a_clock_that_jumps_loses_no_event_shows_nobody_forbidden_and_lifts_no_cap(
    capped_site: Site, tmp_path: Path, step: str
) -> None:
    assert LIBRARIES, "asked for with --rare, but Debian's package libfaketime is not installed"
    site, clock = capped_site, tmp_path / "clock"
    clock.write_text("+0\n")
    faked = {
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",  # seconds between two looks at the file
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with site.another_web(**faked):
        wait_until(site.is_well, "a well site", 30)
        with OfTheMorning(site, posters=1, askers=2, limit=5, pause=0.02) as traffic:
            traffic.block("w0", "m0")
            traffic.hide("w1")
            traffic.wait_for_answers(150)
            clock.write_text(f"{step}\n")
            before = list(lists_of(traffic))
            time.sleep(1.5)
            traffic.wait_for_answers(250)
            traffic.wait_for_events(100)
            later = list(lists_of(traffic))
            clock.write_text("+0\n")
            traffic.wait_for_answers(150)
        wait_until(site.is_well, "a well site", 60)
        assert hours_ahead(later[-20:]) == pytest.approx(float(step[:2]), abs=0.2), "it never jumped"
        assert hours_off(site, before[:20]) == pytest.approx(0.0, abs=0.1)
        assert hours_off(site, later[-20:]) == pytest.approx(0.0, abs=0.1), "Postgres's clock is not followed"
        shown = sum(len(one) for one in lists_of(traffic).values())
        print(f"{step}: {len(traffic.answers)} lists with {shown} places, {len(traffic.acknowledged)} events")
        assert shown > 0
        said = Counter(answer.status for answer in traffic.answers)
        assert set(said) <= {200, 503}, said  # each look at a faked clock costs: some may be sent away
        assert said[503] < said[200], said
        assert wrongs(traffic, cap=site.cap) == []


def hours_ahead(deliveries: list[str]) -> float:
    """How far the web process's own clock was ahead of now, by the milliseconds in the ids of its lists."""
    return (fmean(UUID(one).int >> 80 for one in deliveries) / 1000 - time.time()) / 3600


def hours_off(site: Site, deliveries: list[str]) -> float:
    """How far served_at of these lies from when they were copied."""
    site.send("GET", f"/deliveries/{deliveries[-1]}/trace")  # copies whatever is still in the stream
    sql = "SELECT extract(epoch FROM avg(served_at - copied_at)) / 3600 FROM interactions_delivery"
    return float(site.query(f"{sql} WHERE id::text = ANY(%s)", deliveries)[0][0])
