"""What keeps somebody away whom the viewer saw, and how short it would have to be to let them come back.

Takes a prepared question and its request, gives changes as apps.pipeline.contracts.Explanation has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from apps.delivery.question import Prepared
from apps.delivery.state import DAY
from apps.pipeline.contracts import Request
from apps.pipeline.ranking.matching import meets, words_of_numbers


def shorter_cooldowns(prepared: Prepared, request: Request, number: int) -> tuple[Mapping[str, Any], ...]:
    """What would have to be shortened, all together: the surface's own cool-down, and those of rules."""
    saw = prepared.state.saw
    days = max(int((prepared.now - saw["at"][saw["number"] == number].max()) // DAY), 0)
    limits = [("cooldown_days", prepared.params.cooldown_days)]
    if prepared.rules is not None and prepared.rules.have("cooldown"):
        words = words_of_numbers(request, np.array([number], "i4"))
        for spec in prepared.rules.cooldowns:
            if meets(words, spec.candidates, 1)[0]:
                limits.append((f"rules.{spec.key}.days", spec.days))
    return tuple(
        {"of": "policy", "field": field, "from": limit, "to": days} for field, limit in limits if limit > days
    )
