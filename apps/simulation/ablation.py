"""What each source, stage and group of features is worth: lists with it beside lists without it.

What ours has on is switched off. What it has off is switched on, as far as its knob starts, or as TRIED says
where a knob starts at 0: taking out what isn't there would tell nothing. Takes a request, gives a switch per
row of the table; takes the lists that came of it, gives what they are worth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from apps.pipeline.contracts import Request
from apps.pipeline.lineup import STAGES, LineUp, lineup_for
from apps.pipeline.params import PipelineParams
from apps.pipeline.reranking.windows import WINDOWS
from apps.pipeline.retrieval.propose import quota_of
from apps.policies.knobs import knobs
from apps.policies.schema import default_policy, get
from apps.simulation.scores import Mean, Shown, interval

FEATURES = "features"  # one stage, told apart by where its features come from
# How far a knob is turned up that starts at 0: candidates of a source, a weight, of five places in a row.
TRIED: Mapping[str, float] = {"quotas": 100, "weights": 0.1, "windows": 2}
TURNED_BY: Mapping[str, tuple[str, ...]] = {  # knobs without which a stage does nothing
    "heavy_ranker": ("heavy_width",),
    "diversity": ("diversity",),
    "likes": ("likes_share",),
    "exploration": ("exploration",),
}


@dataclass(frozen=True)
class Switch:
    """Ours with one row of the table switched the other way. `said`: whether ours has it on; where not, how
    far it was turned up."""

    name: str
    is_on: bool
    said: str
    params: PipelineParams


@dataclass(frozen=True)
class Worth:
    """One row: the mean of lists with it minus lists without it; None where it changed no list."""

    name: str
    said: str
    viewers: int
    changed: int  # viewers whose ten are others with it than without
    mean: Mean | None


class Ablation:
    """Gathers lists, viewer by viewer."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[tuple[bool, float]]] = {}

    def add(self, request: Request, ours: Shown, show: Callable[[PipelineParams], Shown]) -> None:
        """One viewer's list, and how to make others of theirs."""
        for switch in switches(request):
            other = show(switch.params)
            lost = float(np.sum(ours.p * ours.known) - np.sum(other.p * other.known))
            changed = not np.array_equal(np.sort(ours.candidate), np.sort(other.candidate))
            row = self._found.setdefault((switch.name, switch.said), [])
            row.append((changed, lost if switch.is_on else -lost))

    def worth(self) -> tuple[Worth, ...]:
        return tuple(_worth(name, said, found) for (name, said), found in self._found.items())


def _worth(name: str, said: str, found: Sequence[tuple[bool, float]]) -> Worth:
    changed = sum(is_other for is_other, _ in found)
    mean = interval(np.array([gain for _, gain in found])) if changed else None
    return Worth(name, said, len(found), changed, mean)


def switches(request: Request) -> Iterator[Switch]:
    """One per source and stage in the order of the line-up; of features one per group, or two where ours
    weighs some of a group and others not."""
    lineup = lineup_for(request)
    for stage in STAGES[lineup.name]:
        if stage == FEATURES:
            yield from _groups(request, lineup)
        elif all(
            knob in knobs(lineup.kind) for knob in _knobs_of(lineup, stage)
        ):  # others are not for places
            yield _stage(request, lineup, stage)


def _stage(request: Request, lineup: LineUp, stage: str) -> Switch:
    params, turned_by = request.params, _knobs_of(lineup, stage)
    if not turned_by or any(_value(request, lineup, knob) for knob in turned_by):
        return Switch(stage, True, "on", replace(params, disabled_stages=params.disabled_stages | {stage}))
    tried = {knob: _start(request, lineup, knob, stage) for knob in turned_by}
    values = ", ".join(dict.fromkeys(f"{value:g}" for value in tried.values()))
    return Switch(stage, False, f"off, tried at {values}", _turned(params, tried))


def _groups(request: Request, lineup: LineUp) -> Iterator[Switch]:
    groups: dict[str, list[str]] = {}
    for feature in lineup.features.values():
        groups.setdefault(feature.source, []).append(feature.name)
    for source, names in groups.items():
        name, weighed = f"{FEATURES}: {source}", request.params.weighed
        if some := [one for one in names if one in weighed]:
            without = _turned(request.params, {f"weights.{one}": 0.0 for one in some})
            yield Switch(name, True, f"on: {', '.join(some)}", without)
        if others := [one for one in names if one not in weighed]:
            tried = {one: _start(request, lineup, f"weights.{one}", "weights") for one in others}
            said = ", ".join(f"{one} {weight:g}" for one, weight in tried.items())
            there = _turned(request.params, {f"weights.{one}": weight for one, weight in tried.items()})
            yield Switch(name, False, f"off, tried: {said}", there)


def _knobs_of(lineup: LineUp, stage: str) -> tuple[str, ...]:
    if stage in lineup.quotas:
        return (f"quotas.{stage}",)
    if stage == "windows":
        return tuple(window.param for window in WINDOWS[lineup.kind])
    return TURNED_BY.get(stage, ())


def _value(request: Request, lineup: LineUp, knob: str) -> float:
    group, _, name = knob.rpartition(".")
    if group:
        return float(next(quota_of(request, one) for one in lineup.sources if one.name == name))
    return float(getattr(request.params, name))


def _start(request: Request, lineup: LineUp, knob: str, otherwise: str) -> float:
    """Where a first release has it; where that is 0, as far as TRIED says of the group or stage."""
    start = get(default_policy(request.surface, lineup.kind), knob)
    return start or TRIED[knob.rpartition(".")[0] or otherwise]


def _turned(params: PipelineParams, values: Mapping[str, float]) -> PipelineParams:
    for knob, value in values.items():
        group, _, name = knob.rpartition(".")
        turned: Any = {**getattr(params, group), name: value} if group else value
        params = replace(params, **{group or name: turned})
    return params
