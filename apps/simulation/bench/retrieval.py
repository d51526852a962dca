"""Retrieval as one request sees it: pools of several sizes, few or many of them eligible, vectors stored both
ways, beside plain numpy.

A viewer's range of ages, limit and surface are set so that about the wanted share of the market is eligible.
The plain numpy version finds the same on the same stored vectors, so it is the measure of recall, too. Where
most are eligible, the time is also put beside what memory needs to give the columns that the pass reads. When
hnswlib is installed, it is asked for more than wanted, and what is not eligible is dropped.
"""

from __future__ import annotations

import importlib
import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from django.conf import settings

from apps.pipeline.contracts import I32, I64, Request, Viewer
from apps.pipeline.filters.eligibility import JUDGED, refusals, rows_of
from apps.pipeline.lineup import PEOPLE
from apps.pipeline.params import PipelineParams
from apps.pipeline.retrieval import oracle
from apps.pipeline.retrieval.eligible import Eligible, find_eligible
from apps.pipeline.retrieval.fit import fit_of
from apps.pipeline.snapshot import Snapshot
from apps.pipeline.table import Table
from apps.simulation.bench.pool import NOW, pool_of_size
from apps.simulation.bench.processes import Cpu, cpu_of_this
from apps.simulation.bench.scanned import rows_scanned

POOLS = (5_000, 50_000, 200_000, 1_000_000)
SHARES = {"1pct": 0.01, "10pct": 0.10, "80pct": 0.80}
VIEWERS = 12
CHECKED = 3  # viewers of each case whose list is compared with the oracle's
WANTED = {source.key: source.quota for source in PEOPLE.sources if source.key}
HALF = "bfloat16"  # figures of vectors stored so end in this; the others are of float32
BOUNDED = "80pct"  # the share at which memory is what bounds the pass
# Columns that the pass reads of the eligible alone, beside the judged ones of everybody.
OF_ELIGIBLE = ("number", "joined_day", "active_hour", "selectivity", "appeal", "price", "taste", "looks")
UNCACHED = 2**28  # bytes that no cache holds
CLOSE = 1e-5  # two fits this near are the same up to the order of summing
LARGEST_INDEX = 50_000  # members that an approximate index is built of
NAMES = {5_000: "5k", 50_000: "50k", 200_000: "200k", 1_000_000: "1m"}


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    members: int = 1_000_000  # the largest pool
    seconds: float = 1.0  # per case and round
    repeat: int = 5
    seen: int = 500
    held: int = 50


def bench_retrieval(plan: Plan, say: Callable[[str], object]) -> dict[str, float | None]:
    """Figures by name; None for what was not measured."""
    figures: dict[str, float | None] = dict.fromkeys(_figures())
    recalls = []
    for pool in (pool for pool in POOLS if pool <= plan.members):
        base = Path(settings.VAR_DIR) / "bench"
        snapshot, half = pool_of_size(pool, base), pool_of_size(pool, base, vectors=HALF)
        for share, wanted in SHARES.items():
            requests = _requests(snapshot, wanted, plan)
            halves = [replace(request, snapshot=half) for request in requests]
            name = f"{NAMES[pool]}_{share}"
            asked = {name: requests, f"{name}_{HALF}": halves}
            for of, found in _measure(plan, asked, bounded=share == BOUNDED).items():
                figures |= {f"{key}_{of}": value for key, value in found.items() if key != "recall"}
                recalls.append(found["recall"])
                say(_line(of, found))
        if pool <= LARGEST_INDEX and pool == max(p for p in POOLS if p <= LARGEST_INDEX):
            figures |= _beside_an_index(plan, snapshot, say)
    figures["recall"] = min(recalls, default=None)
    figures["ratio_to_numpy_50k"] = figures.pop("ratio_to_numpy_50k_10pct")
    return {name: value if value is None else round(value, 4) for name, value in figures.items()}


def _figures() -> Iterator[str]:
    for pool in NAMES.values():
        for share in SHARES:
            for key in (
                "p50_ms",
                "best_ms",
                "p95_ms",
                "p99_ms",
                "cpu_ms",
                "cpu_user_ms",
                "cpu_system_ms",
                "rows_scanned",
                "numpy_p50_ms",
                "ratio_to_numpy",
                "eligible",
                "spread_ms",
            ):
                yield from (f"{key}_{pool}_{share}", f"{key}_{pool}_{share}_{HALF}")
        for key in ("bound_ms", "bound_best_ms", "bound_mb", "ratio_to_bound"):
            yield from (f"{key}_{pool}_{BOUNDED}", f"{key}_{pool}_{BOUNDED}_{HALF}")
    for share in SHARES:
        yield from (f"hnsw_recall_50k_{share}", f"hnsw_p50_ms_50k_{share}")


