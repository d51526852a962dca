"""The walk of one request: viewer, state, parameters, pipeline, guard, ledger, answer.

At most two round trips to Valkey and none to Postgres while all is well. When Valkey may not be believed,
safety facts come from Postgres within the request; with neither store nobody is shown.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import redis

from apps.common import metrics, online
from apps.common.errors import NotFound, Problem, Unprocessable
from apps.common.spans import span
from apps.common.valkey import reached_run_id
from apps.delivery import ladder, ledger, trips, truth
from apps.delivery.answers import answer_of, base_payload, with_slate
from apps.delivery.health import counts
from apps.delivery.last_lists import only_those, packed
from apps.delivery.latency import WIDEST
from apps.delivery.ledger import Answered, NotBelieved, Order
from apps.delivery.preparation import find_viewer, prepare
from apps.delivery.question import Prepared, Question, market_key
from apps.delivery.runtime import Runtime
from apps.delivery.state import I32, ViewerState, with_facts
from apps.delivery.tally import Tally
from apps.delivery.world import World
from apps.interactions.grants import grant_file
from apps.interactions.served import pack
from apps.pipeline.contracts import Mask, Slate
from apps.pipeline.sets import is_in
from apps.releases.params import release_for

log = logging.getLogger(__name__)


def serve(runtime: Runtime, question: Question) -> dict[str, Any]:
    """The answer to a question, counted under its release. Raises NotFound, Problem, Unprocessable."""
    tally = Tally(question.surface)
    if question.dry_run:
        return _serve(runtime, question, tally)
    try:
        answer = _serve(runtime, question, tally)
    except Problem:
        raise
    except Exception:
        tally.failed()
        live = runtime.world.live
        counts.failed(release_for(live, question.member)[0] if live is not None else 0)
        raise
    tally.answered(answer, wanted=question.limit)
    ms = 1000 * tally.seconds
    if ladder.NO_PIPELINE in answer["degraded"]:
        counts.failed(answer["release"])  # so that a rollout that breaks it goes back
    else:
        counts.answered(answer["release"], shown=len(answer["items"]), wanted=question.limit, ms=ms)
    return answer


def _serve(runtime: Runtime, question: Question, tally: Tally) -> dict[str, Any]:
    world = runtime.world
    if question.surface not in world.kinds:
        raise NotFound(f"There is no surface {question.surface}.", code="unknown_surface", field="surface")
    now = world.belief.now().timestamp()
    if world.live is None:
        return _empty(world, question, now, degraded=["release_unavailable"])
    if world.snapshot is None or question.surface not in world.snapshot.surfaces:
        return _without_snapshot(runtime, world, question, now)
    number, row, world = find_viewer(runtime, question.surface, question.member)
    if number is None:
        return _empty(world, question, now, degraded=["truth_unavailable"])
    if row is None:
        return _empty(world, question, now, viewer=number, not_eligible=True)
    try:
        with span("prepare", surface=question.surface):
            prepared = prepare(runtime, world, question, number, row, now)
    except Problem:
        raise
    except Exception:
        log.exception("A question could not be prepared")
        return _empty(world, question, now, viewer=number, degraded=[ladder.NO_PIPELINE])
    if prepared is None:
        return _empty(world, question, now, viewer=number, degraded=["safety_unavailable"])
    tally.market = market_key(prepared)
    if prepared.state.answered is not None:
        return replay(runtime, prepared, prepared.state.answered)
    if not question.dry_run:
        runtime.saw(number, now)
    if question.came_at is None or question.dry_run or prepared.params.random_order:
        return _ranked(runtime, prepared)
    return _ranked_in_time(runtime, prepared, question.came_at)


def _ranked_in_time(runtime: Runtime, prepared: Prepared, came_at: float) -> dict[str, Any]:
    """The answer, ranked as wide as the time left allows."""
    started = time.perf_counter()
    rung = runtime.latency.rung(came_at=came_at, at=started)
    if rung is not WIDEST:
        metrics.labelled(metrics.NARROWED, prepared.question.surface, rung.name).inc()
        prepared = replace(prepared, widths=rung.widths)
    answer = _ranked(runtime, prepared)
    ended = time.perf_counter()
    runtime.latency.took(rung, ended - started, at=ended)
    return answer


def _ranked(runtime: Runtime, prepared: Prepared) -> dict[str, Any]:
    with span("rank", delivery=prepared.payload["id"], release=prepared.payload["release"]):
        slate, told = ladder.ranked(prepared)
    with span("deliver"):
        return _deliver(runtime, prepared, slate, told)


def _without_snapshot(runtime: Runtime, world: World, question: Question, now: float) -> dict[str, Any]:
    prepared = ladder.without_snapshot(world, question, now)
    if prepared is not None:
        answered = prepared.state.answered
        try:
            if answered is not None:
                numbers = np.array(orjson.loads(answered.payload)["candidates"], "i4")
                return replay(runtime, ladder.naming(prepared, numbers), answered)
            slate = ladder.last_list(prepared)
            return _deliver(runtime, ladder.naming(prepared, slate.numbers), slate, b"")
        except (redis.RedisError, truth.TruthAway):
            log.warning("No last list without a snapshot: a store is away")
    return _empty(world, question, now, degraded=[ladder.NO_SNAPSHOT])


def replay(runtime: Runtime, prepared: Prepared, answered: Answered) -> dict[str, Any]:
    """The first answer again, minus anyone since blocked or gone; nothing is reserved."""
    if answered.digest != prepared.question.digest:
        raise Unprocessable(
            "This request_id had other parameters.", code="request_id_reused", field="request_id"
        )
    payload = orjson.loads(answered.payload)
    numbers = np.array([payload["candidates"][i] for i in answered.kept], "i4")
    found = lost_now(runtime, prepared, payload["kind"], numbers)
    if found is None:
        payload["degraded"] = ["safety_unavailable"]
        return answer_of(prepared.world, payload, [])
    gone, blocked = found
    lost = gone | blocked
    _count_drops(prepared.question.surface, gone=int(gone.sum()), blocked=int((blocked & ~gone).sum()))
    kept = [i for i, is_lost in zip(answered.kept, lost.tolist(), strict=True) if not is_lost]
    return answer_of(prepared.world, payload, kept, capped=answered.capped)


def _deliver(runtime: Runtime, prepared: Prepared, slate: Slate, told: bytes) -> dict[str, Any]:
    slate = _guarded(prepared, slate)
    payload = with_slate(prepared.payload, slate)
    if prepared.question.dry_run:
        return _dry(runtime, prepared, slate, payload)
    if prepared.believed:
        try:
            return _reserved(runtime, prepared, slate, payload, told)
        except (redis.RedisError, NotBelieved):
            payload["degraded"] = [*payload["degraded"], "ledger_unavailable"]
    return _from_truth(prepared, slate, payload, told)


def _guarded(prepared: Prepared, slate: Slate) -> Slate:
    """The slate without anyone who may not be in it, whatever the pipeline made of its exclusions."""
    lost = is_in(slate.numbers, prepared.state.excluded)
    if prepared.payload["kind"] == "member":
        lost |= slate.numbers == prepared.viewer
    if not lost.any():
        return slate
    _count_drops(prepared.question.surface, pipeline=int(lost.sum()))
    named = {"delivery": str(prepared.delivery), "release": prepared.payload["release"]}
    log.error("The pipeline returned %d candidates that were excluded; dropped", int(lost.sum()), extra=named)
    return only_those(slate, ~lost)


def _reserved(
    runtime: Runtime, prepared: Prepared, slate: Slate, payload: dict[str, Any], told: bytes
) -> dict[str, Any]:
    question = prepared.question
    order = Order(
        surface=question.surface,
        kind=payload["kind"],
        viewer=prepared.viewer,
        generation=prepared.world.belief.generation,
        limit=question.limit,
        now=prepared.now,
        hold_seconds=payload["hold_seconds"],
        candidates=slate.numbers,
        payload=orjson.dumps(payload),
        viewer_state=told,
        delivery=prepared.delivery,
        caps=slate.caps,
        request_key=question.request_key,
        request_digest=question.digest if question.request_key else b"",
        last_list=_to_keep(prepared, slate, payload),
        features=pack(slate.served),
    )
    reservation = ledger.reserve(order)
    if reservation.answered is not None:  # another request with this id was faster
        return replay(runtime, prepared, reservation.answered)
    grant_file().append(
        payload=order.payload,
        state=order.viewer_state,
        kept=reservation.kept,
        gone=reservation.gone,
        capped=reservation.capped,
    )
    if not _is_still_vouched(runtime, order.generation):
        raise NotBelieved
    _count_drops(question.surface, gone=reservation.gone)
    metrics.labelled(metrics.GRANTED, question.surface).inc(len(reservation.kept))
    if reservation.capped:
        metrics.labelled(metrics.REFUSED, question.surface).inc(reservation.capped)
    return answer_of(prepared.world, payload, reservation.kept, capped=reservation.capped)


def _to_keep(prepared: Prepared, slate: Slate, payload: dict[str, Any]) -> bytes:
    """What the pipeline ranked of everybody in the viewer's own market; nothing of a narrower question."""
    question = prepared.question
    is_whole = question.candidates is None and question.market is None
    is_ranked = not {ladder.NO_PIPELINE, ladder.NO_SNAPSHOT} & set(payload["degraded"])
    return packed(slate) if is_whole and is_ranked else b""


