"""What one content changes against another, line by line, for people to read before they approve.

Takes two contents, gives plain differences: knobs in their own words; rules, segments, flags and experiments
one by one. Puts single differences upon another content. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.policies.governance import GUARDS
from apps.policies.knobs import knobs
from apps.policies.schema import get, put

EVERYWHERE = ""  # the surface of what belongs to none
LISTS = (("segments", "key", "Segment"), ("flags", "key", "Flag"), ("experiments", "key", "Experiment"))


@dataclass(frozen=True)
class Difference:
    """One value that differs. `key` is a knob's path, or the path of an entry: "rules.newcomers"."""

    surface: str
    key: str
    label: str
    group: str
    unit: str
    before: Any
    after: Any

    @property
    def path(self) -> str:
        return f"{self.surface}.{self.key}" if self.surface else self.key


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """What `after` changes, surface by surface in the order of the form, then what belongs to no surface."""
    old, new = before.get("surfaces", {}), after.get("surfaces", {})
    lines: list[Difference] = []
    for surface in sorted({*old, *new}):
        if surface not in old or surface not in new:
            stands = ("none", "added") if surface in new else ("present", "removed")
            lines.append(Difference(surface, "surface", "Surface", "Surface", "", *stands))
        else:
            lines += _of_surface(surface, old[surface], new[surface])
    for part, name, group in LISTS:
        lines += _entries(EVERYWHERE, part, group, before.get(part, []), after.get(part, []), name)
    return [*lines, *_of_governance(before.get("governance", {}), after.get("governance", {}))]


def put_difference(content: dict[str, Any], line: Difference) -> None:
    """Makes the content say what `line` says; of an entry that is not on its later side, nothing."""
    group, _, name = line.key.partition(".")
    home = content["surfaces"][line.surface] if line.surface else content
    if group in {part for part, _, _ in LISTS} | {"rules"}:
        key = "id" if group == "rules" else "key"
        kept = [entry for entry in home[group] if entry[key] != name]
        home[group] = kept if line.after is None else [*kept, line.after]
    elif group == "markets":
        market, _, path = name.partition(".")
        values = home["markets"].setdefault(market, {})
        values.pop(path, None) if line.after is None else values.update({path: line.after})
    else:
        put(home, line.key, line.after)


def changed_fields(line: Difference) -> list[tuple[str, Any, Any]]:
    """Of an entry on both sides: its fields that differ, with both values."""
    if not isinstance(line.before, Mapping) or not isinstance(line.after, Mapping):
        return []
    names = [*line.before, *(name for name in line.after if name not in line.before)]
    pairs = [(name, line.before.get(name), line.after.get(name)) for name in names]
    return [pair for pair in pairs if pair[1] != pair[2]]


def _of_surface(surface: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for knob in knobs(new["kind"]).values():
        was, now = get(old, knob.key, knob.absent), get(new, knob.key, knob.absent)
        if was != now:
            yield Difference(surface, knob.key, knob.label, knob.group, knob.unit, was, now)
    yield from _of_markets(surface, new["kind"], old.get("markets", {}), new.get("markets", {}))
    yield from _entries(surface, "rules", "Rule", old.get("rules", []), new.get("rules", []), "id")


def _of_markets(
    surface: str, kind: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Difference]:
    for market in sorted({*old, *new}):
        for knob in knobs(kind).values():
            was, now = old.get(market, {}).get(knob.key), new.get(market, {}).get(knob.key)
            if was != now:
                key = f"markets.{market}.{knob.key}"
                yield Difference(surface, key, f"{knob.label} in {market}", knob.group, knob.unit, was, now)


def _entries(
    surface: str, part: str, group: str, old: Sequence[Any], new: Sequence[Any], name: str
) -> Iterator[Difference]:
    before, after = ({entry[name]: entry for entry in entries} for entries in (old, new))
    for key in [*before, *(key for key in after if key not in before)]:
        was, now = before.get(key), after.get(key)
        if was != now:
            label = (now or was or {})["name"]
            yield Difference(surface, f"{part}.{key}", label, group, "", was, now)


def _of_governance(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for key, knob in GUARDS.items():
        was, now = old.get(key, knob.default), new.get(key, knob.default)
        if was != now:
            yield Difference(EVERYWHERE, f"governance.{key}", knob.label, knob.group, knob.unit, was, now)