def _measure(plan: Plan, asked: Mapping[str, list[Request]], *, bounded: bool) -> dict[str, dict[str, float]]:
    """Figures by name of the same viewers' requests. In each round one way of storing comes after the other,
    and each before what bounds it, so that all meet the same machine; numpy in the same run."""
    took: dict[str, list[list[float]]] = {name: [] for name in asked}
    cpu = dict.fromkeys(asked, Cpu(0.0, 0.0))
    read: dict[str, list[list[float]]] = {name: [] for name in asked}
    sizes = {name: statistics.median(map(_bytes_read, asked[name])) for name in asked if bounded}
    readers = {name: _reader(int(size)) for name, size in sizes.items()}
    seconds = plan.seconds / len(asked)
    for _ in range(plan.repeat):
        for name, requests in asked.items():
            before = cpu_of_this()
            took[name].append(_timed(_ask, requests, seconds))
            cpu[name] += cpu_of_this() - before
            if bounded:
                read[name].append(_timed(readers[name], requests, seconds / 4))
    found = {name: _told(took[name], cpu[name], requests, seconds) for name, requests in asked.items()}
    for name, size in sizes.items():
        found[name] |= _bound(found[name]["p50_ms"], read[name], size)
    return found


def _told(took: list[list[float]], cpu: Cpu, requests: list[Request], seconds: float) -> dict[str, float]:
    """Of the seconds that each call of each round took, and the CPU of all of them."""
    rounds, taken = [statistics.median(one) for one in took], [call for one in took for call in one]
    plain = _timed(_ask_oracle, requests, seconds)
    p50, numpy_p50 = statistics.median(rounds), statistics.median(plain)
    return {
        "p50_ms": p50 * 1e3,
        "best_ms": min(taken) * 1e3,
        "p95_ms": float(np.quantile(taken, 0.95)) * 1e3,
        "p99_ms": float(np.quantile(taken, 0.99)) * 1e3,
        "cpu_ms": cpu.total / len(taken) * 1e3,
        "cpu_user_ms": cpu.user / len(taken) * 1e3,
        "cpu_system_ms": cpu.system / len(taken) * 1e3,
        "rows_scanned": statistics.median(map(rows_scanned, requests)),
        "spread_ms": (max(rounds) - min(rounds)) * 1e3,
        "numpy_p50_ms": numpy_p50 * 1e3,
        "ratio_to_numpy": numpy_p50 / p50,
        "eligible": statistics.median(len(find_eligible(request)[0]) for request in requests),
        "recall": min(_recall(request) for request in requests[:CHECKED]),
    }


