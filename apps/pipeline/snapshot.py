"""The snapshot: immutable column files that the online path reads.

Takes tables of columns and writes them as one folder of `.npy` files with a manifest; opens such a folder
memory-mapped. The manifest names every file with its checksum, and has one of itself: a byte that changed
anywhere is found. It does not know where columns come from (apps.refresh) nor which snapshot is active.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.blocks import NO_BLOCKS, block_statistics
from apps.pipeline.graph import Graph, empty_graph
from apps.pipeline.table import COLUMNS, LATER, LEARNT, Table
from apps.pipeline.vectors import DTYPES, VECTORS

SCHEMA_VERSION = 2
# By how the vectors are stored: whoever knows float32 alone refuses the other by its version.
SCHEMAS = {"float32": SCHEMA_VERSION, "bfloat16": SCHEMA_VERSION + 1}
MANIFEST = "manifest.json"
PIECE = 8 << 20  # bytes of a file that are read at once


class SnapshotRefused(Exception):
    """A folder that is not a complete, untouched snapshot of this schema version."""


@dataclass(frozen=True)
class SurfaceData:
    """All that a snapshot holds for one surface.

    `candidates` is sorted by market, then gender and seeking (members), then cell. On a surface of members
    `viewers` is the same table; on a surface of places it holds the members (with their taste in places).
    `models` holds the learnt numbers by name (see apps.pipeline.ranking.predictions), `arrays` what of a
    model is too long for the manifest, by "<model>.<part>".
    """

    key: str
    kind: str  # of the candidates: member or place
    eligibility: str  # name of the eligibility set: dating, networking, travel
    candidates: Table
    viewers: Table
    row_of: npt.NDArray[np.int32]  # [max number + 1]: candidate row of a number; -1: not here
    viewer_row_of: npt.NDArray[np.int32]
    # [markets + 1]: candidates of market m are rows starts[m]:starts[m + 1]
    market_starts: npt.NDArray[np.int64]
    blocks: npt.NDArray[np.int32]  # statistics of the candidates by block (see apps.pipeline.blocks)
    models: Mapping[str, Any]
    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """One opened snapshot. Arrays are read-only and shared between processes by the page cache."""

    id: str
    created_at: float  # seconds since 1970-01-01 UTC: the data cut-off
    markets: tuple[Mapping[str, Any], ...]  # by market index: {"key", "name", "latitude", "longitude"}
    # industries, crafts, skills, interests, categories, tags -> names by bit
    vocabulary: Mapping[str, tuple[str, ...]]
    surfaces: Mapping[str, SurfaceData]
    connections: Graph  # visible to both sides, members
    friends_places: Graph  # member -> places that connections saved, weight = how many of them
    content: Mapping[str, npt.NDArray[Any]]  # the content tower's weights, by "<surface>.<name>"
    # by surface of members: whom a walk reaches most, weight = NEAREST for the most
    pagerank: Mapping[str, Graph] = field(default_factory=dict)
    # member -> places that go along with those they saved or visited, weight = NEAREST for the most
    alike: Graph = field(default_factory=empty_graph)
    folder: Path | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)

    def market_index(self, key: str) -> int:
        """Index of a market by key; -1 when the snapshot does not know it."""
        return next((i for i, market in enumerate(self.markets) if market["key"] == key), -1)


def surface_data(
    *,
    key: str,
    kind: str,
    eligibility: str,
    candidates: Table,
    viewers: Table | None,
    n_markets: int,
    models: Mapping[str, Any],
    arrays: Mapping[str, npt.NDArray[Any]] | None = None,
    row_of: npt.NDArray[np.int32] | None = None,
    viewer_row_of: npt.NDArray[np.int32] | None = None,
) -> SurfaceData:
    """Builds the look-ups of a surface, those aside that it is given.

    `candidates` must be sorted by market; market -1 comes first and is unreachable.
    """
    viewers = candidates if viewers is None else viewers
    row_of = _rows_by_number(candidates["number"]) if row_of is None else row_of
    if viewer_row_of is None:
        viewer_row_of = row_of if viewers is candidates else _rows_by_number(viewers["number"])
    starts = np.searchsorted(candidates["market"], np.arange(n_markets + 1))
    return SurfaceData(
        key=key,
        kind=kind,
        eligibility=eligibility,
        candidates=candidates,
        viewers=viewers,
        row_of=row_of,
        viewer_row_of=viewer_row_of,
        market_starts=starts.astype("i8"),
        blocks=block_statistics(candidates.columns) if kind == "member" else NO_BLOCKS,
        models=models,
        arrays=arrays or {},
    )


def _rows_by_number(numbers: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    rows = np.full(int(numbers.max(initial=-1)) + 1, -1, "i4")
    rows[numbers] = np.arange(len(numbers), dtype="i4")
    return rows


def rows_in(row_of: npt.NDArray[np.int32], numbers: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
    """Rows of numbers by a look-up of SurfaceData; -1 for those it does not know."""
    numbers = np.asarray(numbers, "i8")
    known = (numbers >= 0) & (numbers < len(row_of))
    rows = np.full(len(numbers), -1, "i8")
    rows[known] = row_of[numbers[known]]
    return rows


def write_snapshot(
    snapshot: Snapshot,
    folder: Path,
    *,
    vectors: str = "float32",
    beside: Mapping[str, npt.NDArray[Any]] | None = None,
) -> None:
    """Writes every array and, last, the manifest with a checksum per file. `folder` must not exist.

    `vectors`: one of DTYPES. `beside`: arrays of the caller's own, by the names of their files, that are part
    of the whole.
    """
    arrays = {**_arrays_of(snapshot, vectors), **(beside or {})}
    folder.mkdir(parents=True)
    checksums = {}
    for name, array in arrays.items():
        path = folder / f"{name}.npy"
        np.save(path, np.ascontiguousarray(array))
        checksums[name] = checksum_of(path)
    (folder / MANIFEST).write_text(manifest_text(_manifest_of(snapshot, vectors, checksums)))


def _manifest_of(snapshot: Snapshot, vectors: str, checksums: Mapping[str, str]) -> dict[str, Any]:
    return {
        "schema": SCHEMAS[vectors],
        "vectors": vectors,
        "id": snapshot.id,
        "created_at": snapshot.created_at,
        "markets": [dict(market) for market in snapshot.markets],
        "vocabulary": {name: list(words) for name, words in snapshot.vocabulary.items()},
        "surfaces": {
            key: {
                "kind": data.kind,
                "eligibility": data.eligibility,
                "models": dict(data.models),
                "model_version": _model_version(data, checksums),
                "counts": {"candidates": len(data.candidates), "viewers": len(data.viewers)},
            }
            for key, data in snapshot.surfaces.items()
        },
        "checksums": dict(checksums),
        **snapshot.manifest,
    }


def _model_version(data: SurfaceData, checksums: Mapping[str, str]) -> str:
    """The same for the same learnt numbers, whoever learnt them and when."""
    learnt = {
        name: checksum
        for name, checksum in checksums.items()
        if name.startswith((f"content.{data.key}.", f"{data.key}.models."))
        or (name.startswith(f"{data.key}.") and name.rpartition(".")[2] in LEARNT)
    }
    said = json.dumps([dict(data.models), learnt], sort_keys=True)
    return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()


def manifest_text(manifest: Mapping[str, Any]) -> str:
    """The manifest as it stands in its file, with a checksum of itself."""
    inside = {name: value for name, value in manifest.items() if name != "checksum"}
    said = json.dumps(inside, sort_keys=True)
    checksum = hashlib.blake2b(said.encode(), digest_size=16).hexdigest()
    return json.dumps({**inside, "checksum": checksum}, indent=1, sort_keys=True)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder. Raises SnapshotRefused unless it is whole, untouched and of this schema."""
    try:
        text = (folder / MANIFEST).read_text()
        manifest: dict[str, Any] = json.loads(text)
        vectors = manifest.get("vectors", "float32")  # unsaid: of a snapshot from before
        if manifest["schema"] != SCHEMAS.get(vectors):
            raise SnapshotRefused(f"{folder.name}: schema {manifest['schema']} with vectors in {vectors}")
        if manifest_text(manifest) != text:
            raise SnapshotRefused(f"{folder.name}: the manifest does not match its checksum")
        return manifest
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise SnapshotRefused(f"{folder.name}: {error}") from error


