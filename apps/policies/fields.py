"""The small checks that rules, segments, flags and experiments share. Each notes what it refuses, by path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from apps.policies.conditions import ConditionInvalid, Tree, parse_condition

SLUG = re.compile(r"^[a-z][a-z0-9_-]{0,31}$")
LONGEST = timedelta(days=366)


class Refusals:
    """What can't stand in one object, noted by path, so that all refusals come at once."""

    def __init__(self, noted: dict[str, str], path: str) -> None:
        self.noted, self.path = noted, path
        self._before = len(noted)

    def add(self, name: str, sentence: str) -> None:
        self.noted.setdefault(f"{self.path}.{name}" if name else self.path, sentence)

    @property
    def any(self) -> bool:
        return len(self.noted) > self._before

    def keys(self, value: Any, wanted: set[str]) -> bool:
        """Whether the object has exactly these keys."""
        if not isinstance(value, Mapping):
            self.add("", "Must be an object.")
            return False
        for name in sorted(map(str, set(value) - wanted)):
            self.add(name[:40], "There is no such field.")
        for name in sorted(wanted - set(value)):
            self.add(name, "Is missing.")
        return set(value) == wanted

    def slug(self, name: str, value: Any) -> str:
        if not isinstance(value, str) or not SLUG.match(value):
            self.add(name, "Lower-case letters, digits, - and _, beginning with a letter; at most 32.")
            return ""
        return value

    def text(self, name: str, value: Any, most: int = 100) -> str:
        text = value.strip() if isinstance(value, str) else ""
        if not 1 <= len(text) <= most or "\x00" in text or text.encode("utf-8", "replace").decode() != text:
            self.add(name, f"Must be 1 to {most} letters.")
            return ""
        return text

    def number(self, name: str, value: Any, low: float, high: float, *, whole: bool = False) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            self.add(name, f"Must be between {low:,.4g} and {high:,.10g}.")
            return low
        if whole and value != int(value):
            self.add(name, "Must be a whole number.")
            return low
        return int(value) if whole else round(float(value), 4) + 0  # no -0.0: Postgres keeps none

    def one_of(self, name: str, value: Any, choices: Mapping[str, Any] | tuple[str, ...]) -> str:
        if not isinstance(value, str) or value not in choices:
            self.add(name, f"Must be one of: {', '.join(choices)}.")
            return next(iter(choices), "")
        return value

    def times(self, value: Mapping[str, Any], *, longest: timedelta = LONGEST) -> tuple[str, str]:
        """starts_at and ends_at in UTC; an end is never left out."""
        starts, ends = self.moment("starts_at", value["starts_at"]), self.moment("ends_at", value["ends_at"])
        if starts and ends:
            if ends <= starts:
                self.add("ends_at", "Must be after the start.")
            elif moment(ends) - moment(starts) > longest:
                self.add("ends_at", f"Must be within {longest.days} days of the start.")
        return starts, ends

    def moment(self, name: str, value: Any) -> str:
        try:
            found = moment(value)
        except (ValueError, TypeError, OverflowError):
            self.add(
                name, "Must be a date and time." if value else "Must be set: everything here has an end."
            )
            return ""
        return found.strftime("%Y-%m-%dT%H:%M:%SZ")

    def condition(self, name: str, value: Any, kind: str, segments: Mapping[str, str]) -> Tree | None:
        """None: everybody."""
        if value is None:
            return None
        try:
            return parse_condition(value, kind, segments=segments)
        except ConditionInvalid as refusal:
            self.add(f"{name}.{refusal.path}" if refusal.path else name, refusal.detail)
            return None

    def each(self, value: Any, most: int) -> Iterator[tuple[int, Any]]:
        """The entries of a list with at most so many."""
        if not isinstance(value, list):
            self.add("", "Must be a list.")
        elif len(value) > most:
            self.add("", f"Must hold at most {most}.")
        else:
            yield from enumerate(value)


def moment(text: Any) -> datetime:
    """A written time with its offset, in UTC. Raises ValueError, TypeError."""
    found = datetime.fromisoformat(text)
    if found.utcoffset() is None or not 2000 <= found.year <= 2100:
        raise ValueError("A time needs its offset from UTC.")
    return found.astimezone(UTC)


def seconds(text: str) -> float:
    """A normalised time as seconds since 1970-01-01 UTC."""
    return moment(text).timestamp()


def unique(entries: list[dict[str, Any]], name: str, refusals: Refusals) -> None:
    """Notes every entry whose name another one has already."""
    seen: set[str] = set()
    for i, entry in enumerate(entries):
        if entry and entry[name] in seen:
            refusals.add(f"{i}.{name}", f"Another one is called {entry[name]}.")
        elif entry:
            seen.add(entry[name])
