"""Staff's rules for one surface as the pipeline reads them: specs, the conditions they name, masks of bits.

Takes what apps.releases compiled; gives, per request, the rules that are live for one viewer. A condition
stands as bit i % 64 of word i // 64 of a row. It evaluates no release and reads no clock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
WORD = 64
KINDS = ("boost", "bury", "pin", "cap", "floor", "share_target")


@dataclass(frozen=True)
class RuleSpec:
    """One rule. `viewers` and `candidates` are indices of conditions in SurfaceRules; -1: everybody."""

    key: str  # unique in the surface
    kind: str  # one of KINDS
    viewers: int
    candidates: int
    starts_at: float  # seconds since 1970-01-01 UTC: the rule is live from here
    ends_at: float  # ... to before here
    priority: int  # lower comes first
    factor: float = 1.0  # boost, bury: multiplies Phi
    share: float = -1.0  # boost: at least this share of the list; bury: at most; -1: the rule has none
    slots: tuple[int, ...] = ()  # boost: places of the list, 1 is first
    pins: tuple[int, ...] = ()  # pin: numbers of candidates
    position: int = 1  # pin: where the first of them stands
    daily: int = 0  # cap: exposures in 24 hours; 0: none of that kind
    hourly: int = 0


@dataclass(frozen=True, eq=False)
class SurfaceRules:
    """All rules of one surface of one release. Flags' segments and audiences are viewer conditions, too."""

    specs: tuple[RuleSpec, ...] = ()
    viewer_conditions: tuple[Mapping[str, Any], ...] = ()  # trees, segments expanded
    candidate_conditions: tuple[Mapping[str, Any], ...] = ()

    @cached_property
    def digest(self) -> str:
        """Names the conditions: releases that share them share their masks."""
        said = [list(self.viewer_conditions), list(self.candidate_conditions)]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


NO_RULES = SurfaceRules()


@dataclass(frozen=True, eq=False)
class RuleMasks:
    """Which conditions every row of a snapshot's surface meets: uint64 words per row."""

    digest: str  # SurfaceRules.digest
    candidates: U64 = field(repr=False)  # [candidate rows, words]
    viewers: U64 = field(repr=False)  # [viewer rows, words]


def words_for(conditions: int) -> int:
    """How many words hold this many conditions."""
    return -(-conditions // WORD)
