"""The walk of one request: viewer, state, parameters, pipeline, guard, ledger, answer.

At most two round trips to Valkey and none to Postgres while all is well. When Valkey may not be believed,
safety facts come from Postgres within the request; with neither store nobody is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from uuid import UUID

import numpy as np
import orjson
import redis

from apps.common import clock, online
from apps.common.errors import NotFound, Problem, Unprocessable
from apps.delivery import ledger, truth
from apps.delivery.answers import answer_of, base_payload, seed_of, with_slate
from apps.delivery.ledger import Answered, NotBelieved, Order
from apps.delivery.runtime import Runtime
from apps.delivery.state import I32, NOBODY, ViewerState, pack, read_state, with_facts
from apps.delivery.world import World
from apps.pipeline.contracts import Request, Slate, Viewer
from apps.pipeline.params import PipelineParams
from apps.pipeline.run import run
from apps.pipeline.snapshot import Table

RESERVE = 40


@dataclass(frozen=True)
class Question:
    """What somebody asked. `candidates`: rank these of the app's ids and nobody else."""

    surface: str
    member: str
    limit: int
    market: str | None = None
    candidates: tuple[str, ...] | None = None
    request_id: UUID | None = None
    key_prefix: str = ""
    dry_run: bool = False

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


def serve(runtime: Runtime, question: Question) -> dict[str, Any]:
    """The answer to a question. Raises NotFound, Problem, Unprocessable."""
    world = runtime.world
    if question.surface not in world.surfaces:
        raise NotFound(f"There is no surface {question.surface}.", code="unknown_surface", field="surface")
    now = clock.now().timestamp()
    if world.snapshot is None or world.live is None or question.surface not in world.snapshot.surfaces:
        return _empty(world, question, now, degraded=["not_ready"])
    number, row, world = find_viewer(runtime, question.surface, question.member)
    if number is None:
        return _empty(world, question, now, degraded=["truth_unavailable"])
    if row is None:
        return _empty(world, question, now, viewer=number, not_eligible=True)
    prepared = prepare(runtime, world, question, number, row, now)
    if prepared is None:
        return _empty(world, question, now, viewer=number, degraded=["safety_unavailable"])
    if prepared.state.answered is not None:
        return replay(prepared, prepared.state.answered)
    slate = rank_pool(prepared)
    return _deliver(prepared, slate)


def find_viewer(runtime: Runtime, surface: str, member: str) -> tuple[int | None, Table | None, World]:
    """Number and row of a viewer, and the world that knows them. No row: may not be given lists.

    No number: nobody can say whether this member exists. Raises NotFound.
    """
    world = runtime.world
    number = world.number_of("member", member)
    if number is None or (world.viewer_row(surface, number) is None and number not in world.overlay.barred):
        try:
            number = truth.ask(lambda: _adopt(runtime, member))
        except truth.TruthAway:
            return None, None, world
        world = runtime.world
    if number is None:
        raise NotFound("There is no such member.", code="unknown_member", field="member")
    if number in world.overlay.barred:
        return number, None, world
    row = world.viewer_row(surface, number)
    return number, row if row is not None and _is_adult(row) else None, world


def prepare(
    runtime: Runtime, world: World, question: Question, number: int, row: Table, now: float
) -> Prepared | None:
    """Release, parameters and the viewer's state; None when safety facts can't be had from either store."""
    from apps.interactions.delivery_ids import new_delivery_id
    from apps.releases.params import assignments, build_params, release_for

    assert world.live is not None
    release, content = release_for(world.live, question.member)
    params = build_params(content, question.surface, viewer=question.member)
    if params.daily_cap:
        runtime.caps.add((question.surface, params.daily_cap))
    found = _state(world, question, number, params, now)
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
        "variants": assignments(content, question.surface, question.member),
        "random_order": params.random_order,
        "degraded": degraded,
        "expires_at": now + params.hold_minutes * 60,
    }
    return Prepared(question, world, now, delivery, number, row, params, payload, state, believed)


