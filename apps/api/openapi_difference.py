"""What differs between two OpenAPI documents, and which differences break a caller.

Takes the committed document and the generated one, gives lines. Breaking: a call, parameter, or answer key
gone; something newly demanded; a type or a limit changed; an enumeration that takes less or answers more.
Unknown kinds of difference are reported as harmless ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Node = dict[str, Any]
NARROWS = ("type", "format", "pattern", "$ref", "minimum", "maximum", "minLength", "maxLength", "maxItems")


@dataclass(frozen=True)
class Difference:
    where: str
    what: str
    breaking: bool

    def __str__(self) -> str:
        return f"{'BREAKING ' if self.breaking else ''}{self.where}: {self.what}"


def differences(old: Node, new: Node) -> list[Difference]:
    """Breaking ones first. Empty when the documents are equal."""
    if old == new:
        return []
    found = list(dict.fromkeys([*_of_calls(old, new), *_of_components(old, new)]))
    if not found:
        found = [Difference("document", "words or examples differ", False)]
    return sorted(found, key=lambda difference: not difference.breaking)


def _of_calls(old: Node, new: Node) -> Iterator[Difference]:
    before, after = _calls(old), _calls(new)
    for name in before.keys() - after.keys():
        yield Difference(name, "the call is gone", True)
    for name in after.keys() - before.keys():
        yield Difference(name, "a new call", False)
    for name in sorted(before.keys() & after.keys()):
        yield from _of_parameters(name, before[name], after[name])
        yield from _of_bodies(name, before[name], after[name])


def _calls(document: Node) -> dict[str, Node]:
    return {
        f"{method.upper()} {path}": call
        for path, calls in document.get("paths", {}).items()
        for method, call in calls.items()
        if isinstance(call, dict)
    }


def _of_parameters(name: str, old: Node, new: Node) -> Iterator[Difference]:
    before, after = ({(p["in"], p["name"]): p for p in call.get("parameters", [])} for call in (old, new))
    for place, key in before.keys() - after.keys():
        yield Difference(f"{name} {place} {key}", "the parameter is gone", True)
    for where in after.keys() - before.keys():
        demanded = bool(after[where].get("required"))
        yield Difference(f"{name} {where[0]} {where[1]}", "a new parameter", demanded)
    for where in before.keys() & after.keys():
        at = f"{name} {where[0]} {where[1]}"
        if after[where].get("required") and not before[where].get("required"):
            yield Difference(at, "now demanded", True)
        yield from _of_schemas(at, before[where].get("schema", {}), after[where].get("schema", {}), "sent")


def _of_bodies(name: str, old: Node, new: Node) -> Iterator[Difference]:
    before, after = (
        old.get("requestBody", {}).get("content", {}),
        new.get("requestBody", {}).get("content", {}),
    )
    for media in before.keys() - after.keys():
        yield Difference(f"{name} body", f"no longer takes {media}", True)
    for media in before.keys() & after.keys():
        yield from _of_schemas(
            f"{name} body", before[media].get("schema", {}), after[media].get("schema", {}), "sent"
        )
    for status in old.get("responses", {}).keys() - new.get("responses", {}).keys():
        yield Difference(f"{name} {status}", "the answer is gone", status.startswith("2"))
    for status in old.get("responses", {}).keys() & new.get("responses", {}).keys():
        contents = [call["responses"][status].get("content", {}) for call in (old, new)]
        for media in contents[0].keys() & contents[1].keys():
            schemas = [content[media].get("schema", {}) for content in contents]
            yield from _of_schemas(f"{name} {status}", schemas[0], schemas[1], "answered")


def _of_components(old: Node, new: Node) -> Iterator[Difference]:
    before, after = (document.get("components", {}).get("schemas", {}) for document in (old, new))
    for name in before.keys() & after.keys():
        way = "answered" if name.endswith(("Answer", "Problem", "Item", "Shortfall")) else "sent"
        yield from _of_schemas(name, before[name], after[name], way)


def _of_schemas(where: str, old: Node, new: Node, way: str) -> Iterator[Difference]:
    """`way`: whether callers send this or are answered it."""
    for word in NARROWS:
        if old.get(word) != new.get(word):
            yield Difference(where, f"{word} was {old.get(word)}, is {new.get(word)}", True)
    yield from _of_enumerations(where, old, new, way)
    before, after = old.get("properties", {}), new.get("properties", {})
    for key in before.keys() - after.keys():
        yield Difference(f"{where}.{key}", "the key is gone", True)
    for key in after.keys() - before.keys():
        yield Difference(f"{where}.{key}", "a new key", False)
    demanded = set(new.get("required", [])) - set(old.get("required", []))
    for key in demanded if way == "sent" else ():
        yield Difference(f"{where}.{key}", "now demanded", True)
    for key in before.keys() & after.keys():
        yield from _of_schemas(f"{where}.{key}", before[key], after[key], way)
    if isinstance(old.get("items"), dict) and isinstance(new.get("items"), dict):
        yield from _of_schemas(f"{where}[]", old["items"], new["items"], way)
    for word in ("anyOf", "oneOf", "allOf"):
        pairs = zip(old.get(word, []), new.get(word, []), strict=False)
        for one, other in pairs:
            yield from _of_schemas(where, one, other, way)
        if len(old.get(word, [])) != len(new.get(word, [])):
            yield Difference(where, f"{word} has {len(new.get(word, []))} choices", True)


def _of_enumerations(where: str, old: Node, new: Node, way: str) -> Iterator[Difference]:
    before, after = set(old.get("enum", [])), set(new.get("enum", []))
    if before == after:
        return
    gone, come = sorted(map(str, before - after)), sorted(map(str, after - before))
    if gone:
        yield Difference(where, f"no longer among the values: {', '.join(gone)}", way == "sent")
    if come:
        yield Difference(where, f"new among the values: {', '.join(come)}", way == "answered" or not before)
