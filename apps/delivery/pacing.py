"""The next step of every floor and share target, from the step before and what was shown since; pure.

A share target is held as one number for all who meet it, a floor by each candidate. A floor is a number a
day, and each minute owes as much of it as it has of a day's places: a quiet night owes little. Numbers are
smoothed: shares over 10 minutes, rates over 2 hours. Corrections are in spreads of scores, and bounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.delivery.prices import FLOOR, SHOWN
from apps.pipeline.control import Gains, log_odds_error, shortfall_error, step
from apps.pipeline.features.registry import NEWCOMER_DAYS
from apps.pipeline.rules import RuleMasks, RuleSpec

SHARE = Gains(proportional=0.2, integral=0.05, low=-6.0, high=6.0, most_change=0.25)  # in spreads
FLOORED = Gains(proportional=0.3, integral=0.1, low=0.0, high=6.0, most_change=0.25)
SHARE_MINUTES, FLOOR_MINUTES, SPREAD_MINUTES, DAY_MINUTES = 10.0, 120.0, 20.0, 1440.0
LEAST_PLACES = 200.0  # within SHARE_MINUTES: with fewer nothing is learnt, and nothing moves

Said = dict[str, Any]
Rows = npt.NDArray[Any]


@dataclass(frozen=True)
class Traffic:
    """Places that were given on the surface, fading: over FLOOR_MINUTES, and over a day."""

    recent: float
    usual: float

    def after(self, minutes: float, places: int) -> Traffic:
        kept, kept_of_day = (float(np.exp(-minutes / over)) for over in (FLOOR_MINUTES, DAY_MINUTES))
        return Traffic(kept * self.recent + places, kept_of_day * self.usual + places)

    @property
    def busyness(self) -> float:
        """Places a minute now, of those of an average minute of the day; 1.0 while nothing is known."""
        return (self.recent / FLOOR_MINUTES) / (self.usual / DAY_MINUTES) if self.usual else 1.0


@dataclass(frozen=True)
class Shown:
    """Places that were given since the last step: numbers, and rows of the snapshot (-1: it lacks them).

    `busyness`: of the surface by now, see Traffic.
    """

    minutes: float
    number: Rows
    candidate: Rows
    viewer: Rows
    busyness: float = 1.0


def smoothed_spread(known: float, now: float, minutes: float) -> float:
    if not known or not now:
        return known or now
    kept = float(np.exp(-minutes / SPREAD_MINUTES))
    return kept * known + (1 - kept) * now


def next_shown(before: bytes, given: Rows, numbers: Rows, joined: Rows, today: int) -> bytes:
    """The packed SHOWN records of newcomers, by number.

    `given`: numbers, once per place since. `numbers` and `joined`: of the snapshot's candidates, and their
    days. Who joined after the snapshot has a higher number than anybody in it.
    """
    known = np.frombuffer(before, SHOWN)
    new = numbers[today - joined < NEWCOMER_DAYS]
    everybody, added = np.unique(given, return_counts=True)
    last = int(numbers.max()) if len(numbers) else 0
    theirs = np.union1d(known["number"], everybody)
    theirs = theirs[np.isin(theirs, new) | (theirs > last)]
    records = np.zeros(len(theirs), SHOWN)
    records["number"] = theirs
    for who, times in ((known["number"], known["times"]), (everybody, added)):
        kept = np.isin(who, theirs)
        records["times"][np.searchsorted(theirs, who[kept])] += times[kept].astype("u4")
    return records.tobytes()


def next_step(
    specs: Sequence[RuleSpec],
    before: tuple[Mapping[str, Said], bytes],
    shown: Shown,
    masks: RuleMasks,
    numbers: Rows,
    spread: float,
) -> tuple[dict[str, Said], bytes]:
    """What each rule says now, and the packed FLOOR records. `numbers`: of the snapshot's candidates."""
    known, records = before[0], np.frombuffer(before[1], FLOOR)
    floors_before = sorted(key for key, said in known.items() if said["kind"] == "floor")
    floors = sorted(spec.key for spec in specs if spec.kind == "floor")
    said, kept = {}, [np.zeros(0, FLOOR)]
    for spec in specs:
        theirs = _meets(masks.viewers, spec.viewers, shown.viewer)
        mine = known.get(spec.key, {})
        if spec.kind == "share_target":
            met = theirs & _meets(masks.candidates, spec.candidates, shown.candidate)
            said[spec.key] = next_share(spec, mine, shown.minutes, int(theirs.sum()), int(met.sum()), spread)
        elif spec.kind == "floor":
            place = floors_before.index(spec.key) if spec.key in floors_before else -1
            members = np.sort(numbers[_meets(masks.candidates, spec.candidates, np.arange(len(numbers)))])
            after = _carried(records[records["rule"] == place], members)
            given = shown.number[theirs]
            said[spec.key] = next_floor(spec, mine, after, replace(shown, number=given), spread)
            after["rule"] = floors.index(spec.key)
            kept.append(after)
    return said, np.concatenate(kept).tobytes()


