"""How much of recent scores came from each objective: Phi, every weighted feature, the price.

Takes a surface, gives shares that add up to 1; reads what the pipeline noted in each delivery's trace.
"""

from __future__ import annotations

from django.db import connection

MOST_DELIVERIES = 1000  # the latest

_PARTS = """
SELECT part.key, sum(part.value::float8)
FROM (SELECT trace FROM interactions_delivery WHERE surface = %s ORDER BY served_at DESC LIMIT %s) AS latest,
     jsonb_array_elements(latest.trace) AS stage, jsonb_each_text(stage -> 'parts') AS part
WHERE stage ->> 'stage' = 'slate'
GROUP BY part.key
"""


def score_shares(surface: str, *, most: int = MOST_DELIVERIES) -> dict[str, float]:
    """Objective -> its share of the sizes of all contributions; "phi" is what the chances gave. Empty where
    nothing was ranked yet."""
    with connection.cursor() as cursor:
        cursor.execute(_PARTS, [surface, most])
        sums = dict(cursor.fetchall())
    total = sum(sums.values())
    return {name: value / total for name, value in sums.items()} if total > 0 else {}
