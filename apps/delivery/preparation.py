"""Everything known about a question before anybody is ranked: viewer, release, state, the pipeline's request.

Takes the app's ids; gives arrays. It decides whose safety facts are believed: Valkey's while Postgres vouches
for them, else Postgres's, else nobody's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from time import thread_time
from typing import Any
from uuid import UUID

import numpy as np
import orjson
import redis

from apps.common import clock, online
from apps.common.errors import Problem
from apps.common.local_time import day_in
from apps.common.metrics import market_label
from apps.delivery import ledger, truth
from apps.delivery.answers import base_payload, seed_of
from apps.delivery.bounds import longest_cooldown
from apps.delivery.coming import sharing
from apps.delivery.rules import rules_for, words_of_viewer
from apps.delivery.runtime import Runtime
from apps.delivery.sources import sources
from apps.delivery.state import DAY, I32, NOBODY, ViewerState, read_state, with_facts
from apps.delivery.told import inputs_of, pack, told_by
from apps.delivery.world import World
from apps.interactions.served import is_logged
from apps.pipeline.contracts import Request, Slate, Viewer
from apps.pipeline.features.calendar import day_of
from apps.pipeline.params import FULL, PipelineParams, Widths
from apps.pipeline.ranking.matching import meets, words_of_numbers
from apps.pipeline.rules import LiveRules, Pacing
from apps.pipeline.run import eligible_count, run
from apps.pipeline.sets import distinct, is_in, union
from apps.pipeline.signals import Signals
from apps.pipeline.table import Table
from apps.pipeline.watch import Watch
from apps.releases.params import CompiledSurface

RESERVE = 40
NONE_LEFT_OUT: Mapping[str, str] = {}


@dataclass(frozen=True)
class Question:
    """What somebody asked. `candidates`: rank these of the app's ids and nobody else.

    A dry run may ask what if: under another content, at another time, with a given seed, without the rules.
    """

    surface: str
    member: str
    limit: int
    market: str | None = None
    candidates: tuple[str, ...] | None = None
    request_id: UUID | None = None
    key_prefix: str = ""
    dry_run: bool = False
    came_at: float | None = field(default=None, compare=False)  # of time.perf_counter(); None: no hurry
    content: Mapping[str, Any] | None = field(default=None, hash=False)  # instead of the viewer's release
    at: float | None = None  # instead of now, for parameters, rules and ages; the state stays that of now
    seed: int | None = None  # instead of the delivery's own
    rules_off: bool = False  # no boosts, buries, pins and caps by rule

    def __post_init__(self) -> None:
        what_if = self.content is not None or self.at is not None or self.seed is not None or self.rules_off
        if what_if and not self.dry_run:
            raise ValueError("Only a dry run may ask what if.")

    @property
    def request_key(self) -> str:
        asks_again = self.request_id is not None and not self.dry_run
        return online.request_key(self.key_prefix, self.request_id) if asks_again else ""

    @property
    def digest(self) -> bytes:
        """Names the parameters: the same request id with others is refused."""
        said = [self.surface, self.member, self.limit, self.market, self.candidates]
        return blake2b(orjson.dumps(said), digest_size=ledger.DIGEST_BYTES).digest()


@dataclass(frozen=True)
class Prepared:
    """A question with all that is known about it before anything is ranked."""

    question: Question
    world: World
    now: float
    delivery: UUID
    viewer: int
    row: Table
    params: PipelineParams
    payload: dict[str, Any]
    state: ViewerState
    believed: bool  # safety facts are Valkey's, and the ledger may be used
    rules: LiveRules | None = None  # staff's rules that are live for this viewer
    widths: Widths = FULL

    @property
    def pacing(self) -> Pacing | None:
        """The pacer's prices of this moment; without rules and subsidies there is nothing to pace."""
        is_paced = self.rules is not None or self.params.newcomer_subsidy > 0
        return self.world.pacing.get(self.question.surface) if is_paced else None