def _is_still_vouched(runtime: Runtime, generation: int) -> bool:
    """Neither was the server replaced since, nor did a rebuild begin that may not have seen this grant."""
    world = runtime.world
    if world.lease_is_fresh():
        return world.vouches_for(generation)
    try:
        belief = truth.ask(online.current_belief)
    except truth.TruthAway:  # then nobody rebuilds either
        return world.vouches_for(generation)
    return belief.trusted and belief.generation == generation and reached_run_id() == belief.run_id


def _from_truth(prepared: Prepared, slate: Slate, payload: dict[str, Any], told: bytes) -> dict[str, Any]:
    """Without a ledger nobody who has a cap is shown, and the delivery goes to Postgres itself."""
    from apps.interactions.copier import delivery_of, store
    from apps.interactions.delivery_ids import new_delivery_id

    # The first id may stand in the stream.
    payload |= {"id": str(new_delivery_id(prepared.viewer)), "counted": False}
    has_cap = (slate.caps > 0).any(axis=1)
    if has_cap.all():
        return answer_of(prepared.world, payload, [], capped=len(slate.numbers))
    try:
        facts = truth.facts(prepared.viewer, prepared.question.surface, payload["kind"])
        state = with_facts(prepared.state, facts)
        gone, blocked = truth.gone_among(payload["kind"], slate.numbers), _blocked(state, slate.numbers)
        lost = gone | blocked
        kept = np.flatnonzero(~lost & ~has_cap)[: prepared.question.limit].tolist()
        capped = int((has_cap & ~lost).sum())
        row = delivery_of(
            payload,
            kept,
            gone=int(lost.sum()),
            capped=capped,
            viewer_state=told,
            features=pack(slate.served),
        )
        truth.ask(lambda: store([row]))
    except truth.TruthAway:
        return answer_of(prepared.world, payload | {"degraded": ["safety_unavailable"]}, [])
    _count_drops(payload["surface"], gone=int(gone.sum()), blocked=int((blocked & ~gone).sum()))
    return answer_of(prepared.world, payload, kept, capped=capped)


