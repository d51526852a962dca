"""The rollout flags of one member, for the app: typed values, decided in this process."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.common import clock
from apps.common.errors import NotFound, Unavailable
from apps.delivery.preparation import find_viewer
from apps.delivery.runtime import runtime
from apps.members.selectors import numbers_of


def flags_of(member: str) -> dict[str, Any]:
    """Every flag's value for a member. Raises NotFound, and Unavailable before the first release."""
    from apps.pipeline.masks import condition_words
    from apps.releases.params import compiled, release_for

    here = runtime()
    if here.world.live is None:
        raise Unavailable("No release is loaded yet.")
    if here.world.snapshot is None:  # segments are counted on its columns: nobody is in any yet
        number, row, world = numbers_of([member]).get(member), None, here.world
        if number is None:
            raise NotFound("There is no such member.", code="unknown_member", field="member")
    else:
        number, row, world = find_viewer(here, next(iter(here.world.snapshot.surfaces)), member)
    if number is None:
        raise Unavailable("The stores are away. Try again.")
    assert world.live is not None
    release, content = release_for(world.live, member)
    whole = compiled(content)
    met = np.zeros(-(-len(whole.flag_conditions) // 64), "u8")
    if row is not None and world.snapshot is not None and whole.flag_conditions:
        met = condition_words(whole.flag_conditions, row, world.snapshot)[0]
    values = whole.flag_values(
        viewer=member, number=number, met=met, now=clock.now().timestamp(), killed=world.killed
    )
    return {"member": member, "release": release, "flags": values}
