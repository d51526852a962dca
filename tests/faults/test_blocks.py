"""Blocks and hides against lists that are asked right after, by the thousand, on every rung of the ladder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import requests

from apps.delivery.ladder import NO_PIPELINE, NO_SNAPSHOT
from tests.faults.breaking import outage
from tests.faults.checker import wrongs
from tests.faults.site import Site, wait_until
from tests.faults.traffic import Traffic

pytestmark = [pytest.mark.faults, pytest.mark.slow]

RACERS = 6
SHARE = {  # of the races, by rung
    "ranked": 0.5,
    "Valkey hangs": 0.1,
    "Postgres hangs": 0.1,
    "unranked": 0.1,
    "last lists": 0.1,
    "no snapshot": 0.1,
}
SAID = {"unranked": NO_PIPELINE, "last lists": NO_PIPELINE, "no snapshot": NO_SNAPSHOT}  # by their lists
A_RANKING = {"surface": "dating", "member": "w0", "candidates": ["m1"], "dry_run": True}
Pair = tuple[str, str]


@pytest.mark.parametrize("rung", SHARE)
def test_whoever_is_blocked_is_in_no_list_that_is_asked_after_the_acknowledgement(
    shared_site: Site, tmp_path: Path, rung: str, request: pytest.FixtureRequest
) -> None:
    races = Races(shared_site, _pairs(shared_site, request.config.getoption("races"), rung))
    _keep_last_lists(races)
    if rung == "Postgres hangs":
        races.block_all_then_ask(outage(shared_site, rung))
    else:
        with _on(rung, shared_site, tmp_path):
            races.block_and_ask()
    said = Counter(tuple(answer.body.get("degraded", ["none"])) for answer in races.traffic.answers)
    print(
        f"{rung}: {len(races.pairs)} blocks, below {3 / len(races.pairs):.1e} shown after (95 %); "
        f"{races.were_shown} of the pairs were shown just before. Lists: {dict(said)}"
    )
    assert wrongs(races.traffic) == []
    if rung in SAID:
        on_it = sum(lists for lacking, lists in said.items() if SAID[rung] in lacking)
        assert on_it >= len(races.pairs), "these are lists of another rung"
    assert len(races.traffic.blocked) == len(races.pairs)
    assert races.were_shown > len(races.pairs) / 4, "hardly anybody was shown: this shows nothing"


def test_whoever_is_hidden_is_in_no_list_that_is_asked_after_the_acknowledgement(shared_site: Site) -> None:
    traffic, women = Traffic(shared_site, askers=0), shared_site.actors[0][:40]
    were_shown = 0
    with requests.Session() as session:
        for i, woman in enumerate(women):
            were_shown += traffic.rank(session, f"m{i % 10}", woman).shown == [woman]
            traffic.hide(woman)
            traffic.rank(session, f"m{i % 10}", woman)
    assert wrongs(traffic) == []
    assert were_shown == len(women)


class Races:
    """Pairs, each blocked once, and asked about from both sides as soon as that is acknowledged."""

    def __init__(self, site: Site, pairs: list[Pair]) -> None:
        self.traffic, self.pairs = Traffic(site, askers=0, limit=100), pairs
        self._shown_before: list[bool] = []

    @property
    def were_shown(self) -> int:
        """How many of the pairs just before their block."""
        return sum(self._shown_before)

    def block_and_ask(self) -> None:
        self._each(lambda pair: (self._block(pair), self._ask(pair)))

    def block_all_then_ask(self, fault: AbstractContextManager[None]) -> None:
        """For a fault under which nothing can be acknowledged."""
        self._each(self._block)
        with fault:
            self._each(self._ask)

    def _each(self, work: Callable[[Pair], object]) -> None:
        with ThreadPoolExecutor(RACERS) as pool:
            list(pool.map(work, self.pairs))

    def _block(self, pair: Pair) -> None:
        with requests.Session() as session, ThreadPoolExecutor(1) as meanwhile:
            self._shown_before.append(pair[1] in self.traffic.ask(session, pair[0]).shown)
            in_flight = meanwhile.submit(self.traffic.ask, requests.Session(), pair[1])
            self.traffic.block(*pair)
            in_flight.result()

    def _ask(self, pair: Pair) -> None:
        with requests.Session() as session:
            for viewer, candidate in (pair, pair[::-1]):
                self.traffic.rank(session, viewer, candidate)
                self.traffic.ask(session, viewer)


def _pairs(site: Site, races: int, rung: str) -> list[Pair]:
    """Pairs of this rung alone. Along diagonals, so that nobody is in many more pairs than others."""
    half = len(site.askers) // 2
    every = [(f"w{i}", f"m{(i + shift) % half}") for shift in range(half) for i in range(half)]
    names = list(SHARE)
    first = round(sum(SHARE[name] for name in names[: names.index(rung)]) * races)
    return [
        pair if i % 2 else pair[::-1]
        for i, pair in enumerate(every[first : first + round(SHARE[rung] * races)])
    ]


def _keep_last_lists(races: Races) -> None:
    """So that there are some for the rungs that need them."""
    with requests.Session() as session:
        for viewer in {viewer for pair in races.pairs for viewer in pair}:
            races.traffic.ask(session, viewer)


@contextmanager
def _on(rung: str, site: Site, folder: Path) -> Iterator[None]:
    applications = {
        "unranked": "tests.faults.broken:without_ranking",
        "last lists": "tests.faults.broken:with_last_lists_only",
        "no snapshot": "raya_recs.wsgi:application",
    }
    if rung == "ranked":
        yield
    elif rung == "Valkey hangs":
        with outage(site, rung):
            yield
    else:
        snapshots = folder if rung == "no snapshot" else site.snapshots
        with site.another_web(applications[rung], SNAPSHOT_DIR=str(snapshots)):
            wait_until(lambda: site.post("/rankings", A_RANKING).ok, "a first list", 60, pause=0.2)
            yield
