"""The lists of a simulated past: impressions put back into the deliveries they came from.

Takes Events; gives Delivery rows. The past was not served by the pipeline: its rows name the snapshot
`simulated`, and their scores and propensities are 0, so that no estimate can take them for ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from apps.interactions.models import Delivery
from apps.simulation.bodies import moment
from apps.simulation.log import Events
from apps.simulation.population import I64
from apps.simulation.truth import Truth, member_id, place_id
from apps.simulation.world import SURFACES

SNAPSHOT = "simulated"
Numbers = Mapping[str, int]  # by external id


def split_lists(events: Events) -> list[I64]:
    """Rows of impressions, a list each: of one viewer on one surface, as long as positions rise."""
    rows = np.flatnonzero(events.of("impression"))
    rows = rows[np.lexsort((events.at[rows], events.actor[rows], events.surface[rows]))]
    same = (np.diff(events.surface[rows]) == 0) & (np.diff(events.actor[rows]) == 0)
    begins = np.flatnonzero(~(same & (np.diff(events.position[rows]) > 0))) + 1
    return [part for part in np.split(rows, begins) if len(part)]


def delivery_rows(
    truth: Truth, events: Events, *, release: int, members: Numbers, places: Numbers
) -> Iterator[Delivery]:
    """A row per list, with the same id each time."""
    world = truth.world
    for rows in split_lists(events):
        surface = SURFACES[events.surface[rows[0]]]
        viewer, at = member_id(world, int(events.actor[rows[0]])), int(events.at[rows[0]])
        targets = events.target[rows].tolist()
        shown = (
            [places[place_id(world, target)] for target in targets]
            if surface == "travel"
            else [members[member_id(world, target)] for target in targets]
        )
        yield Delivery(
            id=uuid5(NAMESPACE_URL, f"simulation:list:{surface}:{viewer}:{at}"),
            served_at=moment(at),
            viewer=members[viewer],
            surface=surface,
            release=release,
            snapshot=SNAPSHOT,
            seed=world.seed,
            requested=len(shown),
            candidates=shown,
            scores=[0.0] * len(shown),
            propensities=[0.0] * len(shown),
            sources=[0] * len(shown),
        )
