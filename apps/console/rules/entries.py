"""What can be written besides knobs: rules of a surface, segments, flags, experiments. One list page and one
form serve them all.

Takes a draft's content; gives the entries of a part and puts one back. What is valid is the schema's to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Entry = dict[str, Any]
Content = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """One kind of entry. `path`: where a surface's entries stand; {surface} is put in."""

    key: str  # in addresses
    title: str
    one: str
    name: str  # the field that tells entries apart
    path: str
    sentence: str
    of_surface: bool = False
    switch: str = ""  # the kind of switch that takes an entry away at once

    def entries(self, content: Mapping[str, Any], surface: str) -> list[Entry]:
        return list((content["surfaces"][surface] if self.of_surface else content).get(self.path, []))

    def put(self, content: Content, surface: str, entries: list[Entry]) -> None:
        home = content["surfaces"][surface] if self.of_surface else content
        home[self.path] = entries

    def prefix(self, surface: str) -> str:
        """Where refusals of the entries point to."""
        return f"{surface}.{self.path}" if self.of_surface else self.path

    def switch_key(self, surface: str, name: str) -> str:
        return f"{surface}/{name}" if self.of_surface else name


PARTS: Mapping[str, Part] = {
    part.key: part
    for part in (
        Part(
            "rules", "Rules", "rule", "id", "rules",
            "Boosts, buries, pins, caps, cool-downs, floors and share targets; each has an owner and an end.",
            of_surface=True, switch="rule",
        ),
        Part(
            "segments", "Segments", "segment", "key", "segments",
            "Conditions with a name, for rules, flags and experiments. A change counts everywhere.",
        ),
        Part(
            "flags", "Flags", "flag", "key", "flags",
            "Values that are on for a share of the members, for segments or for a few. The app reads them.",
            switch="flag",
        ),
        Part(
            "experiments", "Experiments", "experiment", "key", "experiments",
            "Variants of knobs, dealt by a pure hash. Frozen once started; another phase starts one anew.",
            switch="experiment",
        ),
    )
}  # fmt: skip


def find(entries: list[Entry], part: Part, name: str) -> tuple[int, Entry] | None:
    """Place and entry of this name."""
    return next(((i, entry) for i, entry in enumerate(entries) if entry[part.name] == name), None)


def with_entry(entries: list[Entry], part: Part, entry: Entry, *, instead_of: str | None) -> list[Entry]:
    """The list with the entry at the place of the one it replaces, or at its end."""
    found = find(entries, part, instead_of) if instead_of else None
    if found is None:
        return [*entries, entry]
    return [*entries[: found[0]], entry, *entries[found[0] + 1 :]]


def without_entry(entries: list[Entry], part: Part, name: str) -> list[Entry]:
    return [entry for entry in entries if entry[part.name] != name]
