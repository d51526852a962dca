"""A release's content as cards and sentences: what staff read before they change anything.

Takes content and differences, gives plain rows for templates; asks no database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from apps.common.local_time import written
from apps.policies.conditions import in_words
from apps.policies.difference import Difference, changed_fields
from apps.policies.fields import moment
from apps.policies.governance import GUARDS
from apps.policies.knobs import Knob, knobs
from apps.policies.schema import get

OF_SOURCES = ("source_weights", "source_shares", "source_budgets")  # told beside their quota
CONDITIONS = ("viewers", "candidates", "audience", "condition")


@dataclass(frozen=True)
class Bar:
    """A value drawn from `left` over `width`, both in percent."""

    label: str
    text: str
    left: float
    width: float
    minus: bool = False


@dataclass(frozen=True)
class Card:
    """One surface of a release."""

    surface: str
    people: bool
    groups: list[tuple[str, list[tuple[str, str, str]]]]  # title; label, value, sentence of each
    weights: list[Bar]
    idle: int  # weights at 0
    sources: list[Bar]
    rules: int  # how many
    markets: list[str]  # with values of their own


@dataclass(frozen=True)
class Line:
    """One difference in words."""

    surface: str
    label: str
    before: str
    after: str
    is_new: bool = False  # a rule or the like that was not there
    is_gone: bool = False


def cards(content: Mapping[str, Any]) -> list[Card]:
    """One card per surface, in the order of the alphabet: Postgres keeps none of its own."""
    return [_card(surface, policy) for surface, policy in sorted(content["surfaces"].items())]


def lines(changes: Iterable[Difference]) -> list[Line]:
    """Differences as staff read them."""
    return [_line(change) for change in changes]


def text_of(knob: Knob, value: Any) -> str:
    """A value with its unit."""
    if knob.choices:
        return knob.choices.get(value, str(value)).split(":")[0]
    if knob.key in ("daily_cap", "hourly_cap") and not value:
        return "no cap"
    if knob.key == "room" and not value:
        return "for all"
    unit = f" {knob.unit}" if knob.unit and not knob.unit.startswith("%") else knob.unit
    return f"{value:,.10g}{unit}"


def turned(overrides: Mapping[str, Any]) -> str:
    """What a flag or a variant turns, in words: "Diversity 0.4, Hold 45 minutes"."""
    known = {**knobs("place"), **knobs("member")}
    said = (
        f"{known[key].label} {text_of(known[key], value)}" if key in known else f"{key} {value}"
        for key, value in overrides.items()
    )
    return ", ".join(said)


def _card(surface: str, policy: Mapping[str, Any]) -> Card:
    known = knobs(policy["kind"])
    values = {knob.key: get(policy, knob.key, knob.absent) for knob in known.values()}
    weights = [knob for knob in known.values() if knob.group == "Weights" and values[knob.key]]
    quotas = [knob for knob in known.values() if knob.group == "Sources"]
    most = max([float(values[knob.key]) for knob in quotas] or [0.0]) or 1.0
    return Card(
        surface=surface,
        people=policy["kind"] == "member",
        groups=_groups(known, values),
        weights=[_weight_bar(knob, float(values[knob.key])) for knob in weights],
        idle=sum(knob.group == "Weights" for knob in known.values()) - len(weights),
        sources=[
            Bar(knob.label, _source_text(known, knob, values), 0, 100 * values[knob.key] / most)
            for knob in quotas
        ],
        rules=len(policy.get("rules", ())),
        markets=sorted(policy.get("markets", {})),
    )


def _groups(
    known: Mapping[str, Knob], values: Mapping[str, Any]
) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """What is drawn as words, under the titles of the form; weights and sources are drawn as bars."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for knob in known.values():
        if knob.group not in ("Weights", "Sources") and knob.key.partition(".")[0] not in OF_SOURCES:
            found.setdefault(knob.group, []).append(
                (knob.label, text_of(knob, values[knob.key]), knob.sentence)
            )
    return list(found.items())


def _source_text(known: Mapping[str, Knob], quota: Knob, values: Mapping[str, Any]) -> str:
    """A source's quota, with what else is said of it and is not the default."""
    name = quota.key.removeprefix("quotas.")
    said = [f"{values[quota.key]:,}" if values[quota.key] else "off"]
    for group in OF_SOURCES:
        knob = known.get(f"{group}.{name}")
        if knob is not None and values[knob.key] != knob.default:
            word = knob.label.partition(": ")[2]
            said.append(f"{word} {text_of(knob, values[knob.key])}")
    return ", ".join(said)


def _weight_bar(knob: Knob, value: float) -> Bar:
    width = 50 * min(abs(value), 1.0)
    return Bar(knob.label, f"{value:+g}", 50 if value > 0 else 50 - width, width, value < 0)


def _line(change: Difference) -> Line:
    plain = change.group in ("Surface", "Governance")
    label = change.label if plain else f"{change.group}: {change.label}"
    if fields := changed_fields(change):
        before = "; ".join(f"{name.replace('_', ' ')} {_short(name, was)}" for name, was, _ in fields)
        after = "; ".join(f"{name.replace('_', ' ')} {_short(name, now)}" for name, _, now in fields)
        return Line(change.surface, label, before, after)
    before, after = _value(change, change.before), _value(change, change.after)
    is_new = change.before is None and isinstance(change.after, Mapping)
    is_gone = change.after is None and isinstance(change.before, Mapping)
    return Line(change.surface, label, before, after, is_new, is_gone)


def _value(change: Difference, value: Any) -> str:
    if value is None:
        return "as the surface" if change.key.startswith("markets.") else "none"
    if isinstance(value, Mapping):
        return str(value.get("reason") or value["name"])
    key = change.key.split(".", 2)[2] if change.key.startswith("markets.") else change.key
    knob = knobs("member").get(key) or knobs("place").get(key) or GUARDS.get(key.removeprefix("governance."))
    return text_of(knob, value) if knob else str(value)


def _short(name: str, value: Any) -> str:
    """A value of an entry, in few words."""
    if value is None:
        return "everybody"
    if name.endswith("_at"):
        return written(moment(value))
    text = _plain(name, value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _plain(name: str, value: Any) -> str:
    """Conditions, knobs, variants, effects and lists as people say them."""
    if name in CONDITIONS:
        return _condition(value)
    if name == "overrides":
        return turned(value) or "nothing"
    if name == "variants":
        return ", ".join(
            f"{one['name']} {one['weight']:.0%} ({turned(one['overrides']) or 'nothing'})" for one in value
        )
    if isinstance(value, Mapping):
        return ", ".join(f"{key.replace('_', ' ')} {_plain(key, one)}" for key, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else f"{value}"


def _condition(tree: Mapping[str, Any] | list[Any]) -> str:
    """A condition of members, else of places; pinned candidates are a list of numbers."""
    if isinstance(tree, list):
        return ", ".join(map(str, tree))
    try:
        return in_words(tree, "member")
    except KeyError:
        return in_words(tree, "place")
