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
def tell_who_meets(words: Any, condition: int, met: Any) -> None:
    """Writes of each entry whether it meets a condition; `words` are in the order of the line."""
    if condition < 0:
        met[:] = 1
        return
    word, bit = condition >> 6, np.uint64(condition & 63)
    for i in range(len(met)):
        met[i] = (words[word, i] >> bit) & np.uint64(1)


@part
def lay_out(at: Any, taken: Any, out: Any, line: Any) -> int:
    """Writes the whole list as it stands into `line`; returns how many of its end are those kept out."""
    n, places, place, last = len(line), len(at), 0, 0
    for i in range(n):
        last += out[i]
    for group in range(2 if last else 1):  # first who may be in the list, then those kept out
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
    return last


@part
def hold(entry: int, place: int, at: Any, taken: Any) -> None:
    """This entry stands at this place from now on."""
    at[place] = entry
    taken[entry] = 1


@part
def give_slot(place: int, met: Any, at: Any, taken: Any, out: Any, line: Any) -> bool:
    """The place goes to the best who meets the rule and does not stand above it already.

    Like the others, it tells whether the line is another now: holding an entry where it stands changes none.
    """
    if met[line[place]]:
        hold(line[place], place, at, taken)
        return False
    for k in range(place + 1, len(line)):
        if met[line[k]] and not taken[line[k]] and not out[line[k]]:
            hold(line[k], place, at, taken)
            return True
    return False


@part
def give_share(wanted: int, met: Any, at: Any, taken: Any, out: Any, line: Any) -> bool:
    """At least `wanted` of the list meet the rule: who is in it stays, the missing come up evenly spread."""
    places, there, free = len(at), 0, 0
    for place in range(places):
        if met[line[place]] and there < wanted:
            hold(line[place], place, at, taken)
            there += 1
        if at[place] < 0:
            free += 1
    if there >= wanted:
        return False
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
    return given > 0


@part
def limit_share(most: int, met: Any, at: Any, taken: Any, out: Any) -> bool:
    """At most `most` of the list meet the rule: the best stay, the others come after everybody else."""
    there, changed = 0, False
    for place in range(len(at)):
        if at[place] >= 0 and met[at[place]]:
            there += 1
    for i in range(len(met)):
        if met[i] and not taken[i] and not out[i]:
            if there >= most:
                out[i], changed = 1, True
            there += 1
    return changed


@compiled(
    *columns("u8:2", "i8", "i4", "i4", "i4", "?", "i8", "i4", "i4", "f8", "i4", "i4", "=i4", "=i4"),
    returns="int64",
)
def arrange(
    words: Any, positions: Any, numbers: Any, pins: Any, pin_places: Any, live: Any, rules: Any, kinds: Any,
    conditions: Any, shares: Any, slot_starts: Any, slots: Any, at: Any, line: Any,
) -> int:  # fmt: skip
    """Writes the places that rules gave into `at` (-1: none) and the whole list into `line`.

    Pins come first, for they win; then the steps in order, step r if its rule, rules[r], is live. Returns how
    many of the end are kept out.
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
            if place < places and numbers[positions[i]] == pins[p] and not taken[i]:
                hold(i, place, at, taken)
                break
    in_line = np.empty((len(words), n), np.uint64)
    for w in range(len(words)):
        for i in range(n):
            in_line[w, i] = words[w, positions[i]]
    last = lay_out(at, taken, out, line)
    for r in range(len(kinds)):
        if not live[rules[r]]:
            continue
        tell_who_meets(in_line, conditions[r], met)
        changed = False
        if kinds[r] == AT_LEAST:
            changed = give_share(int(np.ceil(shares[r] * places - LITTLE)), met, at, taken, out, line)
        elif kinds[r] == AT_MOST:
            changed = limit_share(int(np.floor(shares[r] * places + LITTLE)), met, at, taken, out)
        if changed:
            last = lay_out(at, taken, out, line)
        for s in range(slot_starts[r], slot_starts[r + 1]):
            if slots[s] < places and at[slots[s]] < 0 and give_slot(slots[s], met, at, taken, out, line):
                last = lay_out(at, taken, out, line)
    return last
