"""Conditions as staff write them: a typed tree, checked, never run as code.

    {"all": [...]} | {"any": [...]} | {"not": c} | {"attribute": "age", "operator": "at_least", "value": 30}
    | {"segment": key}

Takes any JSON value; gives the tree in one spelling, or ConditionInvalid with the path of the first mistake.
It reads no database: whether a word exists is for the form to show.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apps.common.errors import Unprocessable
from apps.pipeline import conditions as columns
from apps.pipeline.conditions import CHOICE, FLAG, NUMBER, OPERATORS, SET
from apps.pipeline.snapshot import Snapshot

Tree = dict[str, Any]
MAX_DEPTH, MAX_NODES, MAX_STEPS, MAX_WORDS, MAX_WORD = 6, 200, 10_000, 100, 64
FAR = 1e9  # no number in a condition is further from 0


@dataclass(frozen=True)
class Asked:
    """An attribute in words, for forms and sentences."""

    label: str
    sentence: str
    unit: str = ""


WORDS: Mapping[str, Mapping[str, Asked]] = {
    "member": {
        "market": Asked("Market", "The market they are in: home, or where they travel."),
        "age": Asked("Age", "Full years, on the day of the snapshot.", "years"),
        "days_since_joined": Asked("Membership", "Days since they joined.", "days"),
        "hours_since_active": Asked("Last active", "Hours since they were active.", "hours"),
        "likes_received": Asked("Likes received", "In the last 30 days, on this surface."),
        "industries": Asked("Industries", "Where they work."),
        "crafts": Asked("Crafts", "What they do."),
        "skills": Asked("Skills", "What they can."),
        "interests": Asked("Interests", "What they like."),
        "intents": Asked("Intents", "What they are here for. Who names none is open to all."),
    },
    "place": {
        "market": Asked("Market", "Where the place is."),
        "category": Asked("Category", "What kind of place it is."),
        "tags": Asked("Tags", "What is said of it."),
        "price_band": Asked("Price band", "From 1, cheap, to 4."),
        "popularity": Asked("Saves and visits", "In the last 90 days."),
        "curated": Asked("Curated", "On a curated list that is live."),
        "is_open": Asked("Open", "Open for business."),
    },
}
OPERATOR_WORDS = {
    "at_least": "at least", "at_most": "at most", "is": "is", "is_not": "is not", "in": "is one of",
    "has_any": "include any of", "has_all": "include all of", "has_none": "include none of",
}  # fmt: skip

# Orientation and gender are for mutual eligibility alone, and so is what stands in for them.
SENSITIVE = frozenset({"gender", "seeking", "orientation", "sexuality", "sex", "pronouns", "taste", "looks"})
# Words that say it only when nothing else stands beside them: "straight", but "straight razor".
SENSITIVE_ALONE = frozenset({"bi", "straight", "drag"})
REFUSED_SENSITIVE = (
    "Orientation and gender, and what stands in for them, are for mutual eligibility alone: "
    "no rule, segment or experiment may use them."
)


# Words that say it wherever they stand, one or many: "queer cinema", "women in tech", "men's fashion". Each
# only as a word of its own: management is for all.
SENSITIVE_ANYWHERE = frozenset(
    {
        "gay", "lesbian", "bisexual", "queer", "lgbt", "lgbtq", "lgbtqia", "trans", "transgender",
        "nonbinary", "heterosexual", "homosexual", "asexual", "pride", "sapphic",
        "woman", "women", "man", "men", "female", "male", "girl", "boy", "lady", "ladies", "gentleman",
        "gentlemen", "gent", "lad", "feminine", "masculine", "feminism", "feminist",
        "mother", "father", "mom", "mum", "mommy", "mummy", "mama", "dad", "daddy", "daddies", "papa",
        "motherhood", "fatherhood", "maternity", "paternity",
        "sister", "brother", "sisterhood", "brotherhood",
        "wife", "wives", "husband", "housewife", "housewives",
        "girlfriend", "boyfriend", "bride", "groom", "bachelorette", "womenswear", "menswear", "ladieswear",
    }
)  # fmt: skip


def is_sensitive(word: str) -> bool:
    """Whether a word stands in for orientation or gender."""
    plain = unicodedata.normalize("NFKC", word).casefold().replace("_", " ").strip()
    parts = re.findall(r"[^\W_]+", re.sub(r"\bnon[ -]binary\b", "nonbinary", plain))
    return plain in SENSITIVE_ALONE or any({p, p.removesuffix("s")} & SENSITIVE_ANYWHERE for p in parts)


def choices(kind: str, attribute: str, snapshot: Snapshot) -> tuple[str, ...]:
    """The words a form offers for an attribute, as the snapshot knows them; none for numbers and flags."""
    names = columns.ATTRIBUTES[kind][attribute].names(snapshot)
    return tuple(sorted(name for name in names if not is_sensitive(name)))


class ConditionInvalid(Unprocessable):
    """A condition that can't stand. `path` leads to the node: "all.1.value"."""

    code = "condition_invalid"
    title = "This condition is not valid."

    def __init__(self, detail: str, path: str = "") -> None:
        super().__init__(detail, field=path or None)
        self.path = path


