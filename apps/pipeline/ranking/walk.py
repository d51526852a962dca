"""The compiled walk of boosted trees. Named where it is used by Passes.

Trees are complete, of one depth: the node after k is 2k + 1 for a value at most its threshold, 2k + 2 above.
All candidates are asked the same question at once: without branches, that is several times faster than one
candidate after the other.
"""

from __future__ import annotations

from typing import Any

from apps.pipeline.compiled import columns, compiled


@compiled(*columns("f4:2", "u1:2", "f4:2", "f8:2"), "float64", *columns("=i4", "=f8"))
def walk(
    values: Any, feature: Any, threshold: Any, leaf: Any, baseline: float, place: Any, total: Any
) -> None:
    """Writes baseline + the leaves that each of n candidates reaches into `total`, in the order of the trees.

    `values` [features, n]; `feature` and `threshold` [trees, nodes]; `leaf` [trees, nodes + 1]; `place` [n]:
    room for the node at which each stands.
    """
    n, nodes = len(total), feature.shape[1]
    total[:] = baseline
    for tree in range(len(feature)):
        place[:] = 0
        for node in range(nodes):
            limit, asked = threshold[tree, node], values[feature[tree, node]]
            for i in range(n):
                place[i] = 2 * node + 1 + (asked[i] > limit) if place[i] == node else place[i]
        for i in range(n):
            total[i] += leaf[tree, place[i] - nodes]
