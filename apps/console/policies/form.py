"""The form of one surface of a draft, built from the knobs: from values to fields, and back to changes.

Takes a draft and what was posted; gives `changes` for the service, which alone decides what is valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.console.policies.cards import text_of
from apps.policies.knobs import Knob, knobs
from apps.policies.schema import get
from apps.releases.models import Revision

GROUPS = {
    "Reciprocity": "Whose wish counts.",
    "Weights": "What moves a candidate up (above 0) or down (below 0). 0 leaves it out.",
    "Sources": "How many candidates each source may propose before the ranking. 0 switches a source off.",
    "Order": "How the ranked list becomes the list that is shown.",
    "Limits": "How often and how long.",
}


@dataclass
class Field:
    """A knob with what the draft says, what is live, and why the value was refused."""

    knob: Knob
    value: Any
    live: Any
    refusal: str = ""

    @property
    def name(self) -> str:
        return self.knob.key

    @property
    def typed(self) -> str:
        """The value as an input field holds it."""
        return f"{self.value:.10g}" if isinstance(self.value, int | float) else str(self.value)

    @property
    def live_typed(self) -> str:
        return f"{self.live:.10g}" if isinstance(self.live, int | float) else str(self.live)

    @property
    def live_text(self) -> str:
        return text_of(self.knob, self.live)

    @property
    def default_text(self) -> str:
        return text_of(self.knob, self.knob.default)

    @property
    def is_changed(self) -> bool:
        return self.typed != self.live_typed


class SurfaceForm:
    """Everything of one surface on one page."""

    def __init__(
        self, draft: Revision, surface: str, live: Mapping[str, Any], data: Mapping[str, str] | None
    ) -> None:
        self.draft, self.surface, self.data = draft, surface, data
        self.policy = draft.content["surfaces"][surface]
        self.live = live["surfaces"].get(surface, {})
        self.kind: str = self.policy["kind"]
        self.knobs = knobs(self.kind)
        self.version = self._posted_version()
        self.fields = [self._field(knob) for knob in self.knobs.values()]
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
        """What was posted and differs from the draft, by path."""
        wanted = {field.name: _number(field.knob, field.value) for field in self.fields}
        return {
            f"{self.surface}.{key}": value for key, value in wanted.items() if value != get(self.policy, key)
        }

    def refuse(self, fields: Mapping[str, str]) -> None:
        """Puts each refusal beside its field; the rest goes to the top."""
        by_name = {f"{self.surface}.{field.name}": field for field in self.fields}
        for path, sentence in fields.items():
            if path in by_name:
                by_name[path].refusal = sentence
            else:
                self.refusals[path.removeprefix(f"{self.surface}.")] = sentence

    def _posted_version(self) -> int:
        text = self.data.get("version", "") if self.data is not None else ""
        return (
            int(text)
            if text.isdecimal() and len(text) < 10
            else (0 if self.data is not None else self.draft.version)
        )

    def _field(self, knob: Knob) -> Field:
        stored = get(self.policy, knob.key, knob.absent)
        value = stored if self.data is None else self.data.get(knob.key, str(stored))
        return Field(knob, value, get(self.live, knob.key, knob.absent))


def _number(knob: Knob, value: Any) -> Any:
    """What was typed, as the knob's kind of value; what is no number stays text, and is refused."""
    if knob.choices:
        return value
    number = _as_number(str(value))
    return knob.normalise(number) if isinstance(number, float) and knob.refusal(number) is None else number


def _as_number(text: str) -> Any:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return text