def next_share(
    spec: RuleSpec, known: Mapping[str, Any], minutes: float, places: int, met: int, spread: float
) -> Said:
    """`places` were given since, `met` of them to those whom the target means."""
    kept = float(np.exp(-minutes / SHARE_MINUTES))
    total = kept * known.get("total", 0.0) + places
    part = kept * known.get("part", 0.0) + met
    actual, frozen = part / total if total else 0.0, bool(total < LEAST_PLACES or not spread)
    error = log_odds_error(spec.share, actual)
    integral, lift = step(SHARE, error, known.get("integral", 0.0), known.get("lift", 0.0), frozen)
    return {
        **_common(spec, spec.share, actual, total, float(lift), spread, frozen=frozen),
        "part": part,
        "integral": float(integral),
        "bounded": bool(abs(float(lift)) >= SHARE.high),
    }


def next_floor(spec: RuleSpec, known: Mapping[str, Any], after: Rows, shown: Shown, spread: float) -> Said:
    """Moves the records `after` of the floor's candidates in place. `shown`: to whom the floor is for."""
    given, minutes = shown.number, shown.minutes
    total = float(np.exp(-minutes / SHARE_MINUTES)) * known.get("total", 0.0) + len(given)
    theirs = np.searchsorted(after["number"], given[np.isin(given, after["number"])])
    counts = np.bincount(theirs, minlength=len(after))
    after["count"] = after["count"] * np.exp(-minutes / FLOOR_MINUTES) + counts
    rate = after["count"] / FLOOR_MINUTES * DAY_MINUTES
    frozen = bool(total < LEAST_PLACES or not spread)
    wanted = spec.daily * shown.busyness
    error = shortfall_error(wanted, rate)
    after["integral"], after["correction"] = step(
        FLOORED, error, after["integral"], after["correction"], frozen
    )
    mean, lift = (float(column.mean()) if len(after) else 0.0 for column in (rate, after["correction"]))
    return {
        **_common(spec, wanted, mean, total, lift, spread, frozen=frozen),
        "bounded": bool((after["correction"] >= FLOORED.high).any()),
        "members": len(after),
        "below": int((rate < wanted * (1 - spec.tolerance)).sum()),
    }


def _common(
    spec: RuleSpec, target: float, actual: float, total: float, lift: float, spread: float, *, frozen: bool
) -> Said:
    return {
        "kind": spec.kind,
        "target": target,
        "tolerance": spec.tolerance,
        "actual": actual,
        "total": total,
        "lift": lift,  # in spreads
        "correction": lift * spread,  # in Phi's units; up is positive
        "frozen": frozen,
    }


def _carried(known: Rows, members: Rows) -> Rows:
    """Records of the members, with what is known of those who were there before."""
    after = np.zeros(len(members), FLOOR)
    after["number"] = members
    if len(members) and len(known):
        at = np.minimum(np.searchsorted(members, known["number"]), len(members) - 1)
        there = np.flatnonzero(members[at] == known["number"])
        for name in ("count", "integral", "correction"):
            after[name][at[there]] = known[name][there]
    return after


def _meets(words: Rows, condition: int, rows: Rows) -> npt.NDArray[np.bool_]:
    if condition < 0:
        return np.ones(len(rows), "?")
    if not len(words):
        return np.zeros(len(rows), "?")
    bits = words[np.maximum(rows, 0), condition >> 6] >> np.uint64(condition & 63)
    return np.asarray((rows >= 0) & ((bits & np.uint64(1)) == 1))
