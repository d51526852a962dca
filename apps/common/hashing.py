"""Which share of the viewers somebody falls into: a pure function of a seed and an id.

The scheme is GrowthBook's second version (FNV-1a over FNV-1a, 10,000 buckets), so the app can compute it too.
Takes text, gives a number; keeps no state and draws nothing at random.
"""

BUCKETS = 10_000
_OFFSET, _PRIME, _MASK = 2166136261, 16777619, 0xFFFFFFFF


def fnv1a_32(text: str) -> int:
    """The 32-bit FNV-1a hash of the text's UTF-8 bytes."""
    state = _OFFSET
    for byte in text.encode("utf-8", "surrogatepass"):
        state = ((state ^ byte) * _PRIME) & _MASK
    return state


def bucket(seed: str, value: str) -> float:
    """Where `value` stands in [0, 1), in steps of 1/10,000. Another seed deals everybody anew."""
    return fnv1a_32(str(fnv1a_32(seed + value))) % BUCKETS / BUCKETS


def in_share(seed: str, value: str, percentage: float) -> bool:
    """Whether `value` is in the first `percentage` percent. Raising it only adds people; 0 is nobody."""
    return bucket(seed, value) < share_of(percentage)


def share_of(percentage: float) -> float:
    """The share of [0, 1) that a percentage is; rounded, so that a bucket at its very edge is outside."""
    return round(percentage / 100, 6)