def open_snapshot(folder: Path, *, verify: bool = True) -> Snapshot:
    """Opens a folder memory-mapped, read-only.

    Raises SnapshotRefused unless it is whole and of this schema.
    """
    manifest = read_manifest(folder)
    try:
        paths = {name: folder / f"{name}.npy" for name in manifest["checksums"]}
        if verify:
            _check(paths, manifest["checksums"])
        opened = {name: np.load(path, mmap_mode="r", allow_pickle=False) for name, path in paths.items()}
        arrays = {name: np.asarray(array) for name, array in opened.items()}  # a plain view: faster
        return _assemble(manifest, arrays, folder)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise SnapshotRefused(f"{folder.name}: {error}") from error


def _arrays_of(snapshot: Snapshot, vectors: str) -> dict[str, npt.NDArray[Any]]:
    arrays: dict[str, npt.NDArray[Any]] = {}
    for key, data in snapshot.surfaces.items():
        arrays |= {f"{key}.candidates.{n}": c for n, c in data.candidates.stored(vectors).columns.items()}
        arrays[f"{key}.row_of"] = data.row_of
        if data.viewers is not data.candidates:
            arrays |= {f"{key}.viewers.{n}": c for n, c in data.viewers.stored(vectors).columns.items()}
            arrays[f"{key}.viewer_row_of"] = data.viewer_row_of
        arrays |= {f"{key}.models.{name}": array for name, array in data.arrays.items()}
    graphs = {
        "connections": snapshot.connections,
        "friends_places": snapshot.friends_places,
        "alike": snapshot.alike,
    }
    graphs |= {f"pagerank.{key}": graph for key, graph in snapshot.pagerank.items()}
    for name, graph in graphs.items():
        arrays |= {
            f"{name}.{part}": getattr(graph, part) for part in ("numbers", "offsets", "targets", "weights")
        }
    arrays |= {f"content.{name}": array for name, array in snapshot.content.items()}
    return arrays