def request_of(prepared: Prepared, *, excluded: I32 | None = None) -> Request:
    """The pipeline's request."""
    world, question = prepared.world, prepared.question
    assert world.snapshot is not None
    kind = world.surfaces[question.surface].kind
    return Request(
        snapshot=world.snapshot,
        surface=question.surface,
        params=prepared.params,
        viewer=Viewer(
            prepared.row,
            excluded=prepared.state.excluded if excluded is None else excluded,
            liked_by=prepared.state.liked_by,
        ),
        limit=question.limit,
        now=prepared.now,
        seed=seed_of(prepared.delivery),
        market=_market(world, question, prepared.viewer),
        only=_only(world, kind, question.candidates),
        newcomers=world.overlay.newcomers.get(question.surface),
        gone=world.overlay.gone_sorted.get(kind, NOBODY),
        reserve=RESERVE,
    )


def rank_pool(prepared: Prepared) -> Slate:
    """The slate without those known to be at the cap; the payload says when that shortens it."""
    question, params = prepared.question, prepared.params
    excluded = prepared.state.excluded
    capped = prepared.world.capped.get((question.surface, params.daily_cap), NOBODY)
    slate = run(request_of(prepared, excluded=np.union1d(excluded, capped)))
    if len(capped) and len(slate.numbers) < question.limit:
        prepared.payload["capped_before"] = run(request_of(prepared)).eligible - slate.eligible
    market = _market_index(prepared)
    assert prepared.world.snapshot is not None
    prepared.payload.update(
        {
            "market": prepared.world.snapshot.markets[market].get("id") if market >= 0 else None,
            "exhausted": len(slate.numbers) < question.limit + RESERVE,
        }
    )
    return slate


def replay(prepared: Prepared, answered: Answered) -> dict[str, Any]:
    """The first answer again, minus anyone since blocked or gone; nothing is reserved."""
    if answered.digest != prepared.question.digest:
        raise Unprocessable(
            "This request_id had other parameters.", code="request_id_reused", field="request_id"
        )
    payload = orjson.loads(answered.payload)
    numbers = np.array([payload["candidates"][i] for i in answered.kept], "i4")
    gone = _gone_now(prepared, payload["kind"], numbers)
    if gone is None:
        payload["degraded"] = ["safety_unavailable"]
        return answer_of(prepared.world, payload, [])
    lost = gone | _blocked(prepared.state, payload["kind"], numbers)
    kept = [i for i, is_lost in zip(answered.kept, lost.tolist(), strict=True) if not is_lost]
    return answer_of(prepared.world, payload, kept, capped=answered.capped)


def _deliver(prepared: Prepared, slate: Slate) -> dict[str, Any]:
    payload = with_slate(prepared.payload, slate)
    if prepared.question.dry_run:
        return _dry(prepared, slate, payload)
    if prepared.believed:
        try:
            return _reserved(prepared, slate, payload)
        except (redis.RedisError, NotBelieved):
            payload["degraded"] = [*payload["degraded"], "ledger_unavailable"]
    return _from_truth(prepared, slate, payload)


def _reserved(prepared: Prepared, slate: Slate, payload: dict[str, Any]) -> dict[str, Any]:
    question, params = prepared.question, prepared.params
    order = Order(
        surface=question.surface,
        kind=payload["kind"],
        viewer=prepared.viewer,
        generation=prepared.world.belief.generation,
        limit=question.limit,
        cap=params.daily_cap,
        now=prepared.now,
        hold_seconds=params.hold_minutes * 60,
        candidates=slate.numbers,
        payload=orjson.dumps(payload),
        viewer_state=pack(prepared.state),
        request_key=question.request_key,
        request_digest=question.digest if question.request_key else b"",
    )
    reservation = ledger.reserve(order)
    if reservation.answered is not None:  # another request with this id was faster
        return replay(prepared, reservation.answered)
    if not prepared.world.vouches_for(order.generation):
        raise NotBelieved  # the server was replaced between the two round trips
    return answer_of(prepared.world, payload, reservation.kept, capped=reservation.capped)