def find_viewer(runtime: Runtime, surface: str, member: str) -> tuple[int | None, Table | None, World]:
    """Number and row of a viewer, and the world that knows them. No row: may not be given lists.

    No number: nobody can say whether this member exists. Raises NotFound.
    """
    world = runtime.world
    number = world.number_of("member", member)
    row = None if number is None else world.viewer_row(surface, number)
    if row is None and number not in world.overlay.barred:
        try:
            number = truth.ask(lambda: _adopt(runtime, member))
        except truth.TruthAway:
            return None, None, world
        world = runtime.world
        row = None if number is None else world.viewer_row(surface, number)
    if number is None:
        raise truth.unknown_viewer()
    if number in world.overlay.barred:
        return number, None, world
    return number, row if row is not None and _is_adult(row) else None, world


def prepare(
    runtime: Runtime, world: World, question: Question, number: int, row: Table, now: float
) -> Prepared | None:
    """Release, parameters and the viewer's state; None when safety facts can't be had from either store.

    Raises NotFound.
    """
    from apps.interactions.delivery_ids import new_delivery_id
    from apps.releases.params import compiled, release_for

    assert world.live is not None
    assert world.snapshot is not None
    release, content = release_for(world.live, question.member)
    content = content if question.content is None else question.content
    surface, killed = compiled(content).surface(question.surface), world.killed
    moment = now if question.at is None else question.at
    met = words_of_viewer(world, runtime.words, question.surface, surface.rules, row)
    market = _market_index(world, question, row)
    assigned = surface.assign(
        viewer=question.member,
        number=number,
        market=None if market < 0 else str(world.snapshot.markets[market]["key"]),
        met=met,
        now=moment,
        killed=killed,
    )
    params = assigned.params
    rules = None
    if not question.rules_off:
        rules = rules_for(
            world,
            runtime.words,
            question.surface,
            surface.rules,
            met=met,
            now=moment,
            killed=killed,
            only_caps=params.random_order,
        )
    if params.daily_cap or params.hourly_cap or (rules is not None and rules.have("cap")):
        runtime.caps.add(question.surface)
    found = believed_state(world, question, number, surface, params, now)
    if found is None:
        return None
    state, believed, degraded = found
    delivery = new_delivery_id(number)
    payload = base_payload(
        world,
        delivery=delivery,
        surface=question.surface,
        limit=question.limit,
        now=now,
        key_prefix=question.key_prefix,
    )
    payload |= {
        "viewer": number,
        "release": release,
        "variants": assigned.variants,
        "random_order": params.random_order,
        "degraded": degraded,
        **held_from(now, params),
        "price_version": paced.version if (paced := world.pacing.get(question.surface)) else 0,
    }
    if killed:  # a replay needs them
        payload["trace"] = [{"stage": "switched_off", "received": 0, "kept": 0, "keys": sorted(killed)}]
    known = Prepared(question, world, now, delivery, number, row, params, payload, state, believed, rules)
    return _cooled(known, moment) if rules is not None and rules.have("cooldown") else known


def held_from(now: float, params: PipelineParams) -> dict[str, Any]:
    """Of a payload: how long whoever is shown is held, and until when."""
    seconds = params.hold_minutes * 60
    return {"expires_at": now + seconds, "hold_seconds": seconds}


def market_key(prepared: Prepared) -> str:
    """The label of the market drawn from."""
    assert prepared.world.snapshot is not None
    index = _market_index(prepared.world, prepared.question, prepared.row)
    return market_label(index, prepared.world.snapshot.markets[index]["key"] if index >= 0 else "")


def _cooled(prepared: Prepared, now: float) -> Prepared:
    """Whom the viewer saw within the days of a live cool-down rule counts as seen. The trace says of each
    rule how many it keeps away whom the policy's own cool-down would let come back."""
    assert prepared.rules is not None
    saw = prepared.state.saw
    numbers = np.ascontiguousarray(saw["number"])
    words = words_of_numbers(request_of(prepared), numbers)
    back = ~is_in(numbers, prepared.state.seen)
    away, by_rule = np.zeros(len(numbers), "?"), {}
    for spec in prepared.rules.cooldowns:
        cooled = meets(words, spec.candidates, len(numbers)) & (saw["at"] > now - spec.days * DAY)
        by_rule[spec.key] = int(np.count_nonzero(cooled & back))
        away |= cooled
    seen = union(prepared.state.seen, distinct(numbers[away]))
    kept = int(np.count_nonzero(back & ~away))
    prepared.payload["trace"].append(
        {"stage": "cooldown", "received": len(numbers), "kept": kept, "kept_away": by_rule}
    )
    return replace(prepared, state=replace(prepared.state, seen=seen))


