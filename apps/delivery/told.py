"""What the pipeline was told beside its release and snapshot, packed into a delivery's row for replay.

Takes the request that was run, gives at most MOST_PACKED bytes, and the other way round. Whoever joined or
changed after the snapshot is in no file, so their rows are kept here: the viewer's own, and those of
candidates of the viewer's market; of those who changed without what only a refresh knows.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import cache
from hashlib import blake2b
from importlib.metadata import version
from platform import machine
from typing import Any

import numpy as np
import zstandard

from apps.delivery.told_signals import NO_CROWD, Crowd, bytes_of_signals, crowd_of, signals_from
from apps.pipeline.contracts import I32, I64, NOBODY, Request, Slate
from apps.pipeline.features.calendar import hour_of
from apps.pipeline.filters import eligibility
from apps.pipeline.sets import distinct, is_in, union
from apps.pipeline.signals import Signals
from apps.pipeline.snapshot import SurfaceData, rows_in
from apps.pipeline.table import COLUMNS, Table, as_refreshed, without_refreshed
from apps.pipeline.trips import requests_of

MOST_PACKED = 8192  # bytes of a delivery's viewer state
FEW = 8  # newcomers who are kept without asking who of them is eligible
FORMAT = b"\x06"  # the first byte
PARTS = 7  # sets of numbers: excluded, liked by, capped, gone, only, stale, untied
_of_thread = threading.local()  # a compressor serves one thread at a time

# (surface, set) -> of what, and by market those of the set who are there
_by_market: dict[tuple[str, str], tuple[SurfaceData, I32, dict[int, I32]]] = {}


@dataclass(frozen=True)
class Told:
    """Sorted numbers, and rows that no snapshot has. `only` None: everybody was looked at."""

    excluded: I32 = field(default_factory=lambda: NOBODY)
    liked_by: I32 = field(default_factory=lambda: NOBODY)
    capped: I32 = field(default_factory=lambda: NOBODY)
    gone: I32 = field(default_factory=lambda: NOBODY)
    only: I32 | None = None
    stale: I32 = field(default_factory=lambda: NOBODY)
    untied: I32 = field(default_factory=lambda: NOBODY)
    viewer: Table | None = None
    newcomers: Table | None = None
    signals: Signals = field(default_factory=Signals)
    crowd: Crowd = field(default_factory=lambda: NO_CROWD)  # of the signals what is true of candidates


def told_by(request: Request, capped: I32, ranked: I32 = NOBODY) -> Told:
    """What a request says. `capped`: who was left out for a cap before ranking; `ranked`: who was ranked."""
    viewer, newcomers = request.viewer, _newcomers(request)
    return Told(
        excluded=viewer.excluded,
        liked_by=viewer.liked_by,
        capped=capped,
        gone=_that_matter(request, "gone", request.gone),
        only=request.only,
        stale=_stale(request, newcomers),
        untied=_untied(request),
        viewer=_viewer(request),
        newcomers=newcomers,
        signals=viewer.signals,
        crowd=crowd_of(ranked, viewer.signals, hour_of(request.now)),
    )


def with_refreshed(told: Told, data: SurfaceData) -> Told:
    """With what the snapshot's refresh knew of those whose row is newer, which is not packed."""
    viewer, newcomers = told.viewer, told.newcomers
    if viewer is not None:
        viewer = _refilled(viewer, data.viewers, data.viewer_row_of)
    if newcomers is not None:
        newcomers = _refilled(newcomers, data.candidates, data.row_of)
    return replace(told, viewer=viewer, newcomers=newcomers)


def pack(told: Told) -> bytes:
    """At most MOST_PACKED bytes; empty where it doesn't fit."""
    only = NOBODY if told.only is None else told.only
    parts = (told.excluded, told.liked_by, told.capped, told.gone, only, told.stale, told.untied)
    tables = [table for table in (told.viewer, told.newcomers) if table is not None]
    head = [len(part) for part in parts] + [int(told.only is not None)]
    head += [0 if table is None else len(table) for table in (told.viewer, told.newcomers)]
    data = [np.array(head, "<i4").tobytes(), _steps(parts), *map(_bytes_of, tables)]
    data.append(bytes_of_signals(told.signals, told.crowd))
    packed = FORMAT + _compressor().compress(b"".join(data))
    return packed if len(packed) <= MOST_PACKED else b""


