"""Asks the sources for candidates and merges what they propose into one pool.

Takes the eligible and a line-up's sources, gives a pool with a bit for every source that found a candidate.
Sources fail open: one that raises or has had its time is lost, and the trace says so. Where there is less
room than they propose, room.py says who stays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from apps.pipeline.contracts import I64, U32, Pool, Request
from apps.pipeline.passes import Passes
from apps.pipeline.retrieval.eligible import Eligible, Source
from apps.pipeline.retrieval.room import Bid, keep
from apps.pipeline.trace import Trace
from apps.pipeline.watch import OutOfTime

look_up = Passes("retrieval.look_up")

BY_RULES = "pinned"  # the source of those whom rules pin: they stay beside the room
NOBODY: I64 = np.zeros(0, "i8")


class Proposal:
    """What became of one source: `positions` of the eligible, best first, at most as many as it was `asked`
    for; how many of them there is room for (-1: for all), and what is to say of it."""

    __slots__ = ("asked", "bit", "kept", "positions", "said", "source")

    def __init__(self, source: Source, bit: int, asked: int) -> None:
        self.source, self.bit, self.asked = source, bit, asked
        self.positions, self.kept = NOBODY, -1
        self.said: dict[str, Any] = {}


def quota_of(request: Request, source: Source) -> int:
    """How many this source may propose; 0: it is off."""
    if source.name in request.params.disabled_stages:
        return 0
    return max(int(request.params.quotas.get(source.name, source.unsaid)), 0)


def budget_of(request: Request, source: Source) -> float:
    """How many ms of a request this source may take; 0: as long as it likes.

    What the pass over the eligible tells has no time of its own.
    """
    return 0.0 if source.key else request.params.source_budgets.get(source.name, source.budget)


def room_of(request: Request) -> int:
    """For how many of the proposed there is room by policy; 0: for all of them. Pins stay beside it."""
    return _enough(request, request.params.room) if request.params.room > 0 else 0


def asked_of(request: Request, sources: Sequence[Source]) -> dict[str, int]:
    """How many each source is asked for, by name: its quota, or its part of a narrower width.

    Short of time, parts go by quota and weight, and are no less than the minimum share; pins have no part.
    """
    quotas = {source.name: quota_of(request, source) for source in sources}
    if not request.widths.retrieved:
        return quotas
    most, weights = _enough(request, request.widths.retrieved), request.params.source_weights
    claims = {name: quota * weights.get(name, 1.0) for name, quota in quotas.items() if name != BY_RULES}
    if sum(quotas[name] for name in claims) <= most:
        return quotas
    part, shares = most / sum(claims.values()), request.params.source_shares
    narrower = {n: math.ceil(max(claim * part, shares.get(n, 0.0) * most)) for n, claim in claims.items()}
    return {name: min(quota, narrower.get(name, quota)) for name, quota in quotas.items()}


def _enough(request: Request, room: int) -> int:
    """A list always has twice as many to choose from as it needs."""
    return max(room, 2 * (request.limit + request.reserve))


def wanted_of(request: Request, sources: Sequence[Source], asked: Mapping[str, int]) -> dict[str, int]:
    """How many the sources that propose by a key will ask for, by key."""
    return {
        s.key: asked[s.name] for s in sources if s.key and s.name in asked and s.name not in request.left_out
    }


def propose(
    request: Request, eligible: Eligible, sources: Sequence[Source], asked: Mapping[str, int], trace: Trace
) -> Pool:
    """The pool of those whom the sources propose, as many as each is asked for; everybody eligible, without a
    source, where `only` names them."""
    bits = np.zeros(len(eligible), "u4")
    if request.only is not None:
        everybody = np.arange(len(eligible))
        return Pool(eligible.pick(everybody), bits, eligible.rows_at(everybody))
    proposals = []
    for i, source in enumerate(sources):
        if asked[source.name]:
            proposal = Proposal(source, 1 << i, asked[source.name])
            _ask(request, eligible, proposal, bits)
            proposals.append(proposal)
    (merged,) = (bits != 0).nonzero()  # a third of what it costs of numbers
    kept, room = merged, room_of(request)
    if room and len(merged) > room:
        kept = _within(room, request, eligible, proposals, bits)
    for one in proposals:
        found = len(one.positions)
        trace.add(one.source.name, len(bits), found if one.kept < 0 else one.kept, **one.said)
    trace.add("merge", len(bits), len(merged))
    if len(kept) < len(merged):
        trace.add("room", len(merged), len(kept), room=room)
    return Pool(eligible.pick(kept), bits[kept], eligible.rows_at(kept))


def _ask(request: Request, eligible: Eligible, proposal: Proposal, bits: U32) -> None:
    """Sets the source's bit for those whom it proposes."""
    source, watch, said = proposal.source, request.watch, proposal.said
    name = source.name
    if name in request.left_out:
        said["skipped"] = request.left_out[name]
        return
    if watch is not None:
        budget = budget_of(request, source)
        watch.begin(name, budget)
    try:
        positions = np.ascontiguousarray(source.propose(request, eligible, proposal.asked), "i8")
        positions = positions[: proposal.asked]
        if not look_up.mark(positions, proposal.bit, bits):
            raise IndexError(f"{name} proposed somebody who is not eligible")
        proposal.positions = positions
    except Exception as error:  # a lost source means fewer candidates, never no list
        said["lost"] = type(error).__name__
        if watch is not None:
            watch.failed[name] = "stopped" if isinstance(error, OutOfTime) else "raised"
    if watch is not None:
        said["ms"], is_late = watch.end()
        if is_late and name not in watch.failed:
            watch.failed[name] = "late"
            said["late"] = f"over {budget:g} ms"


def _within(room: int, request: Request, eligible: Eligible, proposals: Sequence[Proposal], bits: U32) -> I64:
    """Those for whom there is room. Says of each source how many it found, and of one with a share how much
    of the room is for it."""
    weights, shares, always = request.params.source_weights, request.params.source_shares, 0
    bids = []
    for one in proposals:
        name = one.source.name
        if name == BY_RULES:
            always = one.bit
        bid = Bid(
            one.positions,
            quota_of(request, one.source),
            weights.get(name, 1.0),
            shares.get(name, 0.0),
            competes=name != BY_RULES,
        )
        bids.append(bid)
        one.said["found"] = len(one.positions)
        if bid.share:
            one.said["least"] = bid.least(room)
    kept, counts = keep(room, bids, eligible, bits, always)
    for one, n in zip(proposals, counts, strict=True):
        one.kept = n
    return kept