def _from_truth(prepared: Prepared, slate: Slate, payload: dict[str, Any]) -> dict[str, Any]:
    """Without a ledger: nobody who has a cap is shown, and the delivery goes to Postgres itself."""
    from apps.interactions.copier import delivery_of, store
    from apps.interactions.delivery_ids import new_delivery_id

    payload |= {"id": str(new_delivery_id(prepared.viewer))}  # the first id may stand in the stream
    if prepared.params.daily_cap:
        return answer_of(prepared.world, payload, [], capped=len(slate.numbers))
    try:
        facts = truth.facts(prepared.viewer, prepared.question.surface)
        state = with_facts(prepared.state, facts)
        lost = truth.gone_among(payload["kind"], slate.numbers) | _blocked(
            state, payload["kind"], slate.numbers
        )
        kept = np.flatnonzero(~lost)[: prepared.question.limit].tolist()
        row = delivery_of(payload, kept, gone=int(lost.sum()), capped=0, viewer_state=pack(state))
        truth.ask(lambda: store([row]))
    except truth.TruthAway:
        return answer_of(prepared.world, payload | {"degraded": ["safety_unavailable"]}, [])
    return answer_of(prepared.world, payload, kept)


def _dry(prepared: Prepared, slate: Slate, payload: dict[str, Any]) -> dict[str, Any]:
    gone = _gone_now(prepared, payload["kind"], slate.numbers)
    if gone is None:
        payload["degraded"] = ["safety_unavailable"]
        return answer_of(prepared.world, payload, [], dry_run=True)
    kept = np.flatnonzero(~gone)[: prepared.question.limit].tolist()
    return answer_of(prepared.world, payload, kept, dry_run=True)


def _state(
    world: World, question: Question, number: int, params: PipelineParams, now: float
) -> tuple[ViewerState, bool, list[str]] | None:
    """The viewer's state, whether it is Valkey's, and what is degraded about it; None: from neither store."""
    state = None
    with suppress(redis.RedisError):
        state = read_state(
            number,
            question.surface,
            now=now,
            cooldown_days=params.cooldown_days,
            request_key=question.request_key,
        )
    vouched = state is not None and world.vouches_for(state.generation)
    if vouched and state is not None and world.lease_is_fresh():
        return state, True, []
    try:
        facts = truth.facts(number, question.surface)
    except truth.TruthAway:
        # Postgres is away, so nothing is committed now that Valkey could miss. Who missed a write before that
        # acknowledged it only after Postgres was there for longer than a lease: this process would know.
        return (state, True, ["truth_unavailable"]) if vouched and state is not None else None
    if vouched and state is not None:
        return with_facts(state, facts), True, []
    return with_facts(state, facts), False, ["valkey_unavailable"]


def _gone_now(prepared: Prepared, kind: str, numbers: I32) -> Any:
    """Which of these are gone, from whichever store is believed; None when neither can say."""
    try:
        if prepared.believed:
            return ledger.gone_among(kind, numbers)
        return truth.gone_among(kind, numbers)
    except (redis.RedisError, truth.TruthAway):
        return None


def _blocked(state: ViewerState, kind: str, numbers: I32) -> Any:
    return np.isin(numbers, state.blocked) if kind == "member" else np.zeros(len(numbers), "?")


def _adopt(runtime: Runtime, member: str) -> int | None:
    """Reads a member whom this process does not know. Runs on a thread with Postgres."""
    from apps.members.models import Member

    number = Member.objects.filter(external_id=member).values_list("number", flat=True).first()
    if number is not None:
        runtime.adopt({number})
    return number


def _market(world: World, question: Question, viewer: int) -> int:
    """Index of the market asked for, else of where the viewer travels; -1: home."""
    assert world.snapshot is not None
    if question.market is None:
        return world.overlay.away.get(viewer, -1)
    index = world.snapshot.market_index(question.market)
    if index < 0:
        raise Problem(f"There is no market {question.market}.", code="unknown_market", field="market")
    return index


def _market_index(prepared: Prepared) -> int:
    asked = _market(prepared.world, prepared.question, prepared.viewer)
    return asked if asked >= 0 else int(prepared.row["market"][0])


def _only(world: World, kind: str, candidates: Sequence[str] | None) -> I32 | None:
    if candidates is None:
        return None
    found = (world.number_of(kind, candidate) for candidate in candidates)
    return np.unique(np.array([number for number in found if number is not None], "i4"))


def _is_adult(row: Table) -> bool:
    born = int(row["birth_date"][0])
    return born > 0 and (int(clock.today().strftime("%Y%m%d")) - born) // 10_000 >= 18


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