def _reader(size: int) -> Callable[[Request], object]:
    """Reads as many bytes in one go and does next to nothing with them; others each time, from memory."""
    parts = itertools.cycle(np.ones((max(UNCACHED // size, 1), size // 4), "i4"))
    return lambda _: next(parts).max()


def _bound(p50_ms: float, read: list[list[float]], size: float) -> dict[str, float]:
    """The time of reading as many bytes as the pass does, were all else free."""
    bound_ms = statistics.median(statistics.median(one) for one in read) * 1e3
    return {
        "bound_ms": bound_ms,
        "bound_best_ms": min(map(min, read)) * 1e3,
        "bound_mb": size / 1e6,
        "ratio_to_bound": p50_ms / bound_ms,
    }


def _bytes_read(request: Request) -> int:
    """By the pass, when it can skip no block of the market."""
    columns, eligible = request.data.candidates.columns, len(find_eligible(request)[0])
    judged = sum(columns[name].nbytes for name in JUDGED["member"])
    return judged + eligible * sum(columns[name][:1].nbytes for name in OF_ELIGIBLE)


def _timed(ask: Callable[[Request], object], requests: list[Request], seconds: float) -> list[float]:
    """Seconds of each call, viewers in turn, each at least once."""
    took: list[float] = []
    deadline = time.perf_counter() + seconds
    while len(took) < len(requests) or time.perf_counter() < deadline:
        start = time.perf_counter()
        ask(requests[len(took) % len(requests)])
        took.append(time.perf_counter() - start)
    return took


def _ask(request: Request) -> tuple[Eligible, list[I64]]:
    """Everybody eligible, and what each source that proposes by a key would propose."""
    found, _ = find_eligible(request, WANTED)
    return found, [found.top(key, most) for key, most in WANTED.items()]


def _ask_oracle(request: Request) -> tuple[I32, dict[str, I64]]:
    return oracle.search(request, fit_of(request), WANTED)


def _recall(request: Request) -> float:
    """Share of the best by fit that were found: their fit reaches the last one's of the oracle."""
    (rows, best), (found, _) = _ask_oracle(request), _ask(request)
    if not np.array_equal(found.rows, rows):
        return 0.0
    fit, wanted = fit_of(request), WANTED["fit"]
    expected = oracle.key_of("fit", request, found.pick(best["fit"]), fit)
    reached = oracle.key_of("fit", request, found.pick(found.top("fit", wanted)), fit)
    return float(np.sum(reached >= expected[-1] - CLOSE)) / len(expected) if len(expected) else 1.0


def _requests(snapshot: Snapshot, share: float, plan: Plan) -> list[Request]:
    """Viewers of whom about this share of the market is eligible."""
    surface = "networking" if share > 0.5 else "dating"
    data, draw = snapshot.surfaces[surface], np.random.default_rng(7)
    numbers, found = np.asarray(data.candidates["number"]), []
    for row in draw.integers(0, len(numbers), VIEWERS).tolist():
        excluded = draw.choice(numbers, min(plan.seen + plan.held, len(numbers) // 10), replace=False)
        viewer = Viewer(data.viewers.gather(np.array([row])), excluded=np.sort(excluded).astype("i4"))
        params = PipelineParams(lineup=PEOPLE.name)
        request = Request(snapshot, surface, params, viewer, limit=20, now=NOW, seed=row)
        found.append(narrowed(request, share * len(numbers)))
    return found


def narrowed(request: Request, wanted: float) -> Request:
    """The request of a viewer to whom about `wanted` are eligible.

    Open to all and without a limit; then from the viewer's age on as wide a range of ages as it takes, and
    the shortest limit.
    """
    row = request.viewer.row
    age = int(NOW / 31_557_600 + 1970) - int(row["birth_date"][0]) // 10000
    open_to_all = {"age_min": 0, "age_max": 120, "intents": 0xFFFF, "max_distance": 0, "x": 0, "y": 0}
    asked = _with(request, open_to_all)
    for years in range(60):
        narrower = _with(asked, {"age_min": max(age - years, 18), "age_max": age + years})
        if len(find_eligible(narrower)[0]) >= wanted:
            break
    else:
        return asked
    return _nearer(narrower, wanted)


def _nearer(request: Request, wanted: float) -> Request:
    """With the shortest limit that leaves about as many as wanted."""
    low, high = 1, 400
    while low < high:
        middle = (low + high) // 2
        if len(find_eligible(_with(request, {"max_distance": middle}))[0]) < wanted:
            low = middle + 1
        else:
            high = middle
    return _with(request, {"max_distance": low})


def _with(request: Request, values: Mapping[str, int]) -> Request:
    row = request.viewer.row
    columns = {name: np.array([value], row[name].dtype) for name, value in values.items()}
    return replace(request, viewer=replace(request.viewer, row=Table(row.kind, {**row.columns, **columns})))


def _beside_an_index(plan: Plan, snapshot: Snapshot, say: Callable[[str], object]) -> dict[str, float]:
    """An approximate index, asked for so many that enough should be eligible; nothing where there is none."""
    try:
        hnswlib: Any = importlib.import_module("hnswlib")
    except ImportError:
        return {}
    figures: dict[str, float] = {}
    index = _index(hnswlib, snapshot.surfaces["dating"].candidates)
    for share, wanted in SHARES.items():
        requests = _requests(snapshot, wanted, plan)
        took = _timed(lambda request: _ask_index(index, request, wanted), requests, plan.seconds)  # noqa: B023
        found = min(_found_by(index, request, wanted) for request in requests[:CHECKED])
        figures |= {
            f"hnsw_p50_ms_50k_{share}": statistics.median(took) * 1e3,
            f"hnsw_recall_50k_{share}": found,
        }
        say(f"hnswlib {share}: p50 {statistics.median(took) * 1e3:.3f} ms, recall {found:.3f}")
    return figures


def _index(hnswlib: Any, table: Table) -> Any:
    """Of members by number, over all that fit counts as one vector: the same on every surface here."""
    columns = [table[name][:, None] for name in ("appeal", "selectivity", "price")]
    vectors = np.concatenate([table["looks"], table["taste"], *columns], axis=1)
    index = hnswlib.Index(space="ip", dim=vectors.shape[1])
    index.init_index(max_elements=len(vectors), ef_construction=100, M=16)
    index.add_items(vectors, table["number"])
    return index


def _ask_index(index: Any, request: Request, share: float) -> npt.NDArray[np.int64]:
    """Rows that the index names and the filters keep."""
    fit = fit_of(request)
    vector = np.concatenate([fit.looks, fit.taste, [weight for _, weight in fit.columns]]).astype("f4")
    many = min(int(1.5 * WANTED["fit"] / share), index.get_current_count())
    index.set_ef(max(many, 2 * WANTED["fit"]))
    rows = rows_of(request.data, index.knn_query(vector, k=many)[0][0].astype("i8"))
    kept = refusals(request, request.data.candidates.gather(rows)) == 0
    return np.asarray(rows[kept][: WANTED["fit"]])


def _found_by(index: Any, request: Request, share: float) -> float:
    rows, best = _ask_oracle(request)
    expected = rows[best["fit"]]
    return float(np.isin(expected, _ask_index(index, request, share)).mean()) if len(expected) else 1.0


def _line(name: str, found: Mapping[str, float]) -> str:
    bound = ""
    if "bound_ms" in found:
        bound = f"  {found['ratio_to_bound']:.1f} times a plain read of {found['bound_mb']:.1f} MB"
    return (
        f"{name:<19} eligible {found['eligible']:>8,.0f}  p50 {found['p50_ms']:.3f} ms (best "
        f"{found['best_ms']:.3f}, spread {found['spread_ms']:.3f})  p99 {found['p99_ms']:.3f}  "
        f"numpy {found['numpy_p50_ms']:.2f} ms, {found['ratio_to_numpy']:.1f} times  "
        f"recall {found['recall']:.4f}{bound}"
    )
