"""Walks a request through its line-up: eligible, proposed, scored, ordered.

Takes a Request, gives a Slate; the same request gives the same slate, bit for bit. It reads no clock and no
store, and it raises what a filter raises: whoever can't be checked is not shown.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from apps.pipeline.contracts import I32, Explanation, Pool, Request, Slate
from apps.pipeline.features.taste import with_taste_of_now
from apps.pipeline.filters import eligibility
from apps.pipeline.filters.rules import RULES
from apps.pipeline.lineup import LineUp, lineup_for
from apps.pipeline.params import FULL
from apps.pipeline.ranking.boosts import weigh
from apps.pipeline.ranking.caps import caps_of, looked_at
from apps.pipeline.ranking.matching import effects, words_of_numbers
from apps.pipeline.ranking.score import parts_of, score_pool, signals_in
from apps.pipeline.ranking.served import served_of
from apps.pipeline.reranking import random_order
from apps.pipeline.reranking.order import Order, reranked
from apps.pipeline.reranking.reasons import reasons_of
from apps.pipeline.retrieval.eligible import Eligible, find_eligible
from apps.pipeline.retrieval.propose import asked_of, propose, wanted_of
from apps.pipeline.snapshot import Snapshot
from apps.pipeline.trace import Trace
from apps.pipeline.trips import mixed, reasons_with_trip, requests_of


def run(request: Request, *, detailed: bool = False) -> Slate:
    """The list for one request.

    `detailed` adds the scored pool, and to the trace the filters' reasons by count.
    """
    request = with_taste_of_now(request)
    parts = requests_of(request)
    if len(parts) == 1:
        slate = _run(parts[0], detailed=detailed)
        return slate if request.stay is None else replace(slate, reasons=reasons_with_trip(request, slate))
    return mixed(request, [(part, _run(part, detailed=detailed)) for part in parts])


def eligible_count(request: Request) -> int:
    """How many may be shown, in all markets that share the list."""
    return sum(len(find_eligible(part)[0]) for part in requests_of(request))


def still_eligible(request: Request, numbers: I32) -> tuple[I32, I32]:
    """Those of `numbers` who may be shown, in all markets that share the list, and [n, 2] the caps of each.

    Asks no source and scores nobody.
    """
    asked = numbers if request.only is None else numbers[np.isin(numbers, request.only)]
    parts = requests_of(replace(request, only=asked))
    found = [(part, find_eligible(part)[0].numbers) for part in parts]
    caps = [caps_of(part, words_of_numbers(part, some), np.arange(len(some))) for part, some in found]
    return np.concatenate([some for _, some in found]), np.concatenate(caps)


def _run(request: Request, *, detailed: bool = False) -> Slate:
    """The list for one market."""
    trace, lineup = Trace(detailed), lineup_for(request)
    if request.widths != FULL and not request.params.random_order:
        trace.add("narrowed", 0, 0, heavy=request.widths.heavy, retrieved=request.widths.retrieved)
    asked = {} if request.params.random_order else asked_of(request, lineup.sources)
    eligible, received = find_eligible(request, wanted_of(request, lineup.sources, asked))
    trace.add("filters", received, len(eligible), **(_funnel(request) if detailed else {}))
    if request.params.random_order:
        pool, order = _in_random_order(request, eligible, trace)
    else:
        pool = propose(request, eligible, lineup.sources, asked, trace)
        pool = _scored(request, pool, trace)
        order = _reranked(request, pool, lineup, trace)
    return _slate(request, pool, order, len(eligible), trace)


def explain(request: Request, candidate: int) -> Explanation:
    """Why `candidate` is shown, or the first stage that lost them and the smallest change that would show
    them."""
    from apps.pipeline.explain import explain_candidate, market_of_candidate

    request = with_taste_of_now(request)
    parts = requests_of(request)
    market = market_of_candidate(request, candidate) if len(parts) > 1 else -1
    there = next((part for part in parts[1:] if part.market == market), parts[0])
    found = explain_candidate(there, candidate, _run)
    if len(parts) == 1 or found.stage in ("snapshot", "filters"):
        return found
    (at,) = np.nonzero(run(request).numbers == candidate)  # in the list that all markets share
    rank = int(at[0]) + 1 if len(at) else None
    if rank is not None and rank <= request.limit:
        return replace(found, shown=True, stage="shown", code="shown", rank=rank, change=())
    is_high_enough_at_home = there is parts[0] and found.rank is not None and found.rank <= request.limit
    if found.shown or is_high_enough_at_home:
        return replace(found, shown=False, stage="reranking", code="lost_to_trips", rank=rank)
    return replace(found, rank=rank)


def warm(snapshot: Snapshot) -> None:
    """Loads every compiled pass and walks each surface once, before a process accepts requests."""
    from apps.pipeline.warming import load_passes, warm_requests

    load_passes()
    for request in warm_requests(snapshot):
        run(request)


def _in_random_order(request: Request, eligible: Eligible, trace: Trace) -> tuple[Pool, Order]:
    drawn = random_order.draw(request.seed, len(eligible), _length(request))
    ascending = np.sort(drawn)
    n = len(drawn)
    table, zeros = eligible.pick(ascending), np.zeros(n, "f4")
    words, _, about = weigh(request, table, eligible.rows_at(ascending))  # the hold-out has caps
    pool = Pool(table, np.zeros(n, "u4"), p=zeros, q=zeros, score=zeros, words=words, about=about)
    trace.add("random_order", len(eligible), n)
    return pool, Order(np.searchsorted(ascending, drawn), np.full(n, 1.0 / max(len(eligible), 1), "f4"))


def _scored(request: Request, pool: Pool, trace: Trace) -> Pool:
    scored, lost = score_pool(request, pool)
    signals = signals_in(request, scored)
    detail: dict[str, Any] = {"lost_features": lost} if lost else {}
    if scored.heavy is not None:
        detail["heavy"] = int(np.count_nonzero(scored.heavy))
    trace.add("score", len(pool), len(scored), **detail, **({"signals": signals} if signals else {}))
    return scored


def _reranked(request: Request, pool: Pool, lineup: LineUp, trace: Trace) -> Order:
    steps = reranked(request, pool, lineup.rerankers)
    _, order = next(steps)
    for name, after in steps:
        trace.add(name, len(order), len(after))
        order = after
    return order


def _slate(request: Request, pool: Pool, order: Order, eligible: int, trace: Trace) -> Slate:
    kept = order.positions[: _length(request)]
    shown = min(len(kept), max(request.limit, 0))
    parts = {} if request.params.random_order else parts_of(request, pool, kept[:shown])
    trace.add("slate", len(order), len(kept), shown=shown, **({"parts": parts} if parts else {}))
    caps, there = looked_at(request, pool.words, kept, shown)
    ranked = pool.table["number"]
    numbers = ranked[kept]
    if request.rules is not None and request.rules.have("rules"):
        touched = effects(request.rules, pool.about, there, ranked, numbers[:shown])
        trace.add("rules", len(pool), len(pool), rules=touched)
    return Slate(
        numbers=numbers,
        scores=pool.score[kept],
        propensity=order.propensity[: len(kept)],
        sources=pool.sources[kept],
        reasons=reasons_of(request, pool.table, kept),
        eligible=eligible,
        trace=trace,
        pool=pool if trace.detailed else None,
        ranked=ranked,
        caps=caps,
        served=served_of(request, pool, kept) if request.logs_features else None,
        held=order.held[order.held < shown],
    )


def _length(request: Request) -> int:
    return max(request.limit, 0) + max(request.reserve, 0)


def _funnel(request: Request) -> dict[str, dict[str, int]]:
    """How many of the market each rule refused first, by name."""
    span = eligibility.market_rows(request.data, eligibility.market_of(request))
    marks = eligibility.marks_of_rows(request, *span)
    refused = eligibility.judge(request, eligibility.market_table(request), marks)
    counts = np.bincount(eligibility.first_reason(refused), minlength=1)
    return {"reasons": {rule.name: int(counts[rule.code]) for rule in RULES if rule.code < len(counts)}}