def over_caps(prepared: Prepared, request: Request) -> I32:
    """Sorted numbers that are known to be at a cap they have for this viewer."""
    capped = prepared.world.capped.get(prepared.question.surface)
    return capped.over(request) if capped is not None else NOBODY


def request_of(
    prepared: Prepared, *, left_out: Mapping[str, str] = NONE_LEFT_OUT, watch: Watch | None = None
) -> Request:
    """The pipeline's request: without the sources `left_out`, with the others measured by `watch`."""
    world, question = prepared.world, prepared.question
    assert world.snapshot is not None
    kind = world.kinds[question.surface]
    return Request(
        snapshot=world.snapshot,
        surface=question.surface,
        params=prepared.params,
        viewer=Viewer(
            prepared.row,
            excluded=prepared.state.excluded,
            liked_by=prepared.state.liked_by,
            signals=_signals(prepared, kind),
            is_fresh=world.overlay.viewer_at(question.surface, prepared.viewer) >= 0,
        ),
        limit=question.limit,
        now=prepared.now if question.at is None else question.at,
        seed=seed_of(prepared.delivery) if question.seed is None else question.seed,
        market=_market(world, question),
        day=_day(prepared, kind),
        **_stays(prepared, kind),
        only=_only(world, kind, question.candidates),
        newcomers=world.overlay.newcomers.get(question.surface),
        stale=world.overlay.stale.get(question.surface, NOBODY),
        gone=world.overlay.gone_sorted.get(kind, NOBODY),
        untied=world.overlay.untied_for(prepared.viewer),
        rules=prepared.rules,
        pacing=prepared.pacing,
        reserve=RESERVE,
        widths=prepared.widths,
        logs_features=not question.dry_run and is_logged(prepared.delivery),
        left_out=left_out,
        watch=watch,
    )


def _day(prepared: Prepared, kind: str) -> int | None:
    """Of a request for places: today where they are."""
    if kind != "place":
        return None
    assert prepared.world.snapshot is not None
    question = prepared.question
    index = _market_index(prepared.world, question, prepared.row)
    market = prepared.world.snapshot.markets[index] if index >= 0 else {}
    return day_in(market.get("timezone"), prepared.now if question.at is None else question.at)


def _stays(prepared: Prepared, kind: str) -> dict[str, Any]:
    """Of a request for places: the coming trips that share the list; where one market was asked for, the
    trip that leads there, if one does."""
    if kind != "place":
        return {}
    world, question, params = prepared.world, prepared.question, prepared.params
    trips = world.overlay.trips.of(prepared.viewer)
    if not trips:
        return {}
    today = day_of(prepared.now if question.at is None else question.at)
    here = int(prepared.row["market"][0])
    if question.market is None:
        return {"trips": sharing(trips, today=today, within=params.trips_days, here=here)}
    asked = _market(world, question)
    ahead = [trip for trip in trips if trip.market == asked != here and trip.first_day > today]
    return {"stay": ahead[0] if ahead else None}


def _signals(prepared: Prepared, kind: str) -> Signals:
    """The viewer's own signals, with the candidates' of this moment."""
    signals, crowd = prepared.state.signals, prepared.world.crowd
    if kind != "member":
        return signals
    unread = crowd.unread_on(prepared.question.surface)
    return replace(signals, unread=unread, active_hour=crowd.active_hour)


