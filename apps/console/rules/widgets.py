"""Fields of a form for entries: how each is shown, and how what was posted becomes a value.

Takes an entry or posted text, gives fields for the template. It never refuses: what can't be read stays as it
was typed, and the schema says why it can't stand.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.common.local_time import LocalTimeInvalid, parse_typed, typed
from apps.members.models import Member
from apps.places.models import Place
from apps.policies.fields import moment

Choices = Sequence[tuple[str, str]]


@dataclass
class Field:
    """One input. `kind` names how it is drawn (templates/console/rules/field.html)."""

    path: str  # in the entry: "effect.factor"
    label: str
    kind: str = "text"
    hint: str = ""
    choices: Choices = ()
    of: str = "member"  # of a condition, or of ids
    shown_for: str = ""  # values of the type or way for which it is drawn, by spaces
    unit: str = ""
    text: str = ""
    refusal: str = ""
    stored: Any = None  # the value before anybody typed
    unread: str = ""  # why what was typed can't be read
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return "f-" + self.path.replace(".", "-")

    @property
    def picked(self) -> list[str]:
        """Of several choices, those that are made."""
        return self.text.split(",") if self.text else []

    def show(self, value: Any) -> None:
        """Puts a stored value in."""
        self.stored = value
        read = _TO_TEXT.get(self.kind, lambda one, _: words(one))
        self.text = "" if value is None else read(value, self)

    def take(self, data: Any) -> None:
        """Puts what was posted in."""
        posted = data.getlist(self.path) if self.kind == "many" else [data.get(self.path, "")]
        self.text = ",".join(posted).replace("\x00", "").strip()

    def refuse(self, rest: str, sentence: str) -> None:
        """Keeps why the value can't stand; `rest`: where inside it."""
        self.refusal = self.unread or (f"{rest}: {sentence}" if rest else sentence)

    def read(self) -> Any:
        """The value that the text says, or the text itself."""
        return _TO_VALUE.get(self.kind, lambda text, _: text)(self.text, self)


def words(value: Any) -> str:
    """A value as people write it: yes and no are no words of a programming language."""
    return ("Yes" if value else "No") if isinstance(value, bool) else str(value)


def _number(text: str, _: Field) -> Any:
    try:
        found = float(text.replace(",", ""))
    except ValueError:
        return text
    if not math.isfinite(found):  # also 1e999
        return text
    return int(found) if found == int(found) and abs(found) < 2**53 else found


def _time(text: str, one: Field) -> Any:
    """A moment as contents spell it; what nobody touched stays, also in an hour that comes twice."""
    if text == _shown_time(one.stored, one):
        return one.stored
    try:
        return f"{parse_typed(text):%Y-%m-%dT%H:%M:%SZ}"
    except LocalTimeInvalid as invalid:
        one.unread = str(invalid) if text else ""
        return text


def _shown_time(value: Any, _: Field) -> str:
    try:
        return typed(moment(value))
    except (ValueError, TypeError, OverflowError):
        return str(value)


def _json(text: str, _: Field) -> Any:
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _ids_to_numbers(text: str, one: Field) -> Any:
    """Numbers behind the app's ids; an id that nobody has stays text, and is refused."""
    wanted = [word.strip() for word in text.replace("\n", ",").split(",") if word.strip()]
    model: Any = Member if one.of == "member" else Place
    clean = [word for word in wanted if "\x00" not in word]
    known = dict(model.objects.filter(external_id__in=clean).values_list("external_id", "number"))
    numbers = {str(number): number for number in one.extra.get("erased", ())}
    return [known.get(word, numbers.get(word, word)) for word in wanted]


def _numbers_to_ids(value: Any, one: Field) -> str:
    model: Any = Member if one.of == "member" else Place
    known = dict(model.objects.filter(number__in=value).values_list("number", "external_id"))
    one.extra = {"erased": [number for number in value if number not in known]}
    return ", ".join(known.get(number, str(number)) for number in value)


def as_number(text: str) -> Any:
    """A number, or the text itself."""
    return _number(text, Field("", ""))


_TO_TEXT: Mapping[str, Any] = {
    "time": _shown_time,
    "condition": lambda value, _: json.dumps(value, indent=1),
    "ids": _numbers_to_ids,
    "slots": lambda value, _: ", ".join(map(str, value)),
    "many": lambda value, _: ",".join(map(str, value)),
    "range": lambda value, _: " to ".join(f"{one:g}" for one in value),
    "number": lambda value, _: f"{value:.10g}" if isinstance(value, int | float) else str(value),
}
_TO_VALUE: Mapping[str, Any] = {
    "number": _number,
    "time": _time,
    "condition": _json,
    "ids": _ids_to_numbers,
    "slots": lambda text, one: [_number(part.strip(), one) for part in text.split(",") if part.strip()],
    "many": lambda text, _: [part for part in text.split(",") if part],
    "range": lambda text, one: [_number(part.strip(), one) for part in text.split("to")],
}
