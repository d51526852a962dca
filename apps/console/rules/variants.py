"""Fields that are rows: the knobs that a flag or a variant turns, and the variants of an experiment.

Takes stored values or what was posted; gives rows for the template, and the values that they say. A row that
says nothing is left out. Rows come and go by buttons of the form; rows.js spares the way to the server.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.console.policies.cards import text_of
from apps.console.rules.widgets import Field, as_number
from apps.policies.flags import FIXED
from apps.policies.knobs import Knob, knobs
from apps.policies.schema import get

MOST_ROWS = 50


@dataclass(frozen=True)
class Choice:
    """A knob to pick: what it does, within which bounds, and what the surface says now."""

    key: str
    label: str
    group: str
    hint: str
    choices: tuple[str, ...]


Picks = Mapping[str, list[Choice]]  # by surface


def picks_of(content: Mapping[str, Any], learnt: Mapping[str, Collection[str]]) -> Picks:
    """The knobs that can be turned for some viewers, by surface. `learnt`: the predictions that each surface
    has; the knobs of others are not offered."""
    return {
        surface: [
            _choice(knob, get(policy, key, knob.absent))
            for key, knob in knobs(policy["kind"]).items()
            if key not in FIXED and knob.learnt in {"", *learnt.get(surface, ())}
        ]
        for surface, policy in content["surfaces"].items()
    }


@dataclass
class Turn:
    """One knob and the value it is turned to, as typed. `name`: the start of its inputs' names."""

    name: str
    knob: str = ""
    text: str = ""
    refusal: str = ""
    picks: list[Choice] = field(default_factory=list)

    @property
    def id(self) -> str:
        return "f-" + self.name.replace(".", "-")

    @property
    def hint(self) -> str:
        return next((one.hint for one in self.picks if one.key == self.knob), "")

    @property
    def choices(self) -> tuple[str, ...]:
        return next((one.choices for one in self.picks if one.key == self.knob), ())

    @property
    def groups(self) -> list[tuple[str, list[Choice]]]:
        """The knobs to pick from; one that the surface doesn't have stays, so that it is seen."""
        found: dict[str, list[Choice]] = {}
        for one in self.picks:
            found.setdefault(one.group, []).append(one)
        if self.knob and all(one.key != self.knob for one in self.picks):
            found["Not offered on this surface"] = [Choice(self.knob, self.knob, "", "", ())]
        return list(found.items())


@dataclass
class Turns(Field):
    """Knobs that are turned: {"diversity": 0.3}."""

    picks: Picks = field(default_factory=dict)
    rows: list[Turn] = field(default_factory=list)

    def show(self, value: Any) -> None:
        self.rows = [Turn("", knob, _typed(one)) for knob, one in (value or {}).items()]
        self.settle("")

    def take(self, data: Any) -> None:
        names = _names(data, self.path)
        self.rows = [Turn(name, _text(data, f"{name}.knob"), _text(data, f"{name}.value")) for name in names]

    def press(self, add: str, remove: str) -> None:
        """Adds a row, or takes one away, as a button of the form says."""
        self.rows = [one for one in self.rows if one.name != remove]
        if add == self.path:
            self.rows.append(Turn(""))

    def settle(self, surface: str, path: str = "") -> None:
        """Numbers the rows anew, with the knobs of the surface to pick from."""
        self.path = path or self.path
        offered = self.picks.get(surface) or next(iter(self.picks.values()), [])
        for i, one in enumerate(self.rows):
            one.name, one.picks = f"{self.path}.{i}", offered

    @property
    def blank(self) -> Turn:
        offered = self.rows[0].picks if self.rows else next(iter(self.picks.values()), [])
        return Turn(f"{self.path}.__turn__", picks=offered)

    def read(self) -> Any:
        found: dict[str, Any] = {}
        for one in self.rows:
            if one.knob in found:  # said twice: neither a value of the one nor of the other
                found[one.knob] = [found[one.knob], one.text]
            elif one.knob or one.text:
                found[one.knob] = as_number(one.text)
        return found

    def refuse(self, rest: str, sentence: str) -> None:
        at_it = [one for one in self.rows if rest and one.knob == rest]
        if len(at_it) > 1:
            sentence = "This knob is turned twice: say it once."
        at_it = at_it or [one for one in self.rows if not rest and not one.knob and one.text]
        for one in at_it[-1:]:
            one.refusal = sentence if one.knob else "Pick a knob."
        if not at_it:
            self.refusal = sentence