def _dry(runtime: Runtime, prepared: Prepared, slate: Slate, payload: dict[str, Any]) -> dict[str, Any]:
    found = lost_now(runtime, prepared, payload["kind"], slate.numbers)
    if found is None:
        payload["degraded"] = ["safety_unavailable"]
        return answer_of(prepared.world, payload, [], dry_run=True)
    gone = found[0] | found[1]
    limit, full = prepared.question.limit, _at_cap_now(prepared, slate)
    kept = np.flatnonzero(~gone & ~full)[:limit].tolist()
    reached = kept[-1] + 1 if len(kept) == limit and kept else len(full)
    capped = int((full & ~gone)[:reached].sum())
    answer = answer_of(prepared.world, payload, kept, capped=capped, dry_run=True)
    return answer if prepared.question.seed is None else answer | {"capped": capped}


def _at_cap_now(prepared: Prepared, slate: Slate) -> npt.NDArray[np.bool_]:
    """Whom the ledger would refuse; without it, whoever has a cap (as an answer from Postgres alone does)."""
    try:
        if prepared.believed:
            return trips.at_cap(prepared.question.surface, slate.numbers, slate.caps, prepared.now)
    except redis.RedisError:
        log.warning("A dry run can't tell who is at a cap: Valkey is away")
    return np.asarray((slate.caps > 0).any(axis=1))


def lost_now(runtime: Runtime, prepared: Prepared, kind: str, numbers: I32) -> tuple[Mask, Mask] | None:
    """Which of these are gone, and which are blocked: by Valkey while it is vouched for, else by Postgres;
    None when neither can say."""
    generation, state = prepared.world.belief.generation, prepared.state
    if prepared.believed:
        with suppress(redis.RedisError):
            gone = trips.gone_among(kind, numbers, generation)
            if gone is not None and _is_still_vouched(runtime, generation):
                return gone, _blocked(state, numbers)
    try:
        if prepared.believed:  # what Valkey said of blocks is not believed any more
            state = with_facts(state, truth.facts(prepared.viewer, prepared.question.surface, kind))
        return truth.gone_among(kind, numbers), _blocked(state, numbers)
    except truth.TruthAway:
        return None


def _count_drops(surface: str, **drops: int) -> None:
    for why, count in drops.items():
        if count:
            metrics.labelled(metrics.GUARD_DROPS, surface, why).inc(count)


def _blocked(state: ViewerState, numbers: I32) -> npt.NDArray[np.bool_]:
    return is_in(numbers, state.blocked)


def _empty(
    world: World,
    question: Question,
    now: float,
    *,
    viewer: int = 0,
    degraded: Sequence[str] = (),
    not_eligible: bool = False,
) -> dict[str, Any]:
    """An answer without items that is worth no delivery row: nobody was ranked."""
    from apps.interactions.delivery_ids import new_delivery_id

    payload = base_payload(
        world,
        delivery=new_delivery_id(viewer),
        surface=question.surface,
        limit=question.limit,
        now=now,
        key_prefix=question.key_prefix,
    )
    payload |= {"degraded": list(degraded), "not_eligible": not_eligible, "exhausted": not degraded}
    return answer_of(world, payload, [], dry_run=question.dry_run)
