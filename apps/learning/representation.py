"""What a block of decisions tells of members: taste, looks, selectivity, appeal, and the tower's maps.

Whoever has n decisions is n/(n + k) behaviour and the rest profile; without decisions, profile alone. That
is the same rule for a member who joined today and for one who was always there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.learning.content import Target, fit_map, fit_maps
from apps.learning.decisions import Decisions
from apps.learning.factors import factorise
from apps.learning.shrinkage import Effects, K, counts, fit_effects, unshrunk
from apps.pipeline.contracts import F32, I32
from apps.pipeline.table import Table

Content = Mapping[str, npt.NDArray[Any]]  # by name, without the surface
BLEND = 10.0  # decisions at which an embedding is half behaviour


@dataclass(frozen=True)
class Representation:
    """Columns for the rows of a table, and the maps that give them to anybody else.

    `behaviour` [n] by column: how much of it a row's own decisions tell; the rest is its profile's.
    """

    columns: Mapping[str, npt.NDArray[Any]]
    content: Content
    mean: float
    behaviour: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)

    def of_earlier(self, rows: I32, change: F32) -> dict[str, npt.NDArray[Any]]:
        """The columns of these rows under other profiles: `change` [m, d] is that profile minus theirs."""
        result: dict[str, npt.NDArray[Any]] = {}
        for name, column in self.columns.items():
            told = change @ self.content[f"{name}_weights"]
            rest = 1.0 - self.behaviour[name][rows]
            result[name] = column[rows] + (rest[:, None] if told.ndim > 1 else rest) * told
        return result


def represent_members(
    decisions: Decisions, profiles: F32, *, k: float = K, blend: float = BLEND
) -> Representation:
    """Learns from decisions between members whose `profiles` [n, d] are the encoding of the content tower."""
    n = len(profiles)
    plain = fit_effects(decisions, n, n, k=k)
    selectivity, appeal = fit_maps(
        profiles,
        [
            Target(unshrunk(plain.selectivity, plain.selectivity_reliability), plain.selectivity_reliability),
            Target(unshrunk(plain.appeal, plain.appeal_reliability), plain.appeal_reliability),
        ],
    )
    effects = fit_effects(
        decisions,
        n,
        n,
        selectivity_prior=profiles @ selectivity,
        appeal_prior=profiles @ appeal,
        k=k,
    )
    taste, looks = factorise(decisions, n, n)
    given, received = counts(decisions.source, n), counts(decisions.target, n)
    content = {
        "selectivity_weights": selectivity,
        "appeal_weights": appeal,
        "taste_weights": fit_map(profiles, Target(taste, given / (given + blend))),
        "looks_weights": fit_map(profiles, Target(looks, received / (received + blend))),
    }
    columns = {
        "taste": blended(taste, profiles @ content["taste_weights"], given, blend),
        "looks": blended(looks, profiles @ content["looks_weights"], received, blend),
        **_effect_columns(effects),
    }
    behaviour = {
        "taste": given / (given + blend),
        "looks": received / (received + blend),
        "selectivity": effects.selectivity_reliability,
        "appeal": effects.appeal_reliability,
    }
    return Representation(columns, content, effects.mean, behaviour)


def with_columns(table: Table, columns: Mapping[str, npt.NDArray[Any]]) -> Table:
    """The table with these columns in place of its own, in the schema's dtypes."""
    cast = {name: np.asarray(column, table[name].dtype) for name, column in columns.items()}
    return Table(table.kind, {**table.columns, **cast})


def blended(learnt: F32, from_profile: F32, n: npt.NDArray[np.float64], k: float) -> F32:
    """n/(n + k) of what was learnt, the rest from the profile, row by row."""
    share = (n / (n + k))[:, None]
    return (share * learnt + (1.0 - share) * from_profile).astype("f4")


def _effect_columns(effects: Effects) -> dict[str, F32]:
    return {
        "selectivity": effects.selectivity.astype("f4"),
        "appeal": effects.appeal.astype("f4"),
    }