def rank_pool(prepared: Prepared) -> tuple[Slate, bytes]:
    """The slate without those known to be at the cap, and what it was made from, packed (a dry run's is not).

    The payload says when caps shorten it.
    """
    question = prepared.question
    request = _watched(prepared)
    capped = over_caps(prepared, request)
    if len(capped):
        everybody = union(request.viewer.excluded, capped)
        slate = run(replace(request, viewer=replace(request.viewer, excluded=everybody)))
    else:
        slate = run(request)
    if request.watch is not None:
        sources.told(question.surface, request.watch)
    if len(capped) and len(slate.numbers) < question.limit:
        prepared.payload["capped_before"] = eligible_count(request) - slate.eligible
    market = _market_index(prepared.world, question, prepared.row)
    assert prepared.world.snapshot is not None
    prepared.payload.update(
        {
            "market": prepared.world.snapshot.markets[market].get("id") if market >= 0 else None,
            "exhausted": len(slate.numbers) < question.limit + RESERVE,
        }
    )
    if question.dry_run:
        return slate, b""
    told = told_by(request, capped, slate.ranked)
    prepared.payload["inputs"] = inputs_of(request, slate, told)
    return slate, pack(told)


def _watched(prepared: Prepared) -> Request:
    """The request without the sources that rest. A dry run asks all of them, and nobody takes their time;
    given ids and a random order ask none."""
    question, params = prepared.question, prepared.params
    if question.dry_run or question.candidates is not None or params.random_order:
        return request_of(prepared)
    left_out = sources.left_out(question.surface, params)
    return request_of(prepared, left_out=left_out, watch=Watch(thread_time))


def believed_state(
    world: World,
    question: Question,
    number: int,
    surface: CompiledSurface,
    params: PipelineParams,
    now: float,
) -> tuple[ViewerState, bool, list[str]] | None:
    """The viewer's state, whether it is Valkey's, and what is degraded about it; None: from neither store.

    Raises NotFound for whoever was erased, though this process may still know them.
    """
    kind = world.kinds[question.surface]
    state = None
    with suppress(redis.RedisError):
        state = read_state(
            number,
            question.surface,
            kind,
            now=now,
            params=params,
            request_key=question.request_key,
        )
    vouched = state is not None and world.vouches_for(state.generation)
    if vouched and state is not None and state.erased:
        raise truth.unknown_viewer()
    if vouched and state is not None and world.lease_is_fresh():
        return state, True, []
    try:
        cooled_for = longest_cooldown(surface, now=now, killed=world.killed)
        facts = truth.facts(number, question.surface, kind, seen_since=now - cooled_for * DAY)
    except truth.TruthAway:
        # Postgres is away, so nothing is committed now that Valkey could miss. Who missed a write before that
        # acknowledged it only after Postgres was there for longer than a lease: this process would know.
        return (state, True, ["truth_unavailable"]) if vouched and state is not None else None
    whole = with_facts(state, facts, cooled_since=now - params.cooldown_days * DAY)
    return (whole, True, []) if vouched else (whole, False, ["valkey_unavailable"])


def _adopt(runtime: Runtime, member: str) -> int | None:
    """Reads a member whom this process does not know. Runs on a thread with Postgres."""
    from apps.members.models import Member

    number = Member.objects.filter(external_id=member).values_list("number", flat=True).first()
    if number is not None:
        runtime.adopt({number})
    return number


def _market(world: World, question: Question) -> int:
    """Index of the market asked for; -1: where the viewer is."""
    assert world.snapshot is not None
    if question.market is None:
        return -1
    index = world.snapshot.market_index(question.market)
    if index < 0:
        raise Problem(f"There is no market {question.market}.", code="unknown_market", field="market")
    return index


def _market_index(world: World, question: Question, row: Table) -> int:
    asked = _market(world, question)
    return asked if asked >= 0 else int(row["market"][0])


def _only(world: World, kind: str, candidates: Sequence[str] | None) -> I32 | None:
    if candidates is None:
        return None
    found = (world.number_of(kind, candidate) for candidate in candidates)
    return np.unique(np.array([number for number in found if number is not None], "i4"))


def _is_adult(row: Table) -> bool:
    born, today = int(row["birth_date"][0]), clock.today()
    date = today.year * 10_000 + today.month * 100 + today.day
    return born > 0 and (date - born) // 10_000 >= 18
