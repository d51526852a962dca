"""What every refusal must look like."""

from __future__ import annotations

from typing import Any


def assert_problem(response: Any, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    """A problem document with exactly the agreed keys."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert response["Cache-Control"] == "no-store"
    document: dict[str, Any] = response.json()
    assert set(document) == {"type", "title", "status", "code", "field", "detail"}
    assert (document["status"], document["code"]) == (status, code)
    assert document["type"].endswith(code)
    assert document["title"]
    assert document["detail"]
    if field is not None:
        assert document["field"] == field
    return document