def _assemble(manifest: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]], folder: Path) -> Snapshot:
    stored = DTYPES[manifest.get("vectors", "float32")]

    def table(prefix: str, kind: str) -> Table:
        n = len(arrays[f"{prefix}.number"])
        columns = {}
        for name, (dtype, shape) in COLUMNS[kind].items():
            column = arrays.get(f"{prefix}.{name}")
            if column is None and name in LATER:
                column = np.zeros((n, *shape), dtype)
            if column is None:
                raise KeyError(f"{prefix}.{name}")
            columns[name] = column
        found = Table(kind, columns)
        for name, (dtype, shape) in COLUMNS[kind].items():
            column = found.columns[name]
            if column.dtype != (stored if name in VECTORS else dtype) or column.shape != (len(found), *shape):
                raise ValueError(f"{prefix}.{name} is {column.dtype}{column.shape}")
        return found

    def graph(name: str) -> Graph:
        if f"{name}.numbers" not in arrays:  # of a snapshot from before
            return empty_graph()
        return Graph(*(arrays[f"{name}.{part}"] for part in ("numbers", "offsets", "targets", "weights")))

    surfaces = {}
    for key, info in manifest["surfaces"].items():
        kind = info["kind"]
        surfaces[key] = surface_data(
            key=key,
            kind=kind,
            eligibility=info["eligibility"],
            candidates=table(f"{key}.candidates", kind),
            viewers=None if kind == "member" else table(f"{key}.viewers", "member"),
            n_markets=len(manifest["markets"]),
            models=info["models"],
            row_of=arrays.get(f"{key}.row_of"),  # None: of a snapshot from before
            viewer_row_of=arrays.get(f"{key}.viewer_row_of"),
            arrays={
                n.removeprefix(of): a
                for of in (f"{key}.models.",)
                for n, a in arrays.items()
                if n.startswith(of)
            },
        )
    return Snapshot(
        id=manifest["id"],
        created_at=manifest["created_at"],
        markets=tuple(manifest["markets"]),
        vocabulary={name: tuple(words) for name, words in manifest["vocabulary"].items()},
        surfaces=surfaces,
        connections=graph("connections"),
        friends_places=graph("friends_places"),
        alike=graph("alike"),
        pagerank={key: graph(f"pagerank.{key}") for key, data in surfaces.items() if data.kind == "member"},
        content={n.removeprefix("content."): a for n, a in arrays.items() if n.startswith("content.")},
        folder=folder,
        manifest=manifest,
    )


def _check(paths: Mapping[str, Path], checksums: Mapping[str, str]) -> None:
    """Reads every file. Raises OSError, SnapshotRefused.

    On a thread that everybody else goes before: a process may be answering meanwhile.
    """
    with ThreadPoolExecutor(1, "checksums", initializer=_go_last) as thread:
        found = thread.map(checksum_of, paths.values())
        for (name, path), checksum in zip(paths.items(), found, strict=True):
            if checksum != checksums[name]:
                thread.shutdown(wait=False, cancel_futures=True)
                raise SnapshotRefused(f"{path.parent.name}: {name} does not match its checksum")


def _go_last() -> None:
    """This thread runs when no other wants to. It must hold no lock that others wait for, the interpreter's
    least of all."""
    with suppress(OSError):  # where threads have no rank of their own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)


def checksum_of(path: Path) -> str:
    """Of a file, in hexadecimal. Raises OSError. Long pieces: other threads are held up once for each."""
    checksum, piece = hashlib.blake2b(), bytearray(min(path.stat().st_size, PIECE))
    with path.open("rb", buffering=0) as file:
        while n := file.readinto(piece):
            checksum.update(memoryview(piece)[:n])
    return checksum.hexdigest()[:32]
