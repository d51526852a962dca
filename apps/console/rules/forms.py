"""The forms of entries: which fields a rule, segment, flag or experiment has, from and to plain values.

Takes the part, an entry or what was posted; gives fields in groups, and the entry they say. Decides nothing
about what is valid: refusals come from the schema and are put beside their fields.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils.timezone import localtime

from apps.common.local_time import zone_name
from apps.console.rules.entries import Entry, Part
from apps.console.rules.variants import Picks, Turns, Variants, picks_of
from apps.console.rules.widgets import Field
from apps.policies import experiments, flags, rules
from apps.policies.schema import get, put

Group = tuple[str, str, list[Field]]
WAYS = {
    "factor": "Multiply the score",
    "slots": "Give slots of the list",
    "share": "Give a share of the list",
}
OWNED = "Owner, reason and dates"


class EntryForm:
    """One entry on one page. `learnt`: the predictions that each surface has."""

    def __init__(
        self,
        part: Part,
        content: Mapping[str, Any],
        surface: str,
        entry: Entry,
        data: Any = None,
        *,
        learnt: Mapping[str, Collection[str]],
    ) -> None:
        self.part, self.surface, self.stored = part, surface, entry
        self.kind = content["surfaces"][surface]["kind"]
        self.turnable = picks_of(content, learnt)
        self.groups = _GROUPS[part.key](self, content)
        self.refusals: dict[str, str] = {}
        for one in self.fields:
            one.show(_initial(one, entry))  # also before posted values: ids of erased members are known by it
            if data is not None:
                one.take(data)
        self._settle()

    @property
    def fields(self) -> list[Field]:
        return [one for _, _, fields in self.groups for one in fields]

    def press(self, add: str, remove: str) -> None:
        """Adds or takes away a row, as a button of the form says."""
        for one in self._with_rows:
            one.press(add, remove)
        self._settle()

    @property
    def picks(self) -> Picks:
        """The knobs to pick from by surface, for rows.js; none where nothing turns knobs."""
        return next((one.picks for one in self._with_rows), {})

    def entry(self) -> Entry:
        """What was posted, as an entry; what the form doesn't show stays as it was."""
        found: Entry = {name: value for name, value in self.stored.items() if name != "effect"}
        for one in self.fields:
            if not one.path.startswith(("effect.", "way")):
                put(found, one.path, one.read())
        if self.part.key == "rules":
            found["effect"] = self._effect(str(found["type"]))
            if found["type"] == "pin":
                found["candidates"] = None
        if self.part.key == "flags":
            found = _typed_flag(found)
        if "salt" in found:
            found["salt"] = found["salt"] or found[self.part.name]
        return found

    def refuse(self, noted: Mapping[str, str], at: str) -> None:
        """Puts each refusal of this entry beside its field; the rest to the top."""
        for path, sentence in noted.items():
            name = path.removeprefix(f"{at}.") if path.startswith(f"{at}.") else ""
            home = next((one for one in self.fields if name == one.path), None)
            home = home or next((one for one in self.fields if name.startswith(f"{one.path}.")), None)
            if home is not None:
                home.refuse(name.removeprefix(home.path).lstrip("."), sentence)
            else:
                self.refusals[name or path] = sentence

    @property
    def _with_rows(self) -> list[Turns | Variants]:
        return [one for one in self.fields if isinstance(one, Turns | Variants)]

    def _settle(self) -> None:
        chosen = next((one.text for one in self.fields if one.path == "surface"), "")
        for one in self._with_rows:
            one.settle(chosen)

    def _effect(self, rule_type: str) -> dict[str, Any]:
        by_path = {one.path: one for one in self.fields}
        if rule_type in ("boost", "bury"):
            names = [by_path["way"].text or "factor"]
        else:
            names = sorted(next(iter(rules.EFFECTS.get(rule_type, [frozenset()]))))
        return {name: by_path[f"effect.{name}"].read() for name in names if f"effect.{name}" in by_path}


