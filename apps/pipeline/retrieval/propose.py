"""Asks the sources for candidates and merges what they propose into one pool.

Takes the eligible and a line-up's sources, gives a pool with a bit per source. Sources fail open: one that
raises is lost, and the trace says so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from apps.pipeline.contracts import U32, Pool, Request
from apps.pipeline.passes import Passes
from apps.pipeline.retrieval.eligible import Eligible, Source
from apps.pipeline.trace import Trace

look_up = Passes("retrieval.look_up")

BY_RULES = "pinned"  # the source of those whom rules pin: no width narrows it


def quota_of(request: Request, source: Source) -> int:
    """How many this source may propose; 0: it is off."""
    if source.name in request.params.disabled_stages:
        return 0
    return max(int(request.params.quotas.get(source.name, source.quota)), 0)


def quotas_of(request: Request, sources: Sequence[Source]) -> dict[str, int]:
    """How many each source is asked for, by name: its quota, or its part of a narrower width.

    No source goes silent for want of time, and a list has always twice as many to choose from as it needs.
    """
    quotas = {source.name: quota_of(request, source) for source in sources}
    if not request.widths.retrieved:
        return quotas
    most = max(request.widths.retrieved, 2 * (request.limit + request.reserve))
    total = sum(quotas.values()) - quotas.get(BY_RULES, 0)
    if total <= most:
        return quotas
    return {n: q if n == BY_RULES else -(-q * most // total) for n, q in quotas.items()}


def wanted_of(request: Request, sources: Sequence[Source]) -> dict[str, int]:
    """How many the sources that propose by a key will ask for, by key."""
    quotas = quotas_of(request, sources)
    return {source.key: quotas[source.name] for source in sources if source.key}


def propose(request: Request, eligible: Eligible, sources: Sequence[Source], trace: Trace) -> Pool:
    """The pool of all that the sources propose; everybody eligible, without a source, where `only` names
    them."""
    bits = np.zeros(len(eligible), "u4")
    if request.only is not None:
        everybody = np.arange(len(eligible))
        return Pool(eligible.pick(everybody), bits, eligible.rows_at(everybody))
    quotas = quotas_of(request, sources)
    for i, source in enumerate(sources):
        quota = quotas[source.name]
        if quota:
            _ask(request, eligible, source, quota, 1 << i, bits, trace)
    (found,) = bits.nonzero()
    trace.add("merge", len(bits), len(found))
    return Pool(eligible.pick(found), bits[found], eligible.rows_at(found))


def _ask(
    request: Request, eligible: Eligible, source: Source, quota: int, bit: int, bits: U32, trace: Trace
) -> None:
    """Sets the source's bit for those whom it proposes."""
    try:
        positions = np.ascontiguousarray(source.propose(request, eligible, quota), "i8")[:quota]
        if not look_up.mark(positions, bit, bits):
            raise IndexError(f"{source.name} proposed somebody who is not eligible")
    except Exception as error:  # a lost source means fewer candidates, never no list
        trace.add(source.name, len(bits), 0, lost=type(error).__name__)
    else:
        trace.add(source.name, len(bits), len(positions))
