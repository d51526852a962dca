"""All that a process knows without asking anybody: snapshot, release, surfaces, overlay, and whom to believe.

One immutable value, replaced as a whole by apps.delivery.runtime; a request reads one of them throughout.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from apps.common.online import Belief
from apps.common.valkey import reached_run_id
from apps.delivery.capped import Capped
from apps.delivery.crowd import Crowd
from apps.delivery.overlay import Overlay
from apps.pipeline.rules import Pacing, RuleMasks
from apps.pipeline.snapshot import Snapshot
from apps.pipeline.table import Table
from apps.refresh.identifiers import Identifiers
from apps.releases.selectors import LiveRow

I32 = npt.NDArray[np.int32]


@dataclass(frozen=True)
class World:
    """What this process serves from."""

    snapshot: Snapshot | None = None
    identifiers: Mapping[str, Identifiers] = field(default_factory=dict)
    overlay: Overlay = field(default_factory=Overlay)
    live: LiveRow | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)  # what each active surface shows
    belief: Belief = field(default_factory=lambda: Belief("", 0, False, "never asked"))
    believed_until: float = 0.0  # monotonic: the end of the trust lease
    truth_here: bool = False  # Postgres answered the last poll
    valkey_here: bool = False
    masks: Mapping[tuple[str, str], RuleMasks] = field(default_factory=dict)  # of `snapshot` and `live`
    crowd: Crowd = field(default_factory=Crowd)  # unread likes and activity, as of a moment ago
    pacing: Mapping[str, Pacing] = field(default_factory=dict)  # by surface: the pacer's prices
    capped: Mapping[str, Capped] = field(default_factory=dict)  # by surface: who reached a cap

    @property
    def killed(self) -> frozenset[str]:
        """What staff switched off: "flag:...", "rule:surface/...", "experiment:..."."""
        return self.live.killed if self.live is not None else frozenset()

    def vouches_for(self, generation: int) -> bool:
        """Whether Postgres, as last asked, vouches for this very state of this very server."""
        belief = self.belief
        return belief.trusted and generation == belief.generation and reached_run_id() == belief.run_id

    def lease_is_fresh(self) -> bool:
        return time.monotonic() < self.believed_until

    def number_of(self, kind: str, external_id: str) -> int | None:
        """The number behind the app's id; None when nobody here knows it, or it was erased."""
        number = self.overlay.numbers.get(kind, {}).get(external_id)
        if number is None and kind in self.identifiers:
            number = self.identifiers[kind].number_of(external_id)
        return None if kind == "member" and number in self.overlay.erased else number

    def ids_of(self, kind: str, numbers: Iterable[int]) -> list[str | None]:
        """The app's ids behind numbers; None for those nobody here knows."""
        wanted = list(numbers)
        known = self.overlay.ids.get(kind, {})
        found = self.identifiers[kind].ids_of(wanted) if kind in self.identifiers else [None] * len(wanted)
        return [known.get(number, given) for number, given in zip(wanted, found, strict=True)]

    def viewer_row(self, surface: str, number: int) -> Table | None:
        """The viewer as a one-row table, from the overlay or the snapshot; None when neither has them as they
        are now."""
        assert self.snapshot is not None
        fresh = self.overlay.viewer_row(surface, number)
        if fresh is not None:
            return fresh
        if self.overlay.waits(surface, number):
            return None
        data = self.snapshot.surfaces[surface]
        row = int(data.viewer_row_of[number]) if 0 <= number < len(data.viewer_row_of) else -1
        return data.viewers.row(row) if row >= 0 else None
