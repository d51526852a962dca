"""Members of a simulated market who use the app now: they ask for lists, look, like, pass, and like back.

Takes the truth of a market that was written; each visit asks delivery for a real list and sends what follows
as the app would. Knows no ranking: what it likes, it likes by the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import numpy as np

from apps.common.clock import now
from apps.common.errors import Problem
from apps.delivery.services import recommend
from apps.interactions.bodies import EventBody
from apps.interactions.services import record_events
from apps.simulation.truth import Truth, index_of, member_id

LIMIT = 10
KEY = "simulated"
VISITED = 500  # a batch of events is sent when it is at least this long


@dataclass
class Traffic:
    """Counts of what came of it."""

    visits: int = 0
    shown: int = 0
    likes: int = 0
    returned: int = 0  # likes that were liked back
    refused: int = 0  # visits that got no list


def drive(
    truth: Truth,
    *,
    surface: str,
    visits: int,
    seed: int,
    say: Callable[[str], None] = lambda line: None,
) -> Traffic:
    """That many visits, spread evenly over the members who may look. The same seed visits in one order."""
    g = np.random.default_rng(seed)
    viewers = np.flatnonzero(truth.members.shown)
    order = np.concatenate([g.permutation(viewers) for _ in range(-(-visits // max(1, len(viewers))))])
    done, waiting = Traffic(), list[EventBody]()
    for viewer in order[:visits]:
        done.visits += 1
        try:
            member = member_id(truth.world, int(viewer))
            answer = recommend(surface=surface, member=member, limit=LIMIT, key_prefix=KEY)
        except Problem:
            done.refused += 1
            continue
        waiting += _visit(truth, surface, int(viewer), answer, g, done)
        if len(waiting) >= VISITED:
            _send(waiting)
            say(f"{done.visits} of {visits} visits, {done.likes} likes, {done.returned} liked back")
    _send(waiting)
    return done


def _visit(
    truth: Truth, surface: str, viewer: int, answer: dict[str, Any], g: np.random.Generator, done: Traffic
) -> Iterator[EventBody]:
    """What one list leads to. A like is liked back when the other reads it and likes the viewer too."""
    items = answer["items"]
    others = np.array([index_of(item["id"]) for item in items], "i8")
    myself = np.full(len(items), viewer)
    likes = g.random(len(items)) < truth.probability(surface, myself, others)
    decides = g.random(len(items)) < truth.world.decides
    back = np.zeros(len(items), "?")
    if surface != "travel":
        reads = g.random(len(items)) < truth.world.reads
        back = reads & (g.random(len(items)) < truth.probability(surface, others, myself))
    me = member_id(truth.world, viewer)
    for item, decided, liked, answered in zip(items, decides, likes, back, strict=True):
        about = {"surface": surface, "delivery": answer["delivery"], "position": item["rank"]}
        yield _event("impression", me, item["id"], **about)
        done.shown += 1
        if not decided:
            continue
        done.likes += bool(liked)
        yield _event(_decision(surface, liked), me, item["id"], **about)
        if liked and answered:
            done.returned += 1
            yield _event("like", item["id"], me, surface=surface)


def _decision(surface: str, liked: bool) -> str:
    if surface == "travel":
        return "save" if liked else "profile_view"
    return "like" if liked else "pass"


def _event(kind: str, actor: str, target: str, **about: Any) -> EventBody:
    said = {"id": str(uuid4()), "type": kind, "actor": actor, "target": target}
    if about["surface"] == "travel":
        said["target_kind"] = "place"
    return EventBody.model_validate(said | {"occurred_at": now().isoformat()} | about)


def _send(waiting: list[EventBody]) -> None:
    """Raises RuntimeError when one is refused: what members of the market do is always right."""
    refused = [result for result in record_events(waiting, now=now()) if result.status == "rejected"]
    if refused:
        raise RuntimeError(f"{len(refused)} events were refused, the first: {refused[0]}")
    waiting.clear()
