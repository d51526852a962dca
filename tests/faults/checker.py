"""What must hold after any fault: the app's ledger against Postgres, Valkey and every body that was answered.

`wrongs(traffic)` gives a sentence for each thing that is wrong; an empty list is what a test asserts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from tests.faults.site import Site, wait_until
from tests.faults.traffic import Answer, Traffic

WELL_SECONDS = 60.0
LOOK = """
import json
from apps.delivery.overshoot import overshot
from apps.interactions.ledger_check import ledger_differences
from apps.releases.unapproved import unapproved_live
found = {"counters that differ from Postgres": len(ledger_differences())}
found |= {"candidates above their cap": overshot(), "live releases nobody approved": unapproved_live()}
print(json.dumps(found))
"""


def wrongs(traffic: Traffic, *, cap: int = 0) -> list[str]:
    """Call it when the traffic has ended. `cap`: the daily cap that held all the time; 0: none."""
    wait_until(traffic.site.is_well, "a well site", WELL_SECONDS)
    found = [*traffic.wrong, *_of_events(traffic), *_of_stores(traffic.site), *_of_releases(traffic)]
    for answer in traffic.answers:
        found += (f"{answer.viewer}: {what}" for what in _of_answer(traffic, answer))
    if cap:
        found += _of_caps(traffic, cap)
    return found


def lists_of(traffic: Traffic) -> dict[str, list[str]]:
    """Who was shown, by delivery: an answer that was given again is the same delivery."""
    return {answer.body["delivery"]: answer.shown for answer in list(traffic.answers) if answer.status == 200}


def _of_events(traffic: Traffic) -> Iterator[str]:
    stored = [row[0] for row in traffic.site.query("SELECT id FROM interactions_event")]
    keys = {row[0] for row in traffic.site.query("SELECT id FROM interactions_eventkey")}
    if lost := traffic.acknowledged - set(stored):
        yield f"{len(lost)} acknowledged events are lost"
    if len(stored) != len(set(stored)):
        yield f"{len(stored) - len(set(stored))} events are stored twice"
    if set(stored) != keys:
        yield f"{len(set(stored) ^ keys)} events and keys have no counterpart"


def _of_answer(traffic: Traffic, answer: Answer) -> Iterator[str]:
    shown = answer.shown
    if len(shown) != len(set(shown)):
        yield "somebody twice in one list"
    if answer.viewer in shown:
        yield "themselves in their list"
    for candidate in shown:
        if traffic.blocked.get(frozenset((answer.viewer, candidate)), float("inf")) < answer.asked_at:
            yield f"{candidate} after their block was acknowledged"
        if traffic.hidden.get(candidate, float("inf")) < answer.asked_at:
            yield f"{candidate}, who may not be shown"


def _of_caps(traffic: Traffic, cap: int) -> Iterator[str]:
    shown = Counter(candidate for candidates in lists_of(traffic).values() for candidate in candidates)
    for candidate, times in shown.items():
        if times > cap:
            yield f"{candidate} was shown {times} times, {cap} are allowed"


def _of_releases(traffic: Traffic) -> Iterator[str]:
    known = {row[0] for row in traffic.site.query("SELECT number FROM releases_release")}
    served = {answer.body["release"] for answer in traffic.answers if answer.status == 200}
    if unknown := served - known - {None, 0}:
        yield f"lists of the releases {unknown}, which nobody published"


def _of_stores(site: Site) -> Iterator[str]:
    said = site.manage("shell", "--no-imports", "-c", LOOK).splitlines()[-1]
    yield from (f"{count} {what}" for what, count in json.loads(said).items() if count)
