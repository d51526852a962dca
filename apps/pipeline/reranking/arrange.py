"""The compiled loop that gives places of a list to rules. Named where it is used by Passes.

The list that comes in is called the line: its entries are 0..n-1, best first. `at[place]` is the entry that a
rule put there; all other places are filled from the line in order, those kept out last.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.pipeline.compiled import columns, compiled, part

SLOTS, AT_LEAST, AT_MOST = 0, 1, 2
RULE, KIND, CONDITION, SHARE, FROM, TO = range(6)  # columns of steps
LITTLE = 1e-9  # 0.3 of 10 places is 3, whatever the last bit says


@part
def meets(words: Any, condition: int, entry: int) -> bool:
    """Whether an entry of the line meets a condition; all meet -1."""
    if condition < 0:
        return True
    return bool((words[condition >> 6, entry] >> np.uint64(condition & 63)) & np.uint64(1) == 1)


@part
def is_free(entry: int, taken: Any, out: Any) -> bool:
    """Whether a rule may still bring this entry up."""
    return bool(taken[entry] == 0 and out[entry] == 0)


@part
def fill(at: Any, taken: Any, out: Any, shown: Any) -> int:
    """Writes the list as it stands into `shown`; returns before which entry of the line nobody is below it.

    The places that no rule gave are filled in the order of the line, with those kept out only at its end.
    """
    n, places, place, below = len(taken), len(at), 0, len(taken)
    for group in range(2):
        for i in range(n):
            while place < places and at[place] >= 0:
                shown[place] = at[place]
                place += 1
            if place == places:
                return i if group == 0 else below
            if taken[i] == 0 and out[i] == group:
                shown[place] = i
                place += 1
    while place < places:
        shown[place] = at[place]
        place += 1
    return below


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
def give_slot(
    place: int, words: Any, condition: int, at: Any, taken: Any, out: Any, shown: Any, below: int
) -> bool:
    """The place goes to the best who meets the rule and does not stand above it already.

    Like the others, it tells whether the list is another now: holding an entry where it stands changes none.
    """
    if meets(words, condition, shown[place]):
        hold(shown[place], place, at, taken)
        return False
    for k in range(place + 1, len(shown)):
        if meets(words, condition, shown[k]) and is_free(shown[k], taken, out):
            hold(shown[k], place, at, taken)
            return True
    for i in range(below, len(taken)):
        if is_free(i, taken, out) and meets(words, condition, i):
            hold(i, place, at, taken)
            return True
    return False


@part
def give_share(
    wanted: int, words: Any, condition: int, at: Any, taken: Any, out: Any, shown: Any, below: int
) -> bool:
    """At least `wanted` of the list meet the rule: who is in it stays, the missing come up evenly spread."""
    places, there, free = len(at), 0, 0
    for place in range(places):
        if there < wanted and meets(words, condition, shown[place]):
            hold(shown[place], place, at, taken)
            there += 1
        if at[place] < 0:
            free += 1
    most, missing = min(wanted - there, free), 0
    for i in range(below, len(taken)):
        if missing >= most:
            break
        if is_free(i, taken, out) and meets(words, condition, i):
            missing += 1
    i, seen, given = below, 0, 0
    for place in range(places):
        if at[place] >= 0:
            continue
        if given < missing and seen == int((given + 0.5) * free / missing):
            while not (is_free(i, taken, out) and meets(words, condition, i)):
                i += 1
            hold(i, place, at, taken)
            given += 1
        seen += 1
    return given > 0


@part
def limit_share(most: int, words: Any, condition: int, at: Any, taken: Any, out: Any) -> bool:
    """At most `most` of the list meet the rule: the best stay, the others come after everybody else."""
    there, changed = 0, False
    for place in range(len(at)):
        if at[place] >= 0 and meets(words, condition, at[place]):
            there += 1
    for i in range(len(taken)):
        if is_free(i, taken, out) and meets(words, condition, i):
            if there >= most:
                out[i], changed = 1, True
            there += 1
    return changed


@compiled(*columns("u8:2", "i8", "f4", "i4", "i4:2", "?", "f8:2", "i4", "=i4", "=i8", "=f4"), returns="int64")
def arrange(
    words: Any, before: Any, chances: Any, numbers: Any, pins: Any, live: Any, steps: Any, slots: Any,
    at: Any, after: Any, chances_after: Any,
) -> int:  # fmt: skip
    """Writes the places that rules gave into `at` (-1: none), and positions and chances in their new order.

    `pins` [2, n]: numbers, and the place where each stands (-1: after the one before). They come first, for
    they win; then the `steps` (see placements.Steps), each if its rule is live. Returns how many of the end
    are kept out.
    """
    n, places = len(before), len(at)
    taken, out, shown = np.zeros(n, np.uint8), np.zeros(n, np.uint8), np.empty(places, np.int32)
    at[:] = -1
    place = 0
    for p in range(pins.shape[1]):
        if pins[1, p] >= 0:  # a rule's first
            place = pins[1, p]
        while place < places and at[place] >= 0:
            place += 1
        for i in range(n):
            if place < places and numbers[before[i]] == pins[0, p] and not taken[i]:
                hold(i, place, at, taken)
                break
    in_line = np.empty((len(words), n), np.uint64)
    for w in range(len(words)):
        for i in range(n):
            in_line[w, i] = words[w, before[i]]
    below = fill(at, taken, out, shown)
    for step in range(len(steps)):
        if not live[int(steps[step, RULE])]:
            continue
        kind, condition, share = int(steps[step, KIND]), int(steps[step, CONDITION]), steps[step, SHARE]
        changed = False
        if kind == AT_LEAST:
            wanted = int(np.ceil(share * places - LITTLE))
            changed = give_share(wanted, in_line, condition, at, taken, out, shown, below)
        elif kind == AT_MOST:
            most = int(np.floor(share * places + LITTLE))
            changed = limit_share(most, in_line, condition, at, taken, out)
        if changed:
            below = fill(at, taken, out, shown)
        for s in range(int(steps[step, FROM]), int(steps[step, TO])):
            slot = slots[s]
            if slot >= places or at[slot] >= 0:
                continue
            if give_slot(slot, in_line, condition, at, taken, out, shown, below):
                below = fill(at, taken, out, shown)
    line = np.empty(n, np.int32)
    last = lay_out(at, taken, out, line)
    for i in range(n):
        after[i], chances_after[i] = before[line[i]], chances[line[i]]
    return last
