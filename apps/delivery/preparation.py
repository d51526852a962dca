"""Everything known about a question before anybody is ranked: viewer, release, parameters, state.

Takes the app's ids; gives arrays. It decides whose safety facts are believed: Valkey's while Postgres vouches
for them, else Postgres's, else nobody's.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import redis

from apps.common import clock
from apps.delivery import truth
from apps.delivery.answers import base_payload
from apps.delivery.bounds import longest_cooldown
from apps.delivery.question import Prepared, Question, market_index
from apps.delivery.ranking import request_of
from apps.delivery.rules import rules_for, words_of_viewer
from apps.delivery.runtime import Runtime
from apps.delivery.state import DAY, ViewerState, read_state, with_facts
from apps.delivery.world import World
from apps.pipeline.params import PipelineParams
from apps.pipeline.ranking.matching import meets, words_of_numbers
from apps.pipeline.sets import distinct, is_in, union
from apps.pipeline.table import Table
from apps.releases.params import CompiledSurface


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


def _adopt(runtime: Runtime, member: str) -> int | None:
    """Reads a member whom this process does not know. Runs on a thread with Postgres."""
    from apps.members.models import Member

    number = Member.objects.filter(external_id=member).values_list("number", flat=True).first()
    if number is not None:
        runtime.adopt({number})
    return number


def _is_adult(row: Table) -> bool:
    born, today = int(row["birth_date"][0]), clock.today()
    date = today.year * 10_000 + today.month * 100 + today.day
    return born > 0 and (date - born) // 10_000 >= 18


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
    market = market_index(world, question, row)
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
