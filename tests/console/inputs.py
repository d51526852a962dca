"""What a browser sends back of a page's largest form when nobody typed anything: read from the HTML alone."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any


class _Inputs(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, list[str]]] = []
        self._select = self._area = ""
        self._templates = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._templates += tag == "template"
        if tag == "form":
            self.forms.append({})
        if not self.forms or self._templates:
            return
        name, kind = given.get("name", ""), given.get("type", "text")
        if tag == "input" and name and (kind not in ("checkbox", "radio") or "checked" in given):
            self._put(name, given.get("value", "on" if kind in ("checkbox", "radio") else ""))
        elif tag == "textarea":
            self._area = name
            self._put(name, "")
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and (self._select not in self.forms[-1] or "selected" in given):
            self.forms[-1][self._select] = [given.get("value", "")]

    def handle_endtag(self, tag: str) -> None:
        self._templates -= tag == "template"
        self._area = "" if tag == "textarea" else self._area
        self._select = "" if tag == "select" else self._select

    def handle_data(self, data: str) -> None:
        if self._area:
            self.forms[-1][self._area][-1] += data

    def _put(self, name: str, value: str) -> None:
        self.forms[-1].setdefault(name, []).append(value)


def inputs_of(page: str) -> dict[str, Any]:
    """By name: one value, or several."""
    reader = _Inputs()
    reader.feed(page)
    largest = max(reader.forms, key=len)
    return {name: values[0] if len(values) == 1 else values for name, values in largest.items()}
