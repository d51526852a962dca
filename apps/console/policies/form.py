"""Forms of a draft's knobs, of a surface, a market or governance: from values to fields, and back to changes.

Takes a draft and what was posted; gives `changes` for the service, which alone decides what is valid.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from apps.console.policies.cards import text_of
from apps.policies.flags import FIXED
from apps.policies.governance import GUARDS
from apps.policies.knobs import Knob, knobs
from apps.policies.schema import get
from apps.releases.models import Revision

GROUPS = {
    "Reciprocity": "Whose wish counts.",
    "Weights": "What moves a candidate up (above 0) or down (below 0). 0 leaves it out.",
    "Sources": "How many candidates each source may propose before the ranking. 0 switches a source off.",
    "Room": "Who stays where the sources propose more than is ranked. Minimum shares come first: 0.1 is a "
    "tenth of the room, all together are at most 1. A source of weight 2 keeps about twice as many of the "
    "rest as one of weight 1; no score depends on it.",
    "Time": "A source that takes longer three times in a row, or breaks so often, is left out for ten "
    "seconds, then tried again; lists go on without it. Those that the search itself answers take no time.",
    "Order": "How the ranked list becomes the list that is shown.",
    "Signals": "What the last minutes and days change on the next list. Their weights stand above.",
    "Limits": "How often and how long.",
    "Governance": "What one person may publish alone, and when a staged rollout goes back by itself. "
    "Raising one of these always needs a second person.",
}


@dataclass
class Field:
    """A knob with what the draft says, what is live, and why the value was refused.

    `otherwise`: what counts where the field is left empty; None: it can't be.
    """

    knob: Knob
    value: Any
    live: Any
    refusal: str = ""
    share: str = ""  # how much of recent scores came from it
    otherwise: Any = None

    @property
    def name(self) -> str:
        return self.knob.key

    @property
    def typed(self) -> str:
        """The value as an input field holds it."""
        return _typed(self.value)

    @property
    def live_typed(self) -> str:
        return _typed(self.live)

    @property
    def live_text(self) -> str:
        return "as the surface" if self.live == "" else text_of(self.knob, self.live)

    @property
    def default_text(self) -> str:
        return text_of(self.knob, self.knob.default)

    @property
    def otherwise_text(self) -> str:
        return text_of(self.knob, self.otherwise)

    @property
    def is_changed(self) -> bool:
        return self.typed != self.live_typed


class KnobForm:
    """Knobs on one page, with values by key. `path`: where refusals of the content point to."""

    def __init__(
        self,
        draft: Revision,
        path: str,
        knobs: Mapping[str, Knob],
        stored: Mapping[str, Any],
        live: Mapping[str, Any],
        data: Mapping[str, str] | None,
        *,
        otherwise: Mapping[str, Any] | None = None,
        shares: Mapping[str, float] | None = None,
    ) -> None:
        self.draft, self.path, self.knobs, self.stored, self.data = draft, path, knobs, stored, data
        self.version = self._posted_version()
        self.fields = [
            Field(
                knob,
                stored[key] if data is None else data.get(key, _typed(stored[key])),
                live[key],
                share=_share(key, shares or {}),
                otherwise=None if otherwise is None else otherwise[key],
            )
            for key, knob in knobs.items()
        ]
        self.refusals: dict[str, str] = {}

    @property
    def groups(self) -> list[tuple[str, str, list[Field]]]:
        """The fields in titled groups."""
        return [
            (title, sentence, found)
            for title, sentence in GROUPS.items()
            if (found := [field for field in self.fields if field.knob.group == title])
        ]

    def changes(self) -> dict[str, Any]:
        """What was posted and differs from the draft, by key; None: nothing is said any more."""
        wanted = {field.name: _number(field.knob, field.value) for field in self.fields}
        if any(field.otherwise is not None for field in self.fields):
            wanted = {key: None if value == "" else value for key, value in wanted.items()}
        before = {key: None if value == "" else value for key, value in self.stored.items()}
        return {key: value for key, value in wanted.items() if value != before[key]}

    def refuse(self, fields: Mapping[str, str]) -> None:
        """Puts each refusal beside its field; the rest goes to the top."""
        by_name = {f"{self.path}.{field.name}": field for field in self.fields}
        for path, sentence in fields.items():
            home = by_name.get(path) or by_name.get(path.replace(".overrides.", "."))
            if home is not None:
                home.refusal = sentence
            else:
                self.refusals[path.removeprefix(f"{self.path}.")] = sentence

    def _posted_version(self) -> int:
        text = self.data.get("version", "") if self.data is not None else ""
        return (
            int(text)
            if text.isdecimal() and len(text) < 10
            else (0 if self.data is not None else self.draft.version)
        )


def surface_form(
    draft: Revision,
    surface: str,
    live: Mapping[str, Any],
    data: Mapping[str, str] | None,
    *,
    learnt: Collection[str],
    shares: Mapping[str, float],
) -> KnobForm:
    """Everything of one surface. `learnt`: the predictions that it has; the knobs of others are not shown."""
    policy, now = draft.content["surfaces"][surface], live["surfaces"].get(surface, {})
    known = _shown(knobs(policy["kind"]), learnt=learnt)
    stored, lives = (
        {key: get(one, key, knob.absent) for key, knob in known.items()} for one in (policy, now)
    )
    return KnobForm(draft, surface, known, stored, lives, data, shares=shares)


def market_form(
    draft: Revision,
    surface: str,
    market: str,
    live: Mapping[str, Any],
    data: Mapping[str, str] | None,
    *,
    learnt: Collection[str],
) -> KnobForm:
    """What one market says instead of the surface; an empty field says nothing."""
    policy, now = draft.content["surfaces"][surface], live["surfaces"].get(surface, {})
    known = _shown(knobs(policy["kind"]), learnt=learnt)
    known = {key: knob for key, knob in known.items() if key not in FIXED}
    stored, lives = (
        {key: one.get("markets", {}).get(market, {}).get(key, "") for key in known} for one in (policy, now)
    )
    otherwise = {key: get(policy, key, knob.absent) for key, knob in known.items()}
    return KnobForm(draft, f"{surface}.markets.{market}", known, stored, lives, data, otherwise=otherwise)


def put_market(content: dict[str, Any], surface: str, market: str, changes: Mapping[str, Any]) -> None:
    """Makes a market say what was posted; one that says nothing is left out."""
    markets = content["surfaces"][surface].setdefault("markets", {})
    values = {**markets.get(market, {}), **changes}
    markets[market] = {key: value for key, value in values.items() if value is not None}
    if not markets[market]:
        del markets[market]


def governance_form(draft: Revision, live: Mapping[str, Any], data: Mapping[str, str] | None) -> KnobForm:
    """How carefully we publish."""
    stored, lives = (
        {key: one.get("governance", {}).get(key, knob.default) for key, knob in GUARDS.items()}
        for one in (draft.content, live)
    )
    return KnobForm(draft, "governance", GUARDS, stored, lives, data)


def _shown(known: Mapping[str, Knob], *, learnt: Collection[str]) -> dict[str, Knob]:
    return {key: knob for key, knob in known.items() if knob.learnt in {"", *learnt}}


def _share(key: str, shares: Mapping[str, float]) -> str:
    """The measured share beside a weight; Phi's stands beside its rule."""
    name = "phi" if key == "reciprocity" else key.removeprefix("weights.")
    is_objective = key == "reciprocity" or key.startswith("weights.")
    return f"{shares.get(name, 0.0):.1%}" if is_objective and shares else ""


def _typed(value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:.10g}" if number else str(value)


def _number(knob: Knob, value: Any) -> Any:
    """What was typed, as the knob's kind of value; what is no number stays text, and is refused."""
    if knob.choices or value == "":
        return value
    number = _as_number(str(value))
    return knob.normalise(number) if isinstance(number, float) and knob.refusal(number) is None else number


def _as_number(text: str) -> Any:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return text
