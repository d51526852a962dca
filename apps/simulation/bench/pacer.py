"""Whether the pacer keeps its promises: a simulated day of lists, minute by minute, with a share target for a
segment and a floor for newcomers.

Lists are made by the pipeline itself, on the market's snapshot, as a dry run: nobody is held or seen. Each
minute's places go through apps.delivery.pacing, and the prices that it gives are those of the next minute.
Traffic swings between a fifth and nine fifths of its mean, as on the day before, which the pacer knows. The
first figures are of a day's traffic unpaced.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.common import clock
from apps.delivery.models import PacingPrices
from apps.delivery.pacing import FLOOR_MINUTES, Shown, Traffic, next_step, smoothed_spread
from apps.delivery.preparation import find_viewer, prepare
from apps.delivery.prices import prices_of
from apps.delivery.question import Question
from apps.delivery.ranking import request_of
from apps.delivery.runtime import Runtime, runtime
from apps.delivery.world import World
from apps.pipeline.filters.eligibility import rows_of
from apps.pipeline.rules import Pacing, RuleMasks, RuleSpec
from apps.pipeline.run import run
from apps.policies.schema import validate_content
from apps.releases.params import compiled
from apps.releases.publishing import publish_revision
from apps.releases.services import start_revision
from apps.simulation.bench.market import ensure_simulated_market_of, ensure_snapshots

SURFACE, LIMIT, DAY, HOUR = "dating", 20, 1440, 60
UNPACED = 1000  # lists
SHARE_TOLERANCE, FLOOR_TOLERANCE = 0.02, 0.25
ABOUT: Mapping[str, Mapping[str, Any]] = {
    "segment": {"attribute": "age", "operator": "at_least", "value": 40},
    "newcomers": {"attribute": "days_since_joined", "operator": "at_most", "value": 14},
}


@dataclass(frozen=True)
class Plan:
    members: int = 2000
    lists: float = 12  # a minute, on average
    share: float = 0.10
    floor: int = 0  # places a day for each newcomer; 0: a quarter more than they get unpaced


@dataclass(frozen=True)
class Minute:
    """Places of each group, and what the pacer said after it."""

    places: int
    segment: int
    newcomers: int
    correction: float


def bench_pacer(plan: Plan, say: Callable[[str], object]) -> dict[str, Any]:
    """Time within tolerance after the first hour over rolling hours, and how the corrections swing."""
    ensure_simulated_market_of(plan.members, say)
    ensure_snapshots(1, say)
    here = runtime()
    here.poll(wait=True)
    _go_live(here, plan, floor=1)
    masks, specs = _rules(here.world)
    numbers = _numbers(here.world)
    groups = {spec.key: numbers[_meets(masks, spec)] for spec in specs}
    share, each = _unpaced(here, plan, groups)
    say(f"unpaced: {share:.1%} of the places for {len(groups['segment'])} of {len(numbers)} candidates, "
        f"{each:.1f} a day for each of {len(groups['newcomers'])} newcomers")  # fmt: skip
    floor = plan.floor or round(1.25 * each)
    _go_live(here, plan, floor=floor)
    minutes = list(_day(here, plan, groups))
    found = figures(minutes, plan, floor, len(groups["newcomers"]))
    return {"floor": floor, "unpaced_share": share, "unpaced_each": each, **found}


def _go_live(here: Runtime, plan: Plan, *, floor: int) -> None:
    """A release with the two rules alone, and no cap in their way."""
    now = clock.now()
    dates = {"starts_at": now - timedelta(days=1), "ends_at": now + timedelta(days=30)}
    common = {key: f"{at:%Y-%m-%dT%H:%M:%SZ}" for key, at in dates.items()}
    common |= {"owner": "bench", "reason": "to measure"}
    effects = {
        "segment": ("share_target", {"share": plan.share, "tolerance": SHARE_TOLERANCE}),
        "newcomers": ("floor", {"daily": floor, "tolerance": FLOOR_TOLERANCE}),
    }
    rules = [
        {"id": key, "name": key, "type": kind, "viewers": None, "candidates": ABOUT[key], "effect": effect,
         "priority": 100, **common}
        for key, (kind, effect) in effects.items()
    ]  # fmt: skip
    draft = start_revision(actor=None, title="Benchmark")
    content = deepcopy(draft.content)
    content["surfaces"][SURFACE] |= {"rules": rules, "daily_cap": 0, "hourly_cap": 0, "random_share": 0.0}
    draft.content = validate_content(content)
    draft.save()
    publish_revision(draft, actor=None, note="For a benchmark")
    here.poll(wait=True)


def _rules(world: World) -> tuple[RuleMasks, list[RuleSpec]]:
    assert world.live is not None
    rules = compiled(world.live.stable_content).surfaces[SURFACE].rules
    return world.masks[SURFACE, rules.digest], list(rules.in_order)


def _numbers(world: World) -> npt.NDArray[Any]:
    assert world.snapshot is not None
    return np.asarray(world.snapshot.surfaces[SURFACE].candidates["number"])


def _meets(masks: RuleMasks, spec: RuleSpec) -> npt.NDArray[np.bool_]:
    bits = masks.candidates[:, spec.candidates >> 6] >> np.uint64(spec.candidates & 63)
    return np.asarray((bits & np.uint64(1)) == 1)


def _viewers(world: World, seed: int) -> Iterator[str]:
    """Viewers by lot, without end."""
    assert world.snapshot is not None
    table, draw = world.snapshot.surfaces[SURFACE].viewers, np.random.default_rng(seed)
    numbers = np.asarray(table["number"])[np.asarray(table["market"]) >= 0]
    while True:
        yield from filter(None, world.ids_of("member", draw.permutation(numbers).tolist()))


def _list(here: Runtime, world: World, member: str, seed: int) -> tuple[int, npt.NDArray[Any], float]:
    """Viewer, whom they are shown, and the spread of the scores; nobody for who may not look."""
    number, row, _ = find_viewer(here, SURFACE, member)
    if number is None or row is None:
        return -1, np.zeros(0, "i4"), 0.0
    question = Question(surface=SURFACE, member=member, limit=LIMIT, dry_run=True, seed=seed)
    prepared = prepare(here, world, question, number, row, clock.now().timestamp())
    if prepared is None:  # a store was too slow to be believed: this list is empty, as it would be
        return -1, np.zeros(0, "i4"), 0.0
    slate = run(request_of(prepared))
    scores = slate.scores[:LIMIT]
    return number, slate.numbers[:LIMIT], float(scores.std()) if len(scores) > 4 else 0.0


def _unpaced(here: Runtime, plan: Plan, groups: Mapping[str, Any]) -> tuple[float, float]:
    """The segment's share, and places a day for each newcomer, of lists without prices."""
    world, viewers = replace(here.world, pacing={}), _viewers(here.world, 1)
    shown = np.concatenate([_list(here, world, next(viewers), i)[1] for i in range(UNPACED)])
    a_day = plan.lists * DAY / UNPACED
    newcomers = np.isin(shown, groups["newcomers"]).sum()
    each = float(newcomers * a_day / max(len(groups["newcomers"]), 1))
    return float(np.isin(shown, groups["segment"]).mean()), each


