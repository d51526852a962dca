"""The compiled loop that gives places of a list to rules. Import only where it runs (numba).

The list that comes in is called the line: its entries are 0..n-1, best first. `at[place]` is the entry that a
rule put there; all other places are filled from the line in order, those kept out last.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.pipeline.compiled import columns, compiled, part

SLOTS, AT_LEAST, AT_MOST = 0, 1, 2
LITTLE = 1e-9  # 0.3 of 10 places is 3, whatever the last bit says


@part
def is_met(words: Any, position: int, condition: int) -> bool:
    """Whether a candidate of the pool meets a condition."""
    return condition < 0 or (words[condition >> 6, position] >> (condition & 63)) & 1 == 1


@part
def lay_out(at: Any, taken: Any, out: Any, line: Any) -> int:
    """Writes the whole list as it stands into `line`; returns how many of its end are those kept out."""
    n, places, place = len(line), len(at), 0
    for group in range(2):  # first who may be in the list, then those kept out
        for i in range(n):
            while place < places and at[place] >= 0:
                line[place] = at[place]
                place += 1
            if not taken[i] and out[i] == group:
                line[place] = i
                place += 1
    while place < places:  # what is left are entries that rules put there
        line[place] = at[place]
        place += 1
    last = 0
    for i in range(n):
        last += out[i]
    return last


@part
def hold(entry: int, place: int, at: Any, taken: Any) -> None:
    """This entry stands at this place from now on."""
    at[place] = entry
    taken[entry] = 1


@part
def give_slot(place: int, met: Any, at: Any, taken: Any, out: Any, line: Any) -> None:
    """The place goes to the best who meets the rule and does not stand above it already."""
    lay_out(at, taken, out, line)
    if met[line[place]]:
        hold(line[place], place, at, taken)
        return
    for k in range(place + 1, len(line)):
        if met[line[k]] and not taken[line[k]] and not out[line[k]]:
            hold(line[k], place, at, taken)
            return


@part
def give_share(wanted: int, met: Any, at: Any, taken: Any, out: Any, line: Any) -> None:
    """At least `wanted` of the list meet the rule: who is in it stays, the missing come up evenly spread."""
    lay_out(at, taken, out, line)
    places, there, free = len(at), 0, 0
    for place in range(places):
        if met[line[place]] and there < wanted:
            hold(line[place], place, at, taken)
            there += 1
        if at[place] < 0:
            free += 1
    found = 0
    for k in range(places, len(line)):
        if met[line[k]] and not taken[line[k]] and not out[line[k]]:
            found += 1
    missing = min(wanted - there, min(free, found))
    k, seen, given = places, 0, 0
    for place in range(places):
        if at[place] >= 0:
            continue
        if given < missing and seen == int((given + 0.5) * free / missing):
            while taken[line[k]] or out[line[k]] or not met[line[k]]:
                k += 1
            hold(line[k], place, at, taken)
            given += 1
        seen += 1


@part
def limit_share(most: int, met: Any, at: Any, taken: Any, out: Any) -> None:
    """At most `most` of the list meet the rule: the best stay, the others come after everybody else."""
    there = 0
    for place in range(len(at)):
        if at[place] >= 0 and met[at[place]]:
            there += 1
    for i in range(len(met)):
        if met[i] and not taken[i] and not out[i]:
            if there >= most:
                out[i] = 1
            there += 1


@compiled(
    *columns("u8:2", "i8", "i4", "i4", "i4", "u1", "i4", "i4", "f8", "i4", "i4", "=i4", "=i4"),
    returns="int64",
)
def arrange(
    words: Any, positions: Any, numbers: Any, pins: Any, pin_places: Any, live: Any, kinds: Any,
    conditions: Any, shares: Any, slot_starts: Any, slots: Any, at: Any, line: Any,
) -> int:  # fmt: skip
    """Writes the places that rules gave into `at` (-1: none) and the whole list into `line`.

    Pins come first, for they win; then the rules in order. Returns how many of the end are kept out.
    """
    n, places = len(positions), len(at)
    taken, out, met = np.zeros(n, np.uint8), np.zeros(n, np.uint8), np.zeros(n, np.uint8)
    at[:] = -1
    place = 0
    for p in range(len(pins)):
        if pin_places[p] >= 0:  # a rule's first
            place = pin_places[p]
        while place < places and at[place] >= 0:
            place += 1
        for i in range(n):
            if place < places and numbers[i] == pins[p] and not taken[i]:
                hold(i, place, at, taken)
                break
    for r in range(len(kinds)):
        if not live[r]:
            continue
        for i in range(n):
            met[i] = is_met(words, positions[i], conditions[r])
        if kinds[r] == SLOTS:
            for s in range(slot_starts[r], slot_starts[r + 1]):
                if slots[s] < places and at[slots[s]] < 0:
                    give_slot(slots[s], met, at, taken, out, line)
        elif kinds[r] == AT_LEAST:
            give_share(int(np.ceil(shares[r] * places - LITTLE)), met, at, taken, out, line)
        else:
            limit_share(int(np.floor(shares[r] * places + LITTLE)), met, at, taken, out)
    return lay_out(at, taken, out, line)
