"""A draft's own changes put upon what is live now: value by value, and of an entry field by field.

Takes three contents, gives the new one, and where both sides changed the same differently: the draft's stays
there. Decides nothing about what is valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

from apps.policies.difference import Difference, difference, put_difference
from apps.policies.schema import Content, get


def rebased(
    base: Mapping[str, Any], draft: Mapping[str, Any], live: Mapping[str, Any], *, whole: bool = False
) -> tuple[Content, list[Difference]]:
    """`live` with what `draft` changed of `base`; and the clashes, each from the live side to what stays.

    With `whole` the draft's entries are put as they are: for fields of both sides that can't stand together.
    """
    content: Content = deepcopy(dict(live))
    clashes: list[Difference] = []
    for line in difference(base, draft):
        if line.key == "surface" or (line.surface and line.surface not in content["surfaces"]):
            continue
        theirs = _stands(content, line)
        ours = line.after
        if _is_entry(theirs) and _is_entry(line.before) and _is_entry(ours):
            ours, clash = _merged(line, theirs, whole=whole)
        else:
            clash = replace(line, before=theirs) if theirs not in (line.before, line.after) else None
        clashes += [clash] if clash else []
        put_difference(content, replace(line, after=ours))
    return content, clashes


def _merged(
    line: Difference, theirs: dict[str, Any], *, whole: bool
) -> tuple[dict[str, Any], Difference | None]:
    """Their entry with the draft's fields; fields in which both differ from before, and from each other."""
    was, wanted = line.before, line.after
    ours = wanted if whole else theirs | {n: v for n, v in wanted.items() if v != was.get(n)}
    both = [n for n, value in theirs.items() if value not in (was.get(n), ours.get(n))]
    if not both:
        return ours, None
    sides = ({n: side.get(n) for n in both} for side in (theirs, ours))
    return ours, replace(line, before=next(sides), after=next(sides))


def _is_entry(value: Any) -> bool:
    return isinstance(value, dict)


def _stands(content: Mapping[str, Any], line: Difference) -> Any:
    """What the content says where the line points to."""
    home = content["surfaces"][line.surface] if line.surface else content
    group, _, name = line.key.partition(".")
    if isinstance(home.get(group), list):
        key = "id" if group == "rules" else "key"
        return next((entry for entry in home[group] if entry[key] == name), None)
    if group == "markets":
        market, _, path = name.partition(".")
        return home["markets"].get(market, {}).get(path)
    return get(home, line.key)