def _compressor() -> zstandard.ZstdCompressor:
    """Kept: to set one up costs more than a few thousand bytes."""
    compressor: zstandard.ZstdCompressor | None = getattr(_of_thread, "compressor", None)
    if compressor is None:
        compressor = _of_thread.compressor = zstandard.ZstdCompressor(level=1)
    return compressor


def _steps(parts: Sequence[I32]) -> bytes:
    """From each number of a part to the next, from 0 to its first: all first bytes, then all second ones and
    so on, since most steps are less than 256."""
    numbers = np.concatenate(parts)
    steps = np.empty(len(numbers), "<i4")
    np.subtract(numbers[1:], numbers[:-1], out=steps[1:])
    at = 0
    for part in parts:
        if len(part):
            steps[at] = part[0]
            at += len(part)
    return steps.view("u1").reshape(-1, 4).T.tobytes()


def unpack(packed: bytes, kind: str, now: float = 0.0) -> Told:
    """The other way round, for a request at `now`. `kind`: of the candidates. ValueError on other bytes."""
    if packed[:1] != FORMAT:
        raise ValueError("This state was packed in another form.")
    try:
        data = zstandard.ZstdDecompressor().decompress(packed[1:])
    except zstandard.ZstdError as error:
        raise ValueError("These bytes are no packed state.") from error
    head = np.frombuffer(data, "<i4", PARTS + 3).tolist()
    *counts, has_only, viewers, newcomers = head
    at = 4 * len(head)
    bytes_of_steps = np.frombuffer(data, "u1", 4 * sum(counts), at).reshape(4, -1)
    steps = np.ascontiguousarray(bytes_of_steps.T).view("<i4").reshape(-1)
    ends = np.cumsum(counts)
    parts = [np.cumsum(part, dtype="i4") for part in np.split(steps, ends[:-1])]
    at += 4 * int(ends[-1])
    viewer, at = _table_from(data, at, "member", viewers)
    new, at = _table_from(data, at, kind, newcomers)
    signals, at = signals_from(data, at, hour_of(now))
    if at != len(data):
        raise ValueError("These bytes are no packed state.")
    excluded, liked_by, capped, gone, asked, stale, untied = parts
    only = asked if has_only else None
    return Told(excluded, liked_by, capped, gone, only, stale, untied, viewer, new, signals)


def inputs_of(request: Request, slate: Slate, told: Told) -> dict[str, Any]:
    """Names of what the list was made from, so that a replay knows whether it has the same."""
    rules = request.rules.rules.digest if request.rules is not None else ""
    return {
        "build": build(),
        "market": request.market,
        **({"day": request.day} if request.day is not None else {}),
        **({"stay": astuple(request.stay)} if request.stay is not None else {}),
        **({"trips": [astuple(trip) for trip in request.trips]} if request.trips else {}),
        "prices": request.snapshot.id,  # a snapshot holds one version of them
        "rules": rules,
        "newcomers": [] if told.newcomers is None else told.newcomers["number"].tolist(),
        "slate": digest_of(slate),
        "widths": [request.widths.heavy, request.widths.retrieved],
    }


def digest_of(slate: Slate) -> str:
    """Names a slate bit for bit, its reserve included."""
    columns = (slate.numbers, slate.scores, slate.propensity, slate.sources)
    return blake2b(b"".join(column.tobytes() for column in columns), digest_size=12).hexdigest()


@cache
def build() -> str:
    """What computes: on another build or processor the last bits of a score may differ."""
    return f"numpy {version('numpy')}, numba {version('numba')}, {machine()}"


def _viewer(request: Request) -> Table | None:
    """The viewer's row unless the snapshot's is the latest."""
    viewer, data = request.viewer, request.data
    if not (0 <= viewer.number < len(data.viewer_row_of) and data.viewer_row_of[viewer.number] >= 0):
        return viewer.row
    return without_refreshed(viewer.row, np.zeros(1, "i8")) if viewer.is_fresh else None


