"""Computes a delivery's list again from its row: bit for bit, or it says why that can't be done.

Takes a Delivery; reads its release, its snapshot's files and the packed state, and nothing of today. What is
not kept any more is said, never guessed; nothing is reserved or logged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from apps.delivery.models import PacingPrices
from apps.delivery.prices import prices_of
from apps.delivery.rules import dead_rules
from apps.delivery.told import Told, build, digest_of, unpack, with_refreshed
from apps.interactions.models import Delivery
from apps.members.models import Member
from apps.pipeline.contracts import Request, Slate, Trip, Viewer
from apps.pipeline.explain import waterfall_of
from apps.pipeline.features.taste import with_taste_of_now
from apps.pipeline.masks import condition_words
from apps.pipeline.params import FULL, Widths
from apps.pipeline.rules import LiveRules, Pacing, SurfaceRules, live_rules
from apps.pipeline.run import run
from apps.pipeline.sets import union
from apps.pipeline.snapshot import Snapshot, SnapshotRefused
from apps.pipeline.table import Table
from apps.pipeline.trips import HERE
from apps.refresh.store import open_here
from apps.releases.models import Release
from apps.releases.params import Assigned, compiled

ERASED = 0  # stands in a row for somebody who was erased


class NotReplayable(Exception):
    """Something that the list was made from is not kept any more. The sentence says what."""


@dataclass(frozen=True)
class Replayed:
    """The list again. `same`: bit for bit what was computed then, the reserve included."""

    same: bool
    slate: Slate  # detailed: with the scored pool and the filters' reasons
    request: Request
    differences: tuple[str, ...]  # sentences; empty when the same

    def waterfall(self, number: int) -> Mapping[str, Any] | None:
        """How the score of a candidate came about; None for one who was not scored."""
        if self.request.params.random_order:
            return None
        for request, slate in self.slate.parts or ((with_taste_of_now(self.request), self.slate),):
            if slate.pool is not None:
                at = np.flatnonzero(slate.pool.table["number"] == number)[:1]
                if len(at):
                    return waterfall_of(request, slate.pool, int(at[0]))
        return None


def replay_delivery(row: Delivery) -> Replayed:
    """The delivery's list, computed anew. Raises NotReplayable."""
    request = request_of_row(row)
    slate = run(request)
    same = digest_of(slate) == row.inputs["slate"]
    return Replayed(
        same, run(request, detailed=True), request, () if same else tuple(_differences(row, slate))
    )


def request_of_row(row: Delivery) -> Request:
    """The pipeline's request as it was. Raises NotReplayable."""
    if not row.inputs:
        raise NotReplayable("It was given before deliveries named what they were made from.")
    if not row.viewer_state:
        raise NotReplayable(
            "The viewer's state of that moment was not kept: it did not fit, or somebody in it was erased."
        )
    snapshot = _snapshot(row)
    now = row.served_at.timestamp()
    data = snapshot.surfaces[row.surface]
    try:
        told = with_refreshed(unpack(bytes(row.viewer_state), data.kind, now), data)
    except ValueError as error:
        raise NotReplayable(f"The viewer's state of that moment can't be read: {error}") from error
    viewer = told.viewer if told.viewer is not None else _viewer_row(row, snapshot)
    surface = compiled(_content(row)).surface(row.surface)
    if row.inputs["rules"] and row.inputs["rules"] != surface.rules.digest:
        raise NotReplayable("The rules' conditions are compiled in another way by now.")
    met = condition_words(surface.rules.viewer_conditions, viewer, snapshot)[0]
    market, killed = int(row.inputs["market"]), _killed(row)
    index = market if market >= 0 else int(viewer["market"][0])
    assigned = surface.assign(
        viewer=_external_id(row),
        number=row.viewer,
        market=None if index < 0 else str(snapshot.markets[index]["key"]),
        met=met,
        now=now,
        killed=killed,
    )
    _must_be_dealt_alike(row, assigned)
    return Request(
        snapshot=snapshot,
        surface=row.surface,
        params=assigned.params,
        viewer=Viewer(viewer, excluded=_excluded(told), liked_by=told.liked_by, signals=told.signals),
        limit=row.requested,
        now=now,
        seed=row.seed,
        market=market,
        day=row.inputs.get("day"),
        stay=_trip(row.inputs.get("stay")),
        trips=tuple(Trip(*trip) for trip in row.inputs.get("trips", ())),
        only=told.only,
        newcomers=told.newcomers,
        gone=told.gone,
        stale=told.stale,
        untied=told.untied,
        rules=_rules(row, surface.rules, met=met, now=now, killed=killed, assigned=assigned),
        pacing=_pacing(row) if surface.rules.specs or assigned.params.newcomer_subsidy > 0 else None,
        widths=Widths(*row.inputs["widths"]) if "widths" in row.inputs else FULL,
        left_out=_left_out(row),
    )