def new_entry(part: Part, surface: str, owner: str, now: datetime) -> Entry:
    """Where a new entry starts: from the reader's next full hour, for two weeks."""
    start = localtime(now).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    times = {
        f"{name}_at": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        for name, at in (("starts", start), ("ends", start + timedelta(days=14)))
    }
    owned: Entry = {"owner": owner, "reason": ""}
    if part.key == "rules":
        return {
            "id": "",
            "name": "",
            "type": "boost",
            "viewers": None,
            "candidates": None,
            "effect": {"factor": 1.2},
            "priority": 100,
            **owned,
            **times,
        }
    if part.key == "segments":
        return {"key": "", "name": "", "of": "member", "condition": None, **owned}
    if part.key == "flags":
        return {
            "key": "",
            "name": "",
            "type": "boolean",
            "on": True,
            "off": False,
            "percentage": 0,
            "salt": "",
            "segments": [],
            "allow": [],
            "surface": None,
            "overrides": {},
            "priority": 100,
            **owned,
            **times,
        }
    variants = [
        {"key": "control", "name": "As it is", "weight": 0.5, "overrides": {}},
        {"key": "treatment", "name": "Changed", "weight": 0.5, "overrides": {}},
    ]
    return {
        "key": "",
        "name": "",
        "surface": surface,
        "hypothesis": "",
        "metric": "matches",
        "guardrails": ["reports", "blocks"],
        "unit": "member",
        "layer": "ranking",
        "layer_range": [0.0, 1.0],
        "salt": "",
        "phase": 1,
        "coverage": 1.0,
        "audience": None,
        "variants": variants,
        "stop_rule": "fixed_horizon",
        **owned,
        **times,
    }


def _initial(one: Field, entry: Entry) -> Any:
    if one.path == "way":
        return next((name for name in WAYS if name in entry.get("effect", {})), "factor")
    return get(entry, one.path)


def _typed_flag(entry: Entry) -> Entry:
    """On and off as the flag's type says; a flag without overrides still may name a surface."""
    words = {"true": True, "yes": True, "false": False, "no": False}
    for name in ("on", "off"):
        text = str(entry[name])
        if entry["type"] == "boolean":
            entry[name] = words.get(text.lower(), text)
        elif entry["type"] == "number":
            entry[name] = Field("", "", "number", text=text).read()
        else:
            entry[name] = text
    return {**entry, "surface": entry["surface"] or None}


def _names(name: str) -> list[Field]:
    return [
        Field(name, "Key", hint="Lower-case letters, digits, - and _. It stays, the name may change."),
        Field("name", "Name"),
    ]


def _owned(*, dates: bool = True) -> Group:
    owner, reason = Field("owner", "Owner", hint="Who to ask."), Field("reason", "Reason", "textarea")
    times = [
        Field(f"{name}_at", f"{label} ({zone_name()})", "time")
        for name, label in (("starts", "Starts"), ("ends", "Ends"))
    ]
    return (OWNED, "Everything here has an end." if dates else "", [owner, *(times if dates else []), reason])


def _rule_groups(form: EntryForm, _: Mapping[str, Any]) -> list[Group]:
    who = "members" if form.kind == "member" else "places"
    types = [(key, f"{key.replace('_', ' ').capitalize()}: {said}") for key, said in rules.TYPES.items()]
    return [
        (
            "What it is",
            "",
            [
                *_names("id"),
                Field("type", "Type", "choice", choices=types),
                Field("priority", "Priority", "number", "1 comes first."),
            ],
        ),
        (
            "For whom",
            "Which viewers' lists. Nothing chosen: everybody's.",
            [
                Field("viewers", "Viewers", "condition", of="member"),
            ],
        ),
        (
            "On what",
            f"Which {who} it is about. A filter always wins.",
            [
                Field(
                    "candidates",
                    "Candidates",
                    "condition",
                    of=form.kind,
                    shown_for="boost bury cap cooldown floor share_target",
                ),
                Field(
                    "effect.candidates",
                    "Pinned ids, in order",
                    "ids",
                    "Ids of the app, with commas.",
                    of=form.kind,
                    shown_for="pin",
                ),
            ],
        ),
        (
            "Effect",
            "",
            [
                Field("way", "How", "choice", choices=list(WAYS.items()), shown_for="boost bury"),
                Field(
                    "effect.factor",
                    "Factor",
                    "number",
                    "Boosts 1 to 4, buries 0.1 to 1.",
                    shown_for="boost bury",
                ),
                Field(
                    "effect.slots",
                    "Slots",
                    "slots",
                    "Places of the list, with commas; 1 is first.",
                    shown_for="boost",
                ),
                Field(
                    "effect.share",
                    "Share",
                    "number",
                    "Of the list; a boost at least, a bury at most. Of all places shown, for a share target.",
                    shown_for="boost bury share_target",
                ),
                Field("effect.position", "Place of the first", "number", shown_for="pin"),
                Field("effect.daily", "Times a day", "number", "0: no limit a day.", shown_for="cap floor"),
                Field("effect.days", "Days", "number", "From when they saw them.", shown_for="cooldown"),
                Field("effect.hourly", "Times an hour", "number", "0: no limit an hour.", shown_for="cap"),
                Field(
                    "effect.tolerance",
                    "Tolerance",
                    "number",
                    "0.1: a tenth either way.",
                    shown_for="floor share_target",
                ),
            ],
        ),
        _owned(),
    ]


