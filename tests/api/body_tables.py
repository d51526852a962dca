"""A body's keys as a table in words, from its model: what docs/api.md must print."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from apps.api.bodies import RankingBody
from apps.common.bodies import Location
from apps.interactions.bodies import EventBody, EventContext
from apps.members.bodies import ConnectionRowBody, MemberBody, TripBody
from apps.places.bodies import ListBody, PlaceBody

BODIES: dict[str, type[BaseModel]] = {
    model.__name__: model
    for model in (
        MemberBody,
        Location,
        TripBody,
        ConnectionRowBody,
        PlaceBody,
        ListBody,
        EventBody,
        EventContext,
        RankingBody,
    )
}
MOST = {"maxLength": "characters", "maxItems": "entries", "maxProperties": "keys"}


def table_of(model: type[BaseModel]) -> str:
    schema = model.model_json_schema()
    lines = ["| key | takes | default |", "|---|---|---|"]
    for key, node in schema["properties"].items():
        default = "needed" if key in schema.get("required", ()) else _default(node)
        takes = _takes(node, schema.get("$defs", {}))
        note = f". {node['description']}" if "description" in node else ""
        lines.append(f"| `{key}` | {takes}{note} | {default} |")
    return "\n".join(lines)


def _default(node: dict[str, Any]) -> str:
    value = node.get("default", {})
    words = {"[]": "empty", "{}": "empty", "": "empty", "None": "null", "True": "true", "False": "false"}
    return words.get(str(value), f"`{value}`")


def _takes(node: dict[str, Any], known: dict[str, Any]) -> str:
    if "anyOf" in node:
        return " or ".join(_takes(choice, known) for choice in node["anyOf"])
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[1]
        return _takes(known[name], known) if "enum" in known[name] else f"an object, see {name}"
    if "enum" in node:
        return "one of " + ", ".join(f"`{value}`" for value in node["enum"])
    kind = {
        "null": "null",
        "boolean": "true or false",
        "number": "a number",
        "integer": "a whole number",
    }.get(node["type"], "")
    if node["type"] == "array":
        kind = f"a list of ({_takes(node['items'], known)})"
    elif node["type"] == "object":
        kind = f"an object of ({_takes(node['additionalProperties'], known)})"
    elif node["type"] == "string":
        kind = {"date": "a date", "date-time": "a time with its offset", "uuid": "a UUID"}.get(
            node.get("format", ""), "text"
        )
    if "pattern" in node:
        kind += (
            " like `https://…`" if "http" in node["pattern"] else " like `new-york`, at most 32 characters"
        )
    if "minimum" in node:
        kind += f", {node['minimum']:,} to {node['maximum']:,}"
    limits = [f"{node[word]:,} {unit}" for word, unit in MOST.items() if word in node]
    return f"{kind}, at most {limits[0]}" if limits else kind