def _day(here: Runtime, plan: Plan, groups: Mapping[str, Any]) -> Iterator[Minute]:
    world, (masks, specs) = here.world, _rules(here.world)
    assert world.snapshot is not None
    data, numbers, viewers = world.snapshot.surfaces[SURFACE], _numbers(world), _viewers(world, 2)
    row_of = np.asarray(data.viewer_row_of)
    known: tuple[Mapping[str, Any], bytes] = ({}, b"")
    spread, pacing, traffic = 0.0, dict[str, Pacing](), _day_before(plan)
    for minute in range(DAY):
        count = _lists_of(plan, minute)
        moment = replace(world, pacing=pacing)
        lists = [_list(here, moment, next(viewers), minute * 100 + i) for i in range(count)]
        candidates = np.concatenate([shown for _, shown, _ in lists])
        seen_by = np.concatenate([np.full(len(shown), row_of[viewer]) for viewer, shown, _ in lists])
        spread = smoothed_spread(spread, _mean_spread([wide for *_, wide in lists]), 1.0)
        traffic = traffic.after(1.0, len(candidates))
        shown = Shown(1.0, candidates, rows_of(data, candidates), seen_by, traffic.busyness)
        said, floors = next_step(specs, known, shown, masks, numbers, spread)
        known = (said, floors)
        row = PacingPrices(pk=minute + 1, surface=SURFACE, rules=said, floors=floors, spread=spread)
        pacing = {SURFACE: prices_of(row)}
        met = {key: int(np.isin(candidates, group).sum()) for key, group in groups.items()}
        yield Minute(len(candidates), met["segment"], met["newcomers"], said["segment"]["lift"])


def _lists_of(plan: Plan, minute: int) -> int:
    return max(round(plan.lists * (1 + 0.8 * math.sin(2 * math.pi * minute / DAY))), 1)


def _day_before(plan: Plan) -> Traffic:
    """What the pacer counts when it starts: the places of a day, and of its last two hours."""
    places = [LIMIT * _lists_of(plan, minute) for minute in range(DAY)]
    return Traffic(recent=sum(places[-int(FLOOR_MINUTES) :]), usual=sum(places))


def _mean_spread(spreads: Sequence[float]) -> float:
    known = [one for one in spreads if one]
    return float(np.mean(known)) if known else 0.0


def figures(minutes: Sequence[Minute], plan: Plan, floor: int, newcomers: int) -> dict[str, Any]:
    """Rolling hours from the end of the first on. An oscillation would cross the tolerance to and fro.

    An hour owes as much of the floor as it has of a day's places; `evenly`: as if each owed the same.
    """
    places, segment, new = (
        np.cumsum([0, *(getattr(one, name) for one in minutes)])
        for name in ("places", "segment", "newcomers")
    )
    ends = np.arange(2 * HOUR, DAY + 1)  # the first rolling hour begins when the first hour is over
    shares = (segment[ends] - segment[ends - HOUR]) / (places[ends] - places[ends - HOUR])
    rates = (new[ends] - new[ends - HOUR]) / newcomers * DAY / HOUR
    wanted = floor * (places[ends] - places[ends - HOUR]) / (plan.lists * LIMIT * HOUR)
    away = np.abs(shares - plan.share) > SHARE_TOLERANCE + 1e-9
    lifts = np.array([one.correction for one in minutes])[HOUR:]
    return {
        "share_within": round(float(1 - away.mean()), 4),
        "share_mean": round(float(shares.mean()), 4),
        "share_lowest": round(float(shares.min()), 4),
        "share_highest": round(float(shares.max()), 4),
        "crossings_beyond_tolerance": int((np.diff(np.sign((shares - plan.share)[away])) != 0).sum()),
        "correction_spread": round(float(lifts.std()), 4),  # in spreads of scores
        "floor_within": round(float((rates >= (1 - FLOOR_TOLERANCE) * wanted).mean()), 4),
        "floor_within_evenly": round(float((rates >= (1 - FLOOR_TOLERANCE) * floor).mean()), 4),
        "floor_of_the_day": round(float(new[-1]) / newcomers, 1),
        "floor_lowest": round(float((rates / wanted).min()), 4),  # of what the hour owed
    }
