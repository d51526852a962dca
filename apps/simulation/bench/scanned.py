"""How many rows of the market one request's search judges: those of the blocks that it can't skip."""

from __future__ import annotations

from apps.pipeline.blocks import ROWS
from apps.pipeline.contracts import Request
from apps.pipeline.filters.eligibility import market_of, market_rows, who
from apps.pipeline.passes import Passes

scan = Passes("retrieval.scan")


def rows_scanned(request: Request) -> int:
    """Of the snapshot's members; those who changed since are judged beside them."""
    start, stop = market_rows(request.data, market_of(request))
    asks, blocks = who(request), request.data.blocks
    return sum(
        min((b + 1) * ROWS, stop) - max(b * ROWS, start)
        for b in range(start // ROWS, -(-stop // ROWS))
        if not (len(blocks) and scan.block_refusals(asks, blocks, b))
    )
