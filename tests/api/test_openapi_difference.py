"""Which differences between two schemas break a caller."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from apps.api.openapi_difference import differences

OLD: dict[str, Any] = {
    "paths": {
        "/things": {
            "post": {
                "parameters": [
                    {"in": "query", "name": "limit", "schema": {"type": "integer", "maximum": 100}}
                ],
                "requestBody": {
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ThingBody"}}}
                },
                "responses": {"200": {"content": {}}, "400": {"content": {}}},
            }
        }
    },
    "components": {
        "schemas": {
            "ThingBody": {
                "properties": {"kind": {"type": "string", "enum": ["a", "b"]}, "note": {"type": "string"}},
                "required": ["kind"],
            },
            "ThingAnswer": {"properties": {"state": {"type": "string", "enum": ["new"]}}},
        }
    },
}


def changed(path: str, value: Any) -> list[tuple[str, bool]]:
    new = deepcopy(OLD)
    *parents, last = path.split("/")
    node: Any = new
    for name in parents:
        node = node[int(name) if isinstance(node, list) else name.replace("~", "/")]
    if value is None:
        del node[last.replace("~", "/")]
    else:
        node[last.replace("~", "/")] = value
    return [(str(difference), difference.breaking) for difference in differences(OLD, new)]


CALL = "paths/~things/post"
BODY = "components/schemas/ThingBody"
ANSWER = "components/schemas/ThingAnswer"


def test_equal_documents_have_no_difference() -> None:
    assert differences(OLD, deepcopy(OLD)) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (CALL, None),
        (f"{CALL}/parameters", []),
        (f"{CALL}/parameters/0/required", True),
        (f"{CALL}/parameters/0/schema/maximum", 50),
        (f"{CALL}/responses/200", None),
        (f"{CALL}/requestBody/content", {}),
        (f"{BODY}/required", ["kind", "note"]),
        (f"{BODY}/properties/note", None),
        (f"{BODY}/properties/note/type", "integer"),
        (f"{BODY}/properties/kind/enum", ["a"]),
        (f"{ANSWER}/properties/state", None),
        (f"{ANSWER}/properties/state/enum", ["new", "old"]),
    ],
)
def test_what_breaks_a_caller_is_named_as_breaking(path: str, value: Any) -> None:
    found = changed(path, value)
    assert found[0][1]
    assert found[0][0].startswith("BREAKING ")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("paths/~more", {"get": {"responses": {}}}),
        (f"{CALL}/summary", "Other words"),
        (f"{BODY}/properties/hue", {"type": "string"}),
        (f"{BODY}/properties/kind/enum", ["a", "b", "c"]),
        (f"{ANSWER}/properties/at", {"type": "string"}),
    ],
)
def test_what_breaks_nobody_is_still_reported(path: str, value: Any) -> None:
    found = changed(path, value)
    assert found
    assert not any(breaking for _, breaking in found)