def parse_condition(value: Any, kind: str, *, segments: Mapping[str, str] | None = None) -> Tree:
    """The tree in one spelling. `segments`: what kind each known segment is of. Raises ConditionInvalid."""
    return _Parser(kind, segments or {}).node(value, "", 1)


def expand(tree: Mapping[str, Any], segments: Mapping[str, Mapping[str, Any]]) -> Tree:
    """The tree with each segment's own condition (already expanded) in its place."""
    if "segment" in tree:
        return dict(segments[tree["segment"]])
    if "not" in tree:
        return {"not": expand(tree["not"], segments)}
    for word in ("all", "any"):
        if word in tree:
            return {word: [expand(part, segments) for part in tree[word]]}
    return dict(tree)


def segments_in(tree: Mapping[str, Any] | None) -> set[str]:
    """Keys of the segments that a tree names."""
    return {node["segment"] for node in nodes(tree) if "segment" in node}


def nodes(tree: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """Every node of a parsed tree; none of no tree."""
    if tree is None:
        return
    yield tree
    below = [tree["not"]] if "not" in tree else [*tree.get("all", ()), *tree.get("any", ())]
    for part in below:
        yield from nodes(part)


def cost(tree: Mapping[str, Any] | None) -> int:
    """Counted steps: one per node, and one per word it lists."""
    return sum(1 + (len(node["value"]) if isinstance(node.get("value"), list) else 0) for node in nodes(tree))


def in_words(tree: Mapping[str, Any] | None, kind: str, names: Mapping[str, str] | None = None) -> str:
    """Part of a sentence: "age at least 30 years and market is paris". `names`: of segments, by key."""
    if tree is None:
        return "everybody" if kind == "member" else "every place"
    return _said(tree, kind, names or {}, top=True)


def _said(tree: Mapping[str, Any], kind: str, names: Mapping[str, str], *, top: bool = False) -> str:
    if "segment" in tree:
        return f"in {names.get(tree['segment'], tree['segment'])}"
    if "not" in tree:
        return f"not {_said(tree['not'], kind, names)}"
    for word, joint in (("all", " and "), ("any", " or ")):
        if word in tree:
            parts = [_said(part, kind, names) for part in tree[word]]
            joined = joint.join(parts) or ("everybody" if word == "all" else "nobody")
            return joined if top or len(parts) < 2 else f"({joined})"
    asked, value = WORDS[kind][tree["attribute"]], tree["value"]
    if isinstance(value, bool):
        return asked.label.lower() if value else f"not {asked.label.lower()}"
    shown = (
        ", ".join(value) if isinstance(value, list) else f"{value:g}" if not isinstance(value, str) else value
    )
    return f"{asked.label.lower()} {OPERATOR_WORDS[tree['operator']]} {shown} {asked.unit}".strip()


class _Parser:
    """Counts as it walks, so that no input makes it walk far."""

    def __init__(self, kind: str, segments: Mapping[str, str]) -> None:
        self.kind, self.segments = kind, segments
        self.nodes = self.steps = 0

    def node(self, value: Any, path: str, depth: int) -> Tree:
        self._count(path, depth)
        if not isinstance(value, Mapping):
            raise ConditionInvalid("A condition is an object.", path)
        keys = set(value)
        if keys == {"segment"}:
            return self._segment(value["segment"], _at(path, "segment"))
        if keys == {"not"}:
            return {"not": self.node(value["not"], _at(path, "not"), depth + 1)}
        if keys in ({"all"}, {"any"}):
            word = "all" if "all" in keys else "any"
            return {word: self._parts(value[word], _at(path, word), depth)}
        if keys == {"attribute", "operator", "value"}:
            return self._leaf(value, path)
        raise ConditionInvalid(
            "A condition has all, any, not, segment, or attribute with operator and value.", path
        )

    def _count(self, path: str, depth: int) -> None:
        self.nodes += 1
        self._step(path)
        if self.nodes > MAX_NODES:
            raise ConditionInvalid(f"A condition has at most {MAX_NODES} parts.", path)
        if depth > MAX_DEPTH:
            raise ConditionInvalid(f"A condition is at most {MAX_DEPTH} levels deep.", path)

    def _step(self, path: str) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise ConditionInvalid(f"A condition takes at most {MAX_STEPS:,} steps to check.", path)

    def _parts(self, value: Any, path: str, depth: int) -> list[Tree]:
        if not isinstance(value, list) or not value:
            raise ConditionInvalid("Holds at least one condition, in a list.", path)
        return [self.node(part, _at(path, str(i)), depth + 1) for i, part in enumerate(value)]

    def _segment(self, key: Any, path: str) -> Tree:
        if not isinstance(key, str) or key not in self.segments:
            raise ConditionInvalid("There is no such segment.", path)
        if self.segments[key] != self.kind:
            raise ConditionInvalid(f"This segment is of {self.segments[key]}s, not of {self.kind}s.", path)
        return {"segment": key}

    def _leaf(self, value: Mapping[str, Any], path: str) -> Tree:
        name, operator = value["attribute"], value["operator"]
        if not isinstance(name, str) or name not in columns.ATTRIBUTES[self.kind]:
            sensitive = isinstance(name, str) and name.lower() in SENSITIVE
            known = ", ".join(columns.ATTRIBUTES[self.kind])
            raise ConditionInvalid(
                REFUSED_SENSITIVE if sensitive else f"The attributes are: {known}.", _at(path, "attribute")
            )
        kind = columns.ATTRIBUTES[self.kind][name].kind
        if not isinstance(operator, str) or operator not in OPERATORS[kind]:
            raise ConditionInvalid(f"{name} takes: {', '.join(OPERATORS[kind])}.", _at(path, "operator"))
        checked = self._value(kind, operator, value["value"], _at(path, "value"))
        return {"attribute": name, "operator": operator, "value": checked}

    def _value(self, kind: str, operator: str, value: Any, path: str) -> Any:
        if kind == FLAG:
            if not isinstance(value, bool):
                raise ConditionInvalid("Is true or false.", path)
            return value
        if kind == NUMBER:
            if isinstance(value, bool) or not isinstance(value, int | float) or not -FAR <= value <= FAR:
                raise ConditionInvalid("Is a number.", path)
            return value + 0  # no -0.0: Postgres keeps none
        if kind == SET or operator == "in":
            return self._words(value, path)
        assert kind == CHOICE
        return self._word(value, path)

    def _words(self, value: Any, path: str) -> list[str]:
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_WORDS:
            raise ConditionInvalid(f"Is a list of 1 to {MAX_WORDS} words.", path)
        return sorted({self._word(word, _at(path, str(i))) for i, word in enumerate(value)})

    def _word(self, value: Any, path: str) -> str:
        self._step(path)
        if not isinstance(value, str) or not 1 <= len(value) <= MAX_WORD or "\x00" in value:
            raise ConditionInvalid(f"Is a word of 1 to {MAX_WORD} letters.", path)
        if value.encode("utf-8", "replace").decode() != value:
            raise ConditionInvalid("Text may not hold half a surrogate pair.", path)
        if is_sensitive(value):
            raise ConditionInvalid(REFUSED_SENSITIVE, path)
        return value


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
