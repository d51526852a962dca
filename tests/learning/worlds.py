"""Small worlds with a known structure, for what learning must find again."""

import numpy as np

from apps.learning.decisions import Decisions, decisions_of
from apps.pipeline.table import Table, table_from_columns

TODAY = 20260615
DAY = 86400
NOW = 1_780_000_000.0


def two_camps(
    n: int = 200, each: int = 30, seed: int = 1, strength: float = 2.0, share_words: bool = True
) -> tuple[Table, Decisions, np.ndarray]:
    """Members of two camps who mostly like their own; the camp stands in the crafts of a profile."""
    rng = np.random.default_rng(seed)
    camp = rng.integers(0, 2, n)
    source = np.repeat(np.arange(n), each)
    target = np.concatenate([rng.choice(np.delete(np.arange(n), i), each, replace=False) for i in range(n)])
    logit = np.where(camp[source] == camp[target], strength, -strength)
    liked = rng.random(len(source)) < 1 / (1 + np.exp(-logit))
    at = NOW - rng.random(len(source)) * 30 * DAY
    table = table_from_columns(
        "member",
        {
            "number": np.arange(1, n + 1),
            "market": 0,
            "gender": 1,
            "birth_date": 19900101,
            "crafts": np.where(camp == 1, 2, 1) if share_words else 0,
        },
        n,
    )
    return table, decisions_of(source, target, liked, at), camp