def _segment_groups(_: EntryForm, __: Mapping[str, Any]) -> list[Group]:
    kinds = [("member", "Members"), ("place", "Places")]
    return [
        ("What it is", "", [*_names("key"), Field("of", "Of", "choice", choices=kinds)]),
        ("Who is in it", "", [Field("condition", "Condition", "condition")]),
        _owned(dates=False),
    ]


def _flag_groups(form: EntryForm, content: Mapping[str, Any]) -> list[Group]:
    surfaces = [
        ("", "None: the app alone reads it"),
        *((key, key.capitalize()) for key in sorted(content["surfaces"])),
    ]
    segments = [(one["key"], one["name"]) for one in content.get("segments", []) if one["of"] == "member"]
    return [
        (
            "What it is",
            "",
            [
                *_names("key"),
                Field("type", "Type", "choice", choices=list(flags.TYPES.items())),
                Field("on", "Value when on"),
                Field("off", "Value when off"),
            ],
        ),
        (
            "For whom",
            "Decided in this order: " + "; ".join(flags.DECIDED_BY) + ".",
            [
                Field("percentage", "Percent of members", "number", unit="%"),
                Field("segments", "In any of these segments", "many", "None: everybody.", choices=segments),
                Field("allow", "Always on for", "ids", "Ids of members, with commas."),
                Field("salt", "Salt", hint="Another salt deals everybody anew. Empty: the key."),
            ],
        ),
        (
            "What it changes in lists",
            "",
            [
                Field("surface", "Surface", "choice", choices=surfaces),
                Turns("overrides", "Knobs it turns", "turns", picks=form.turnable),
                Field("priority", "Priority", "number", "Of two flags on one knob the later wins."),
            ],
        ),
        _owned(),
    ]


def _experiment_groups(form: EntryForm, content: Mapping[str, Any]) -> list[Group]:
    surfaces = [(key, key.capitalize()) for key in sorted(content["surfaces"])]
    metrics = list(experiments.METRICS.items())
    return [
        (
            "What it asks",
            "",
            [
                *_names("key"),
                Field("surface", "Surface", "choice", choices=surfaces),
                Field("hypothesis", "Hypothesis", "textarea", "What will change, and why."),
                Field("metric", "Primary metric", "choice", choices=metrics),
                Field("guardrails", "Guardrails", "many", "What must not get worse.", choices=metrics),
            ],
        ),
        (
            "Who is in it",
            "Members by themselves, or whole markets: one member's treatment touches others.",
            [
                Field("unit", "Dealt by", "choice", choices=list(experiments.UNITS.items())),
                Field("audience", "Audience", "condition"),
                Field("coverage", "Coverage", "number", "Share of the audience that is in it: 0 to 1."),
                Field("layer", "Layer", hint="Its experiments are dealt alike and never share a member."),
                Field("layer_range", "Part of the layer", "range", "0 to 0.5 leaves room for another."),
                Field("salt", "Salt", hint="Deals the members; one experiment's alone. Empty: the key."),
                Field("phase", "Phase", "number", "A higher one deals everybody anew."),
            ],
        ),
        (
            "Variants",
            "The first is the control and changes nothing. Weights add up to 1.",
            [
                Variants("variants", "Variants", "variants", picks=form.turnable),
            ],
        ),
        (
            "When it is read",
            "",
            [
                Field("stop_rule", "Stop rule", "choice", choices=list(experiments.STOP_RULES.items())),
            ],
        ),
        _owned(),
    ]


_GROUPS: Mapping[str, Callable[[EntryForm, Mapping[str, Any]], list[Group]]] = {
    "rules": _rule_groups,
    "segments": _segment_groups,
    "flags": _flag_groups,
    "experiments": _experiment_groups,
}
