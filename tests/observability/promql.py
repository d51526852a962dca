"""Just enough of two text formats: the samples of an exposition, the metrics named in a PromQL expression."""

from __future__ import annotations

import re


def samples(text: str) -> dict[str, float]:
    """`name{label="value",...}` (labels in the order of their names) to value."""
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            key, _, value = line.rpartition(" ")
            name, _, labels = key.partition("{")
            parts = sorted(re.findall(r'\w+="[^"]*"', labels))
            found[f"{name}{{{','.join(parts)}}}" if parts else name] = float(value)
    return found


def metric_names(expression: str) -> set[str]:
    """The project's own metrics; recorded rules (raya_recs:...) are none."""
    return set(re.findall(r"\braya_recs_\w+", expression))