@dataclass
class Variant:
    """One variant as typed."""

    name: str
    key: str
    title: str
    weight: str
    turns: Turns
    refusals: dict[str, str] = field(default_factory=dict)
    refusal: str = ""

    @property
    def is_blank(self) -> bool:
        return not (self.key or self.title or self.weight or self.turns.read())

    @property
    def id(self) -> str:
        return "f-" + self.name.replace(".", "-")


@dataclass
class Variants(Field):
    """The variants of an experiment; the first is the control."""

    picks: Picks = field(default_factory=dict)
    rows: list[Variant] = field(default_factory=list)

    def show(self, value: Any) -> None:
        self.rows = [
            self._variant(one["key"], one["name"], _typed(one["weight"]), one["overrides"]) for one in value
        ]
        self.settle("")

    def take(self, data: Any) -> None:
        self.rows = []
        for name in _names(data, self.path):
            one = self._variant(*(_text(data, f"{name}.{part}") for part in ("key", "name", "weight")))
            one.name, one.turns.path = name, f"{name}.overrides"
            one.turns.take(data)
            self.rows.append(one)

    def press(self, add: str, remove: str) -> None:
        """Adds a variant, or takes one away; or does so with a row of one."""
        self.rows = [one for one in self.rows if one.name != remove]
        for one in self.rows:
            one.turns.press(add, remove)
        if add == self.path:
            self.rows.append(self._variant())

    def settle(self, surface: str) -> None:
        """Numbers the variants and their rows anew."""
        for i, one in enumerate(self.rows):
            one.name = f"{self.path}.{i}"
            one.turns.settle(surface, f"{one.name}.overrides")

    @property
    def blank(self) -> Variant:
        one = self._variant()
        one.name = f"{self.path}.__variant__"
        one.turns.path = f"{one.name}.overrides"
        return one

    def read(self) -> Any:
        return [
            {
                "key": one.key,
                "name": one.title,
                "weight": as_number(one.weight),
                "overrides": one.turns.read(),
            }
            for one in self._said
        ]

    @property
    def _said(self) -> list[Variant]:
        """Those that say something; the control always does."""
        return [one for i, one in enumerate(self.rows) if i == 0 or not one.is_blank]

    def refuse(self, rest: str, sentence: str) -> None:
        number, _, inside = rest.partition(".")
        if not number.isdecimal() or int(number) >= len(self._said):
            self.refusal = sentence
            return
        one, (part, _, knob) = self._said[int(number)], inside.partition(".")
        if part == "overrides":
            one.turns.refuse(knob, sentence)
        elif part in ("key", "name", "weight"):
            one.refusals[part] = sentence
        else:
            one.refusal = sentence

    def _variant(self, key: str = "", title: str = "", weight: str = "", overrides: Any = None) -> Variant:
        turns = Turns("", "Knobs", picks=self.picks)
        turns.show(overrides)
        return Variant("", key, title, weight, turns)


def _choice(knob: Knob, now: Any) -> Choice:
    if knob.choices is not None:
        bounds = f"One of: {', '.join(knob.choices)}."
    else:
        unit = f" {knob.unit}" if knob.unit else ""
        bounds = f"From {knob.minimum:,.4g} to {knob.maximum:,.10g}{unit}."
    now_text = now if knob.choices is not None else text_of(knob, now)
    hint = f"{knob.sentence} {bounds} Now: {now_text}."
    return Choice(knob.key, knob.label, knob.group, hint, tuple(knob.choices or ()))


def _names(data: Any, path: str) -> list[str]:
    """The starts of the names of posted rows, in the order of their numbers."""
    known = {
        int(found[1])
        for name in data
        if (found := re.match(rf"{re.escape(path)}\.(\d{{1,3}})\.", name, re.ASCII))
    }
    return [f"{path}.{number}" for number in sorted(known)[:MOST_ROWS]]


def _text(data: Any, name: str) -> str:
    return str(data.get(name, "")).replace("\x00", "").strip()[:500]


def _typed(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
