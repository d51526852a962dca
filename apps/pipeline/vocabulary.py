"""The closed sets that the pipeline knows by bit: genders, intents, and which crafts complement each other.

Takes names, gives bits. Open vocabularies (industries, crafts, skills, interests, tags) come with each
snapshot; here crafts are only paired by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt

GENDERS: Mapping[str, int] = {"woman": 1, "man": 2, "nonbinary": 4}

INTENTS: Mapping[str, int] = {
    "long_term": 1 << 0,
    "short_term": 1 << 1,
    "casual": 1 << 2,
    "friends": 1 << 3,
    "collaborate": 1 << 4,
    "hire": 1 << 5,
    "find_work": 1 << 6,
    "mentor": 1 << 7,
    "invest": 1 << 8,
}
DATING_INTENTS = 0b0_0000_1111
NETWORKING_INTENTS = 0b1_1111_0000
ALL_INTENTS = 0xFFFF  # of a member who names none: open to every intent, also to ones that come later

# Who needs whom at work. Symmetric; a craft that a snapshot's vocabulary lacks is ignored.
COMPLEMENTARY_CRAFTS: tuple[tuple[str, str], ...] = (
    ("acting", "directing"),
    ("acting", "casting"),
    ("directing", "producing"),
    ("directing", "screenwriting"),
    ("directing", "cinematography"),
    ("cinematography", "editing"),
    ("composing", "directing"),
    ("composing", "singing"),
    ("music production", "singing"),
    ("music production", "songwriting"),
    ("djing", "event planning"),
    ("photography", "modeling"),
    ("photography", "styling"),
    ("photography", "art direction"),
    ("fashion design", "modeling"),
    ("fashion design", "styling"),
    ("writing", "editing"),
    ("writing", "publishing"),
    ("illustration", "writing"),
    ("product design", "software engineering"),
    ("product management", "software engineering"),
    ("data science", "product management"),
    ("founding", "investing"),
    ("founding", "software engineering"),
    ("founding", "product design"),
    ("marketing", "founding"),
    ("architecture", "interior design"),
    ("architecture", "real estate development"),
    ("cooking", "restaurateur"),
    ("painting", "curating"),
    ("sculpting", "curating"),
    ("law", "founding"),
    ("public relations", "acting"),
    ("public relations", "fashion design"),
)


def bits_of(names: Iterable[str], known: Mapping[str, int]) -> int:
    """The set of these names as one number. Raises KeyError on an unknown name."""
    bits = 0
    for name in names:
        bits |= known[name]
    return bits


def names_of(bits: int, known: Mapping[str, int]) -> tuple[str, ...]:
    """The names whose bits are set, in the order of the vocabulary."""
    return tuple(name for name, bit in known.items() if bits & bit)


@lru_cache(maxsize=64)
def partner_masks(
    crafts: tuple[str, ...], pairs: tuple[tuple[str, str], ...] = COMPLEMENTARY_CRAFTS
) -> npt.NDArray[np.uint64]:
    """[64] sets of crafts: entry i holds the crafts that complement `crafts[i]`, in the snapshot's bits.

    Read-only.
    """
    bit = {name: i for i, name in enumerate(crafts[:64])}
    masks = [0] * 64
    for a, b in pairs:
        if a in bit and b in bit:
            masks[bit[a]] |= 1 << bit[b]
            masks[bit[b]] |= 1 << bit[a]
    result = np.array(masks, "u8")
    result.flags.writeable = False
    return result
