"""What the API, the console and commands ask of delivery: a list, a ranking, an explanation, a trace.

Each takes the app's own ids and gives plain values, exactly as REST answers them. Only `recommend` and `rank`
without `dry_run` reserve and log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np

from apps.common import clock
from apps.common.errors import NotFound, Problem, Unavailable
from apps.delivery.answers import scores_told
from apps.delivery.preparation import find_viewer, prepare
from apps.delivery.question import Prepared, Question
from apps.delivery.ranking import request_of
from apps.delivery.reasons import EXPLANATIONS
from apps.delivery.runtime import Runtime, runtime
from apps.delivery.serve import lost_now, serve
from apps.delivery.state import NOBODY
from apps.delivery.why_capped import at_caps, caps_reached, without
from apps.delivery.why_seen import shorter_cooldowns
from apps.delivery.world import World
from apps.pipeline.contracts import Explanation

MOST_RECOMMENDED = 100
MOST_RANKED = 500
EXPLAINED_LIMIT = 20
EXPLAINED_SEED = 1  # one for all: the same question twice has the same answer, whatever exploration draws
LIKED_YOU = "liked_you"  # the source


def recommend(
    *,
    surface: str,
    member: str,
    limit: int = 20,
    request_id: UUID | None = None,
    key_prefix: str = "",
    dry_run: bool = False,
    came_at: float | None = None,
    market: str | None = None,
) -> dict[str, Any]:
    """A list for a member. Raises NotFound, Problem, Unprocessable.

    `market`: places of that market, as of the days of the member's coming trip if one leads there; of members
    a dry run alone may ask. `came_at` (time.perf_counter): when the call came, whose answer may be ranked
    narrower to be in time.
    """
    _check_limit(limit, MOST_RECOMMENDED)
    if market is not None and not dry_run and runtime().world.kinds.get(surface) == "member":
        raise Problem("Members are shown where they are.", code="not_for_members", field="market")
    question = Question(
        surface=surface,
        member=member,
        limit=limit,
        market=market,
        request_id=request_id,
        key_prefix=key_prefix,
        dry_run=dry_run,
        came_at=came_at,
    )
    return serve(runtime(), question)


def rank(
    *,
    surface: str,
    member: str,
    candidates: Sequence[str],
    limit: int | None = None,
    request_id: UUID | None = None,
    key_prefix: str = "",
    dry_run: bool = False,
    came_at: float | None = None,
) -> dict[str, Any]:
    """The given ids in order, under the same filters, caps and logging; others are left out."""
    if not 1 <= len(candidates) <= MOST_RANKED:
        raise Problem(f"Give 1 to {MOST_RANKED} candidates.", code="out_of_range", field="candidates")
    limit = len(candidates) if limit is None else limit
    _check_limit(limit, MOST_RANKED)
    question = Question(
        surface=surface,
        member=member,
        limit=limit,
        candidates=tuple(candidates),
        request_id=request_id,
        key_prefix=key_prefix,
        dry_run=dry_run,
        came_at=came_at,
    )
    return serve(runtime(), question)


def explain(*, surface: str, viewer: str, candidate: str, private: bool = False) -> dict[str, Any]:
    """Why `candidate` is or is not shown to `viewer`: the first stage that lost them, and the change."""
    here = runtime()
    if surface not in here.world.kinds:
        raise NotFound(f"There is no surface {surface}.", code="unknown_surface", field="surface")
    if here.world.snapshot is None or here.world.live is None:
        raise Unavailable("No snapshot or no release is loaded yet.")
    number, row, world = find_viewer(here, surface, viewer)
    if number is None:
        raise Unavailable("The stores are away. Try again.")
    said = {"surface": surface, "viewer": viewer, "candidate": candidate}
    if row is None:
        return said | _told(world, Explanation(0, False, "filters", "viewer_not_eligible"), None)
    question = Question(
        surface=surface, member=viewer, limit=EXPLAINED_LIMIT, dry_run=True, seed=EXPLAINED_SEED
    )
    prepared = prepare(here, world, question, number, row, clock.now().timestamp())
    if prepared is None:
        raise Unavailable("Safety facts can't be read now. Try again.")
    return said | _explained(here, prepared, candidate, private=private)


def delivery_trace(delivery: UUID) -> dict[str, Any]:
    """What every stage of a delivery received, kept and changed. Raises NotFound.

    Of members without the sources that found them and the chance of their place: both may tell that they like
    the viewer.
    """
    from apps.interactions.copier import copy_all
    from apps.interactions.models import Delivery
    from apps.pipeline.lineup import LINEUPS, source_names

    row = Delivery.objects.filter(id=delivery).first()
    if row is None:
        copy_all()  # it may still be on its way
        row = Delivery.objects.filter(id=delivery).first()
    if row is None:
        raise NotFound("There is no such delivery.", code="unknown_delivery", field="delivery")
    world = runtime().world
    kind = world.kinds.get(row.surface, "member")
    lineup = LINEUPS["people" if kind == "member" else "places"]
    ids = world.ids_of(kind, row.candidates)
    columns = zip(ids, scores_told(kind, row.scores), row.propensities, row.sources, strict=True)
    return {
        "delivery": str(row.id),
        "served_at": row.served_at.isoformat(),
        "viewer": world.ids_of("member", [row.viewer])[0],
        "surface": row.surface,
        "release": row.release,
        "snapshot": row.snapshot,
        "variants": row.variants,
        "random_order": row.random_order,
        "degraded": row.degraded,
        "shortfall": row.shortfall,
        "stages": [stage for stage in row.trace if stage["stage"] != LIKED_YOU],
        "items": [
            {"id": one, "rank": rank, "score": score}
            | (
                {}
                if kind == "member"
                else {"propensity": chance, "sources": list(source_names(lineup, bits))}
            )
            for rank, (one, score, chance, bits) in enumerate(columns, 1)
        ],
    }


def _explained(here: Runtime, prepared: Prepared, candidate: str, *, private: bool) -> dict[str, Any]:
    from apps.pipeline.run import explain as explain_in_pipeline

    world, surface = prepared.world, prepared.question.surface
    wanted = world.number_of(world.kinds[surface], candidate)
    if wanted is None:
        raise NotFound("There is no such candidate.", code="unknown_candidate", field="candidate")
    request = request_of(prepared)
    if not private:  # as if nobody had liked the viewer: neither a place nor a quota tells of it
        request = replace(request, viewer=replace(request.viewer, liked_by=NOBODY))
    capped = at_caps(prepared, request)
    found = explain_in_pipeline(without(request, capped[capped != wanted]), wanted)
    # Whoever is at a cap is left out before any source is asked.
    if wanted in capped and found.stage not in ("snapshot", "filters"):
        change = caps_reached(prepared, request, wanted)
        found = replace(found, shown=False, stage="cap", code="capped", change=change)
    if found.stage not in ("snapshot", "filters") and _is_gone(here, prepared, wanted):
        found = Explanation(wanted, False, "filters", "gone", private=True)
    if found.private and not private:
        found = Explanation(wanted, False, "filters", "not_told")
    why = _why_excluded(prepared, wanted) if found.code == "excluded" else None
    if why == ["seen"]:
        found = replace(found, change=shorter_cooldowns(prepared, request, wanted))
    return _told(world, found, prepared) | ({"because": why} if why else {})


def _is_gone(here: Runtime, prepared: Prepared, number: int) -> bool:
    """As the last guard says, ahead of the overlay. Raises Unavailable."""
    kind = prepared.world.kinds[prepared.question.surface]
    lost = lost_now(here, prepared, kind, np.array([number], "i4"))
    if lost is None:
        raise Unavailable("Safety facts can't be read now. Try again.")
    return bool(lost[0][0])


def _why_excluded(prepared: Prepared, number: int) -> list[str]:
    state = prepared.state
    parts = {"blocked": state.blocked, "related": state.related, "seen": state.seen, "held": state.held}
    return [name for name, numbers in parts.items() if number in numbers]


def _told(world: World, found: Explanation, prepared: Prepared | None) -> dict[str, Any]:
    from apps.pipeline.filters.rules import RULES

    rule = next((rule.sentence for rule in RULES if rule.name == found.code), None)
    assert world.snapshot is not None
    assert world.live is not None
    return {
        "shown": found.shown,
        "stage": found.stage,
        "code": found.code,
        "sentence": rule or EXPLANATIONS.get(found.code, found.code.replace("_", " ")),
        "rank": found.rank,
        "change": [dict(change) for change in found.change],
        "waterfall": _plain(found.waterfall) if found.waterfall else None,
        "release": prepared.payload["release"] if prepared else world.live.stable_number,
        "snapshot": world.snapshot.id,
    }


def _plain(value: Any) -> Any:
    """Plain values, numpy's numbers included, as JSON knows them."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    return value.item() if hasattr(value, "item") else value


def _check_limit(limit: int, most: int) -> None:
    if not 1 <= limit <= most:
        raise Problem(f"limit must be between 1 and {most}.", code="out_of_range", field="limit")
