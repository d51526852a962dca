"""A release's content as cards and sentences: what staff read before they change anything.

Takes content and differences, gives plain rows for templates; asks the database only for the names of pins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from apps.members.models import Member
from apps.places.models import Place
from apps.policies.knobs import Knob, knobs
from apps.policies.schema import Difference, get


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
    facts: list[tuple[str, str, str]]  # label, value, sentence
    weights: list[Bar]
    idle: int  # weights at 0
    sources: list[Bar]
    pins: list[str]
    flag: Mapping[str, Any] | None
    overrides: list[tuple[str, str]]


@dataclass(frozen=True)
class Line:
    """One difference in words."""

    surface: str
    label: str
    before: str
    after: str


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
    if knob.key == "daily_cap" and not value:
        return "no cap"
    unit = f" {knob.unit}" if knob.unit and not knob.unit.startswith("%") else knob.unit
    return f"{value:,.10g}{unit}"


def pin_names(kind: str, numbers: Iterable[int]) -> list[str]:
    """The app's ids of pinned numbers, in their order; one that was erased says so."""
    wanted = list(numbers)
    if not wanted:
        return []
    model: Any = Member if kind == "member" else Place
    known = dict(model.objects.filter(number__in=wanted).values_list("number", "external_id"))
    return [known.get(number, f"erased ({number})") for number in wanted]


def _card(surface: str, policy: Mapping[str, Any]) -> Card:
    known = knobs(policy["kind"])
    values = {knob.key: get(policy, knob.key, knob.absent) for knob in known.values()}
    weights = [knob for knob in known.values() if knob.group == "Weights" and values[knob.key]]
    quotas = [knob for knob in known.values() if knob.group == "Sources"]
    most = max([float(values[knob.key]) for knob in quotas] or [0.0]) or 1.0
    flag = policy.get("flag")
    return Card(
        surface=surface,
        people=policy["kind"] == "member",
        facts=[
            (knob.label, text_of(knob, values[knob.key]), knob.sentence)
            for knob in known.values()
            if knob.group not in ("Weights", "Sources")
        ],
        weights=[_weight_bar(knob, float(values[knob.key])) for knob in weights],
        idle=sum(knob.group == "Weights" for knob in known.values()) - len(weights),
        sources=[
            Bar(
                knob.label,
                f"{values[knob.key]:,}" if values[knob.key] else "off",
                0,
                100 * values[knob.key] / most,
            )
            for knob in quotas
        ],
        pins=pin_names(policy["kind"], policy.get("pins", ())),
        flag=flag,
        overrides=_overrides(known, flag),
    )


def _weight_bar(knob: Knob, value: float) -> Bar:
    width = 50 * min(abs(value), 1.0)
    return Bar(knob.label, f"{value:+g}", 50 if value > 0 else 50 - width, width, value < 0)


def _overrides(known: Mapping[str, Knob], flag: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if not flag:
        return []
    return [(known[k].label, text_of(known[k], v)) for k, v in flag["overrides"].items() if k in known]


def _line(change: Difference) -> Line:
    label = change.label if change.group in ("Rules", "Surface") else f"{change.group}: {change.label}"
    return Line(change.surface, label, _value(change, change.before), _value(change, change.after))


def _value(change: Difference, value: Any) -> str:
    if change.key == "flag":
        return f"{value['key']} for {value['percentage']:g}% of viewers" if value else "none"
    if change.key == "pins":
        return ", ".join(str(pin) for pin in value) if value else "none"
    knob = knobs("member").get(change.key) or knobs("place").get(change.key)
    return text_of(knob, value) if knob else str(value)
