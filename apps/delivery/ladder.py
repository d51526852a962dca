"""The rungs below a ranked list: the viewer's last list, the snapshot unranked, nobody.

Taken when the pipeline can't run. Each gives a slate that passes the same guard as a ranked one, and the
answer says what is missing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from apps.common.errors import Problem
from apps.delivery import truth
from apps.delivery.answers import base_payload
from apps.delivery.bounds import longest_away, tightest_caps
from apps.delivery.last_lists import read_last, slate_of
from apps.delivery.preparation import believed_state, held_from
from apps.delivery.question import Prepared, Question
from apps.delivery.ranking import rank_pool, request_of
from apps.delivery.state import I32
from apps.delivery.world import World
from apps.pipeline.contracts import Slate
from apps.pipeline.run import run, still_eligible
from apps.pipeline.sets import is_in
from apps.pipeline.table import empty_table
from apps.pipeline.trace import Trace
from apps.releases.params import compiled, release_for

log = logging.getLogger(__name__)

NO_PIPELINE = "pipeline_unavailable"
NO_SNAPSHOT = "snapshot_unavailable"
NOBODY = Slate(
    numbers=np.zeros(0, "i4"),
    scores=np.zeros(0, "f4"),
    propensity=np.zeros(0, "f4"),
    sources=np.zeros(0, "u4"),
    reasons=(),
    eligible=0,
    trace=Trace(),
)


def ranked(prepared: Prepared) -> tuple[Slate, bytes]:
    """The pipeline's list and what it was told; without it the best that can be had. Raises Problem."""
    try:
        slate, told = rank_pool(prepared)
    except Problem:
        raise
    except Exception:
        log.exception("The pipeline failed")
        prepared.payload["degraded"] = [*prepared.payload["degraded"], NO_PIPELINE]
        return without_pipeline(prepared), b""
    lost = list(dict.fromkeys(lost_parts(slate.trace)))
    prepared.payload["degraded"] = [*prepared.payload["degraded"], *lost]
    if lost and slate.eligible and not len(slate.numbers):  # what is left of the sources found nobody
        prepared.payload["degraded"].append(NO_PIPELINE)
        prepared.payload.pop("inputs", None)  # of another list
        return without_pipeline(prepared), b""
    return slate, told


def lost_parts(trace: Trace) -> Iterator[str]:
    """The sources and features that broke or rest, by name: lists go on without them."""
    for stage in trace.stages:
        if "lost" in stage.detail or "skipped" in stage.detail:
            yield f"source:{stage.stage}"
        for name in stage.detail.get("lost_features", ()):
            yield f"feature:{name}"


def without_pipeline(prepared: Prepared) -> Slate:
    """The viewer's last list, else whoever is eligible in a random order, else nobody."""
    prepared.payload["exhausted"] = False
    for rung in (last_list, _unranked):
        try:
            slate = rung(prepared)
        except Exception:
            log.exception("No list from %s either", rung.__name__)
            continue
        if len(slate.numbers):
            return slate
    return NOBODY


def without_snapshot(world: World, question: Question, now: float) -> Prepared | None:
    """A question as far as it can be prepared from the stores alone; None when they can't say who asks.

    Raises NotFound.
    """
    from apps.interactions.delivery_ids import new_delivery_id

    assert world.live is not None
    try:
        number, may_look = truth.viewer(question.member)
    except truth.TruthAway:
        return None
    release, content = release_for(world.live, question.member)
    surface = compiled(content).surface(question.surface)
    params = surface.assign(viewer=question.member, number=number, now=now, killed=world.killed).params
    params = longest_away(surface, params, now=now, killed=world.killed)
    found = believed_state(world, question, number, surface, params, now) if may_look else None
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
        "degraded": [*degraded, NO_SNAPSHOT],
        "exhausted": False,
        **held_from(now, params),
    }
    nobody = empty_table("member")
    return Prepared(question, world, now, delivery, number, nobody, params, payload, state, believed)


def naming(prepared: Prepared, numbers: I32) -> Prepared:
    """Without a snapshot: with the app's ids of these candidates, read from Postgres. Raises TruthAway."""
    kind, overlay = prepared.payload["kind"], prepared.world.overlay
    ids = {**overlay.ids, kind: truth.ids(kind, numbers)}
    return replace(prepared, world=replace(prepared.world, overlay=replace(overlay, ids=ids)))


def last_list(prepared: Prepared) -> Slate:
    """Whoever of the last list, which is never one of a market that was asked for, may be shown now, as the
    snapshot and the overlay say. Without a snapshot nobody can judge them: whoever is not known to be gone
    or excluded.

    Raises RedisError, and what a filter raises.
    """
    if prepared.question.market is not None or not prepared.believed:
        return NOBODY
    last = read_last(prepared.question.surface, prepared.viewer)
    if last is None:
        return NOBODY
    judged = _unjudged if NO_SNAPSHOT in prepared.payload["degraded"] else _judged
    return slate_of(last, *judged(prepared, last["number"]))


def _unranked(prepared: Prepared) -> Slate:
    """The pipeline without sources, scores and rerankers: filters alone, then a draw."""
    request = request_of(prepared)
    params = replace(request.params, random_order=True)
    return run(replace(request, params=params))


def _judged(prepared: Prepared, numbers: I32) -> tuple[I32, I32]:
    """Who may be shown by the rules of the surface, and the caps of each."""
    return still_eligible(request_of(prepared), numbers)


def _unjudged(prepared: Prepared, numbers: I32) -> tuple[I32, I32]:
    """Who is not excluded, not known to be gone, and among those asked for; under the tightest caps of all,
    for nobody can say which of them a candidate has."""
    question, world = prepared.question, prepared.world
    kind = prepared.payload["kind"]
    lost = is_in(numbers, prepared.state.excluded)
    lost |= np.isin(numbers, world.overlay.gone_sorted.get(kind, numbers[:0]))
    if question.candidates is not None:
        wanted = [world.number_of(kind, one) for one in question.candidates]
        lost |= ~np.isin(numbers, [one for one in wanted if one is not None])
    kept = numbers[~lost]
    return kept, np.tile(_tightest(prepared), (len(kept), 1))


def _tightest(prepared: Prepared) -> I32:
    """[2] the tightest cap per day and per hour that anybody may have; 0: nobody has one."""
    assert prepared.world.live is not None
    content = release_for(prepared.world.live, prepared.question.member)[1]
    return tightest_caps(compiled(content).surface(prepared.question.surface), prepared.params)