def _newcomers(request: Request) -> Table | None:
    """Those of the viewer's market and of their trips, for nobody else can be in the list; of many, only who
    is eligible."""
    table = request.newcomers
    if table is None or not len(table):
        return None
    rows = np.sort(np.concatenate([_rows_for(part, table) for part in requests_of(request)]))
    if not len(rows):
        return None
    kept = table.gather(rows)
    return without_refreshed(kept, np.flatnonzero(eligibility.rows_of(request.data, kept["number"]) >= 0))


def _rows_for(request: Request, table: Table) -> I64:
    here = table["market"] == eligibility.market_of(request)
    if request.only is not None:
        here &= np.isin(table["number"], request.only)
    rows = np.flatnonzero(here)
    if len(rows) > FEW:
        names = ("number", *eligibility.JUDGED[table.kind])  # nobody else is copied whole
        judged = Table(table.kind, {name: table[name][rows] for name in names})
        rows = rows[eligibility.reasons(request, judged) == 0]
    return rows


def _that_matter(request: Request, which: str, numbers: I32) -> I32:
    """Of sorted numbers in the snapshot those of the viewer's market, and the viewer's connections: who else
    is gone changes nothing in this list."""
    if not len(numbers):
        return numbers
    near = request.snapshot.connections.neighbours(request.viewer.number)
    here = [_of_market(part, which, numbers) for part in requests_of(request)]
    return distinct(np.concatenate([*here, near[is_in(near, numbers)]]))


def _of_market(request: Request, which: str, numbers: I32) -> I32:
    """Those of numbers that the snapshot has in the viewer's market: the same for all its viewers, until
    there is another snapshot or the overlay brings other numbers. `which`: names the set."""
    data, market = request.data, eligibility.market_of(request)
    kept = _by_market.get((data.key, which))
    if kept is None or kept[0] is not data or kept[1] is not numbers:
        kept = _by_market[data.key, which] = (data, numbers, {})
    found = kept[2].get(market)
    if found is None:
        rows = eligibility.rows_of(data, numbers)
        start, stop = eligibility.market_rows(data, market)
        found = kept[2][market] = numbers[(rows >= start) & (rows < stop)]
    return found


def _stale(request: Request, newcomers: Table | None) -> I32:
    """With whoever came to the viewer's market, of whom the snapshot has a row in another one."""
    if not len(request.stale):
        return request.stale
    new = NOBODY if newcomers is None else newcomers["number"]
    came = new[is_in(new, request.stale)]
    return union(_that_matter(request, "stale", request.stale), came)


def _untied(request: Request) -> I32:
    """The viewer, their connections, and whom walks of theirs reach."""
    if not len(request.untied):
        return request.untied
    viewer, snapshot = request.viewer.number, request.snapshot
    graphs = [snapshot.connections, *snapshot.pagerank.values()]
    near = np.concatenate([[viewer], *(graph.neighbours(viewer) for graph in graphs)]).astype("i4")
    return distinct(near[is_in(near, request.untied)])


def _refilled(table: Table, known: Table, row_of: I32) -> Table:
    """The order of rows is kept."""
    rows = rows_in(row_of, table["number"])
    at = np.flatnonzero(rows >= 0)
    if not len(at):
        return table
    full = as_refreshed(table.gather(at), known.gather(rows[at]))
    columns = {name: column.copy() for name, column in table.columns.items()}
    for name, column in columns.items():
        column[at] = full[name]
    return Table(table.kind, columns)


def _bytes_of(table: Table) -> bytes:
    return b"".join(np.ascontiguousarray(table[name]).tobytes() for name in COLUMNS[table.kind])


def _table_from(data: bytes, at: int, kind: str, rows: int) -> tuple[Table | None, int]:
    if not rows:
        return None, at
    columns: dict[str, Any] = {}
    for name, (dtype, shape) in COLUMNS[kind].items():
        count = rows * int(np.prod(shape, initial=1))
        columns[name] = np.frombuffer(data, dtype, count, at).reshape(_shape(rows, shape)).copy()
        at += count * np.dtype(dtype).itemsize
    return Table(kind, columns), at


def _shape(rows: int, shape: Sequence[int]) -> tuple[int, ...]:
    return (rows, *shape)