def _trip(said: Sequence[int] | None) -> Trip | None:
    return Trip(*said) if said else None


def _excluded(told: Told) -> Any:
    return union(told.excluded, told.capped)


def _rules(
    row: Delivery,
    rules: SurfaceRules,
    *,
    met: Any,
    now: float,
    killed: frozenset[str],
    assigned: Assigned,
) -> LiveRules | None:
    """Masks are left out: conditions are evaluated on the rows, to the same bits."""
    if not rules.specs:
        return None
    only_caps = assigned.params.random_order
    return live_rules(rules, met=met, now=now, dead=dead_rules(row.surface, killed), only_caps=only_caps)


def _pacing(row: Delivery) -> Pacing | None:
    if not row.price_version:
        return None
    found = PacingPrices.objects.filter(id=row.price_version).first()
    if found is None:
        raise NotReplayable("The pacer's prices of that moment are not kept any more.")
    return prices_of(found)


def _snapshot(row: Delivery) -> Snapshot:
    try:
        snapshot = open_here(row.snapshot, verify=False)
    except (SnapshotRefused, ValueError):
        raise NotReplayable(f"Its snapshot {row.snapshot} is not kept any more.") from None
    if row.surface not in snapshot.surfaces:
        raise NotReplayable(f"Its snapshot {row.snapshot} has no surface {row.surface}.")
    if row.inputs["prices"] != snapshot.id:
        raise NotReplayable("The prices of that moment are not kept any more.")
    return snapshot


def _content(row: Delivery) -> Mapping[str, Any]:
    release = Release.objects.filter(number=row.release).first()
    if release is None:
        raise NotReplayable(f"Release {row.release} is not there.")
    content: Mapping[str, Any] = release.content
    if row.surface not in content["surfaces"]:
        raise NotReplayable(f"Release {row.release} has no surface {row.surface}.")
    return content


def _viewer_row(row: Delivery, snapshot: Snapshot) -> Table:
    data = snapshot.surfaces[row.surface]
    at = data.viewer_row_of[row.viewer] if 0 <= row.viewer < len(data.viewer_row_of) else -1
    if at < 0:
        raise NotReplayable("Its snapshot does not know the viewer.")
    return data.viewers.gather(np.array([at]))


def _external_id(row: Delivery) -> str:
    found = Member.objects.filter(number=row.viewer).values_list("external_id", flat=True).first()
    if found is None:
        raise NotReplayable("The viewer was erased.")
    return found


def _killed(row: Delivery) -> frozenset[str]:
    """What staff had switched off."""
    return frozenset(key for stage in row.trace if stage["stage"] == "switched_off" for key in stage["keys"])


def _left_out(row: Delivery) -> dict[str, str]:
    """The sources that gave nothing then, for whatever reason. One that was lost in one market of a list that
    trips share may have given in another: it is named with its market."""
    is_shared = any(stage["stage"] == "trips" for stage in row.trace)
    found = {}
    for stage in row.trace:
        if "skipped" in stage:
            found[stage["stage"]] = f"as then: {stage['skipped']}"
        elif "lost" in stage:
            place = f"{stage.get('market', HERE)}:" if is_shared else ""
            found[f"{place}{stage['stage']}"] = f"as then: {stage['lost']}"
    return found


def _must_be_dealt_alike(row: Delivery, assigned: Assigned) -> None:
    said, was = dict(assigned.variants), dict(row.variants)
    salts, then = said.pop("salts", {}), was.pop("salts", {})  # a row may name more: of flags that were off
    is_alike = said == was and salts.items() <= then.items()
    if not is_alike or assigned.params.random_order != row.random_order:
        raise NotReplayable("Flags and experiments are dealt in another way by now.")


def _differences(row: Delivery, slate: Slate) -> list[str]:
    """What differs, place by place, as far as the row says."""
    said = [f"It was computed by {row.inputs['build']}, this is {build()}."] * (
        row.inputs["build"] != build()
    )
    at = 0
    for rank, number in enumerate(row.candidates, 1):
        found = np.flatnonzero(slate.numbers == number)
        if number == ERASED:
            continue
        if not len(found):
            said.append(f"Place {rank} is not in the list any more.")
            continue
        if found[0] < at:
            said.append(f"Place {rank} stands further up.")
        at = int(found[0])
        if round(float(slate.scores[at]), 6) != round(row.scores[rank - 1], 6):
            said.append(f"Place {rank} has the score {slate.scores[at]:.6f}, not {row.scores[rank - 1]:.6f}.")
    return said or ["Only places that were not shown differ."]
