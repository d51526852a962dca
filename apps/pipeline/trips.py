"""Coming trips: a list shared by where the viewer is and where they will be.

Takes a request with trips and gives one request per market, each of which makes a list of its own; takes
their slates and gives one, in which trips have the share that the policy says. Rules that give places of a
list do so where the viewer is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from math import ceil

import numpy as np

from apps.pipeline.contracts import Request, Served, Slate
from apps.pipeline.features.calendar import date_of_day
from apps.pipeline.trace import Trace

MOST_TRIPS = 2  # that share one list
MOST_REASONS = 3  # as reasons.MOST
REASON = "trip"  # its argument: the market's name, the first and the last day as yyyymmdd

HERE = "@"  # where the viewer is, beside the keys of markets, which are words

Place = tuple[int, int]  # which slate, and the position in it


def requests_of(request: Request) -> tuple[Request, ...]:
    """One request per market: the viewer's own first, then one per trip. All reach as far as the whole list,
    so that each can stand in for another that runs short. The hold-out is drawn where the viewer is."""
    if not request.trips:
        return (request,)
    whole, share = replace(request, trips=()), request.params.trips_share
    if request.params.random_order or share <= 0:
        return (whole,)
    homes = replace(whole, left_out=_left_out(request, HERE)) if request.left_out else whole
    if request.only is not None:  # each is ranked where it is, and none is left out for want of a share
        away = [replace(whole, market=trip.market, stay=trip) for trip in request.trips[:MOST_TRIPS]]
        return whole, *away
    most = places_for_trips(request.limit, share)
    trips = request.trips[: min(MOST_TRIPS, most)]
    if not trips:
        return (whole,)

    def part(places: int, **more: object) -> Request:
        rest = request.limit - places + request.reserve
        return replace(homes, limit=places, reserve=rest, **more)  # type: ignore[arg-type]

    each = [most // len(trips) + (i < most % len(trips)) for i in range(len(trips))]
    away = [
        part(n, market=trip.market, stay=trip, left_out=_left_out(request, _key(request, trip.market)))
        for n, trip in zip(each, trips, strict=True)
    ]
    return part(request.limit - most), *away


def _left_out(request: Request, place: str) -> Mapping[str, str]:
    """The sources left out of one part: those named alone, and those named with its market, as rome:taste."""
    split = ((name.rpartition(":"), why) for name, why in request.left_out.items())
    return {name: why for (where, _, name), why in split if where in ("", place)}


def _key(request: Request, market: int) -> str:
    return str(request.snapshot.markets[market]["key"])


def places_for_trips(shown: int, share: float) -> int:
    """How many of the first `shown` places are for trips; at a share of one quarter the third, the seventh,
    the eleventh and so on."""
    return max(ceil(max(shown, 0) * share - 0.5), 0)


def mixed(request: Request, parts: Sequence[tuple[Request, Slate]]) -> Slate:
    """One slate of several: whoever has a place by rule keeps it, all others keep the order of their part."""
    slates = [slate for _, slate in parts]
    order = list(_dealt(request, slates))
    starts = np.cumsum([0, *(len(slate.numbers) for slate in slates)])
    rows = np.array([starts[slate] + at for slate, at in order], "i8")
    reasons = [reasons_with_trip(asked, slate) for asked, slate in parts]
    detailed = slates[0].trace.detailed
    return Slate(
        numbers=np.concatenate([slate.numbers for slate in slates])[rows],
        scores=np.concatenate([slate.scores for slate in slates])[rows],
        propensity=np.concatenate([slate.propensity for slate in slates])[rows],
        sources=np.concatenate([slate.sources for slate in slates])[rows],
        reasons=tuple(reasons[slate][at] for slate, at in order),
        eligible=sum(slate.eligible for slate in slates),
        trace=_trace(request, parts, [slate for slate, _ in order[: request.limit]]),
        pool=slates[0].pool,
        parts=tuple(parts) if detailed else (),
        ranked=np.concatenate([slate.ranked for slate in slates]),
        caps=np.concatenate([slate.caps for slate in slates])[rows],
        held=slates[0].held,
        served=_served([slate.served for slate in slates]),
    )


def _dealt(request: Request, slates: Sequence[Slate]) -> Iterator[Place]:
    """The places of the whole list, in order."""
    home, away = slates[0], slates[1:]
    held = set(home.held.tolist())
    here = iter([at for at in range(len(home.numbers)) if at not in held])
    lists = [[(i, at) for at in range(len(slate.numbers))] for i, slate in enumerate(away, 1)]
    there = iter([place for turn in zip_longest(*lists) for place in turn if place is not None])
    given = 0
    for n in range(1, request.limit + request.reserve + 1):
        if n - 1 in held:
            yield 0, n - 1
            continue
        place = next(there, None) if given < places_for_trips(n, request.params.trips_share) else None
        given += place is not None
        if place is None and (at := next(here, None)) is not None:
            place = (0, at)
        place = place or next(there, None)
        if place is None:
            return
        yield place


def reasons_with_trip(request: Request, slate: Slate) -> tuple[tuple[tuple[str, str], ...], ...]:
    """The reasons of a slate; of a trip's the trip comes first."""
    if request.stay is None:
        return slate.reasons
    said = _trip_reason(request)
    return tuple((said, *reasons)[:MOST_REASONS] for reasons in slate.reasons)


def _trip_reason(request: Request) -> tuple[str, str]:
    assert request.stay is not None
    stay, market = request.stay, request.snapshot.markets[request.stay.market]
    name = str(market.get("name") or market["key"])
    return REASON, f"{name}|{date_of_day(stay.first_day)}|{date_of_day(stay.last_day)}"


def _trace(request: Request, parts: Sequence[tuple[Request, Slate]], shown: Sequence[int]) -> Trace:
    """That of where the viewer is, what broke elsewhere, what rules did everywhere, and the trips."""
    (_, home), *away = parts
    trace = Trace(home.trace.detailed, list(home.trace.stages))
    for asked, slate in away:
        key = _key(request, asked.market)
        lost = [s for s in slate.trace.stages if "lost" in s.detail or "lost_features" in s.detail]
        trace.stages.extend(s._replace(detail={**s.detail, "market": key}) for s in lost)
        trace.add("trip", slate.eligible, len(slate.numbers), market=key)
    rules = [s for _, slate in parts for s in slate.trace.stages if s.stage == "rules"]
    if rules:
        trace.stages = [s for s in trace.stages if s.stage != "rules"]
        touched = {
            name: np.sum([s.detail["rules"][name] for s in rules], axis=0).tolist()
            for name in ("pool", "shown")
        }
        received = sum(s.received for s in rules)
        trace.add("rules", received, received, rules=touched)
    trace.add("trips", len(shown), sum(slate > 0 for slate in shown))
    return trace


def _served(some: Sequence[Served | None]) -> Served | None:
    kept = [one for one in some if one is not None]
    if len(kept) < len(some):
        return None
    return Served(
        kept[0].names,
        np.concatenate([one.numbers for one in kept]),
        np.concatenate([one.values for one in kept]),
    )
