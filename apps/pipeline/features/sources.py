"""Where a declared feature comes from, and so how training can know what it was when something happened.

A row that was served is read as it was logged, whatever its source. Of the others training joins what it can
join as of then: profiles as they stood (apps.learning.as_of), and behaviour learnt from what came before.
"""

from __future__ import annotations

from collections.abc import Mapping

SOURCES: Mapping[str, str] = {
    "profile": "What a member or a place says of itself.",
    "behaviour": "Learnt from likes, passes and saves.",
    "events": "Counted by the refresh from what happened.",
    "graph": "Connections and matches, and what they saved.",
    "lists": "Curated lists.",
    "moment": "The last minutes and days, as of the request.",
}
