"""Ties that the snapshot knows and that do not stand any more: hidden, deleted or blocked since.

Takes members whom the change feed names, reads how they are tied in Postgres now; gives numbers.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np
from django.db import connection

from apps.pipeline.graph import Graph

_LOST = """
SELECT a, b FROM unnest(%s::int[], %s::int[]) AS tie(a, b)
WHERE NOT EXISTS (
    SELECT FROM members_connection
    WHERE a_id = least(a, b) AND b_id = greatest(a, b) AND visible AND kind <> 'contact'
)
"""
_MATCHES = """
SELECT DISTINCT target FROM interactions_relationship
WHERE actor = ANY(%s) AND target_kind = 'member' AND state IN ('matched', 'unmatched')
"""


def ends_of_lost_ties(connections: Graph, numbers: Set[int]) -> set[int]:
    """Both ends of every connection of these members that others may not see any more."""
    known = [connections.neighbours(number) for number in numbers]
    if not any(map(len, known)):
        return set()
    a = np.repeat(np.array(list(numbers), "i4"), [len(near) for near in known])
    return {end for tie in _rows(_LOST, a.tolist(), np.concatenate(known).tolist()) for end in tie}


def matches_of(numbers: Set[int]) -> list[int]:
    """Whom these members match with, or did: the snapshot's walks may go over it."""
    return [number for (number,) in _rows(_MATCHES, list(numbers))]


def _rows(sql: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
