"""Members and places in Postgres to the columns of a snapshot, in one query each.

Takes numbers (or none: all who may be shown), the markets and the vocabulary; gives tables by number. Learnt
columns stay zero: apps.learning and the content tower fill them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection

from apps.common import clock, geo
from apps.common.copy_out import many_columns_of
from apps.pipeline.features.calendar import months_set
from apps.pipeline.table import Table, table_from_columns
from apps.pipeline.vocabulary import ALL_INTENTS, GENDERS, INTENTS, bits_of
from apps.surfaces.models import Market

Markets = Sequence[Mapping[str, Any]]
Vocabulary = Mapping[str, tuple[str, ...]]

NO_CATEGORY = 255
WORDS = 64  # one bit each
_ADULT = "m.birth_date IS NOT NULL AND m.birth_date <= %(today)s::date - interval '18 years'"
_ACTIVE = f"m.status = 'active' AND m.stopped_at IS NULL AND {_ADULT}"
WHO = {
    "shown": f"{_ACTIVE} AND m.visibility = 'visible'",  # candidates
    "active": _ACTIVE,  # may look; hidden members too
    "anyone": "TRUE",  # whoever was named
}
_MEMBERS = """
SELECT m.number, m.home_market_id, m.home_cell, m.gender, m.seeking, m.intents,
       coalesce(to_char(m.birth_date, 'YYYYMMDD')::int, 0), m.age_min, m.age_max,
       coalesce(m.max_distance_km, 0), m.industries, m.crafts, m.skills,
       ARRAY(SELECT key FROM jsonb_each(m.interests) WHERE value <> '0'),
       floor(extract(epoch FROM m.joined_at) / 86400)::int,
       coalesce(floor(extract(epoch FROM m.last_active_at) / 3600)::int, 0)
FROM members_member m WHERE {condition} ORDER BY m.number
"""
# The facts that a profile held until it was edited.
_EARLIER = """
SELECT e.number, floor(extract(epoch FROM e.until))::bigint, e.home_market_id, e.home_cell,
       coalesce(to_char(e.birth_date, 'YYYYMMDD')::int, 0), e.industries, e.crafts, e.skills,
       ARRAY(SELECT key FROM jsonb_each(e.interests) WHERE value <> '0')
FROM members_earlierprofile e WHERE e.until <= %(until)s ORDER BY e.number, e.until
"""
_PLACES = """
SELECT p.number, p.market_id, p.cell, p.category, p.tags, coalesce(p.price_band, 0), p.is_open,
       coalesce(1.0 / (1 + c.rank), 0)::float, coalesce(to_char(p.opens_on, 'YYYYMMDD')::int, 0),
       p.open_months, p.best_months
FROM places_place p LEFT JOIN (
    SELECT place_id, min(rank) AS rank FROM (
        SELECT i.place_id, row_number() OVER (PARTITION BY i.curated_list_id ORDER BY i.position) - 1 AS rank
        FROM places_curatedlistitem i JOIN places_curatedlist l ON l.id = i.curated_list_id
        WHERE %(today)s::date BETWEEN l.starts_on AND l.ends_on
    ) live GROUP BY place_id
) c ON c.place_id = p.number
WHERE {condition} ORDER BY p.number
"""
_EARLIER_PLACES = """
SELECT e.number, floor(extract(epoch FROM e.until))::bigint, e.market_id, e.cell, e.category, e.tags,
       coalesce(e.price_band, 0)
FROM places_earlierplace e WHERE e.until <= %(until)s ORDER BY e.number, e.until
"""
_WORDS = {
    "industries": "SELECT unnest(industries) AS word FROM members_member m WHERE {shown}",
    "crafts": "SELECT unnest(crafts) AS word FROM members_member m WHERE {shown}",
    "skills": "SELECT unnest(skills) AS word FROM members_member m WHERE {shown}",
    "interests": "SELECT jsonb_object_keys(interests) AS word FROM members_member m WHERE {shown}",
    "categories": "SELECT category AS word FROM places_place",
    "tags": "SELECT unnest(tags) AS word FROM places_place",
}


def market_entries() -> tuple[dict[str, Any], ...]:
    """All markets in the order of their index in a snapshot: by id, so that a new one comes last."""
    fields = ("id", "key", "name", "latitude", "longitude", "timezone")
    return tuple(Market.objects.order_by("id").values(*fields))


def vocabulary(
    previous: Vocabulary | None = None, *, today: date | None = None
) -> dict[str, tuple[str, ...]]:
    """The most frequent 64 words of each kind. A word keeps its bit of `previous` while it is one of them."""
    result = {}
    for name, sql in _WORDS.items():
        rows = _rows(
            f"SELECT word FROM ({sql.format(shown=WHO['shown'])}) w GROUP BY word "
            f'ORDER BY count(*) DESC, word COLLATE "C" LIMIT {WORDS}',
            {"today": today or clock.today()},
        )
        result[name] = keep_bits([row[0] for row in rows], (previous or {}).get(name, ()))
    return result


def keep_bits(words: Sequence[str], before: Sequence[str]) -> tuple[str, ...]:
    """`words` (unique), in an order that leaves those of `before` where they were unless that left a gap."""
    slots: list[str | None] = [word if word in set(words) else None for word in before[: len(words)]]
    slots += [None] * (len(words) - len(slots))
    rest = iter([word for word in words if word not in slots])
    return tuple(next(rest) if word is None else word for word in slots)


def numbers_of(who: str, today: date) -> npt.NDArray[np.int32]:
    """The numbers of members, see WHO."""
    found = many_columns_of(
        f"SELECT number FROM members_member m WHERE {WHO[who]}", {"number": "int"}, {"today": today}
    )
    return found["number"]


def member_table(
    numbers: Iterable[int] | None = None,
    *,
    markets: Markets,
    vocabulary: Vocabulary,
    who: str = "shown",
    today: date | None = None,
) -> Table:
    """Members by number. `who` (see WHO) holds for named numbers too."""
    rows = _read(_MEMBERS, f"{WHO[who]}", "m", numbers, today)
    fields = list(zip(*rows, strict=True)) if rows else [()] * 16
    x, y, market = _positions(fields[1], fields[2], markets)
    given: dict[str, Any] = {
        "number": fields[0],
        "market": market,
        "x": x,
        "y": y,
        "gender": [GENDERS.get(word, 0) for word in fields[3]],
        "seeking": [bits_of(words, GENDERS) for words in fields[4]],
        "intents": [intent_bits(words) for words in fields[5]],
        "joined_day": fields[14],
        "active_hour": fields[15],
    }
    given |= dict(zip(("birth_date", "age_min", "age_max", "max_distance"), fields[6:10], strict=True))
    given |= _masks(fields[10:14], vocabulary)
    return table_from_columns("member", given, len(rows))


def earlier_profiles(until: datetime, *, markets: Markets, vocabulary: Vocabulary) -> dict[str, Any]:
    """The facts of profiles that were edited, as columns of a member table; number, and until (seconds)."""
    common, (born, *words) = _earlier(_EARLIER, 9, until, markets)
    return {**common, "birth_date": np.array(born, "i4"), **_masks(words, vocabulary)}


def _masks(sets: Sequence[Any], vocabulary: Vocabulary) -> dict[str, npt.NDArray[np.uint64]]:
    names = ("industries", "crafts", "skills", "interests")
    return {name: word_masks(each, vocabulary.get(name, ())) for name, each in zip(names, sets, strict=True)}


def shown_among(numbers: Iterable[int], today: date | None = None) -> set[int]:
    """Of these members those who may be shown."""
    sql = f"SELECT m.number FROM members_member m WHERE m.number = ANY(%(numbers)s) AND {WHO['shown']}"
    return {row[0] for row in _rows(sql, {"numbers": [*map(int, numbers)], "today": today or clock.today()})}


def place_table(
    numbers: Iterable[int] | None = None,
    *,
    markets: Markets,
    vocabulary: Vocabulary,
    today: date | None = None,
) -> Table:
    """Places that may be shown, by number. `popularity` and `looks` stay zero."""
    rows = _read(_PLACES, "p.visibility = 'visible' AND p.stopped_at IS NULL", "p", numbers, today)
    fields = list(zip(*rows, strict=True)) if rows else [()] * 11
    x, y, market = _positions(fields[1], fields[2], markets)
    given: dict[str, Any] = {
        "number": fields[0],
        "market": market,
        "x": x,
        "y": y,
        "category": _categories(fields[3], vocabulary),
        "tags": word_masks(fields[4], vocabulary.get("tags", ())),
        "price_band": fields[5],
        "is_open": fields[6],
        "curated": fields[7],
        "opens_on": fields[8],
        "open_months": [months_set(months) for months in fields[9]],
        "best_months": [months_set(months) for months in fields[10]],
    }
    return table_from_columns("place", given, len(rows))


def earlier_places(until: datetime, *, markets: Markets, vocabulary: Vocabulary) -> dict[str, Any]:
    """The facts of places that were edited, as columns of a place table; number, and until (seconds)."""
    common, (categories, tags, prices) = _earlier(_EARLIER_PLACES, 7, until, markets)
    return {
        **common,
        "category": np.array(_categories(categories, vocabulary), "u1"),
        "tags": word_masks(tags, vocabulary.get("tags", ())),
        "price_band": np.array(prices, "u1"),
    }


def _earlier(
    sql: str, width: int, until: datetime, markets: Markets
) -> tuple[dict[str, npt.NDArray[Any]], list[Sequence[Any]]]:
    """What members and places have in common, as columns, and the fields beyond that of `width` in all."""
    rows = _rows(sql, {"until": until})
    fields: list[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * width
    x, y, market = _positions(fields[2], fields[3], markets)
    common = {"number": np.array(fields[0], "i4"), "until": np.array(fields[1], "i8")}
    return common | {"x": x, "y": y, "market": market}, fields[4:]


def _categories(words: Iterable[str], vocabulary: Vocabulary) -> list[int]:
    known = {word: i for i, word in enumerate(vocabulary.get("categories", ())[:WORDS])}
    return [known.get(word, NO_CATEGORY) for word in words]


def intent_bits(words: Iterable[str]) -> int:
    """The set of known intents; all bits for a member who names none."""
    return bits_of((word for word in words if word in INTENTS), INTENTS) or ALL_INTENTS


def word_masks(sets: Iterable[Iterable[str]], words: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Sets of words [n] to 64-bit masks [n]; words beyond the vocabulary are left out."""
    bit = {word: 1 << i for i, word in enumerate(words[:WORDS])}
    each = [list(one) for one in sets]
    lengths = np.fromiter(map(len, each), "i8", len(each))
    bits = np.fromiter((bit.get(word, 0) for one in each for word in one), "u8", int(lengths.sum()))
    masks = np.zeros(len(each), "u8")
    some = np.flatnonzero(lengths)
    if len(some):
        masks[some] = np.bitwise_or.reduceat(bits, (np.cumsum(lengths) - lengths)[some])
    return masks


def _positions(ids: Sequence[Any], cells: Sequence[Any], markets: Markets) -> tuple[npt.NDArray[Any], ...]:
    """East, north (10 m units) and market index; market -1 and (0, 0) without a home in a known market."""
    index = {market.get("id"): i for i, market in enumerate(markets)}
    market = np.array([index.get(one, -1) for one in ids], "i2")
    latitude, longitude = geo.centres_of(np.array([cell or 0 for cell in cells], "i8"))
    x, y = np.zeros(len(market), "i2"), np.zeros(len(market), "i2")
    for i in np.unique(market[market >= 0]):
        here = market == i
        centre = (markets[i]["latitude"], markets[i]["longitude"])
        x[here], y[here] = geo.plane_of(latitude[here], longitude[here], centre)
    return x, y, market


def _read(
    sql: str, condition: str, alias: str, numbers: Iterable[int] | None, today: date | None
) -> list[tuple[Any, ...]]:
    parameters: dict[str, Any] = {"today": today or clock.today()}
    if numbers is not None:
        parameters["numbers"] = [int(number) for number in numbers]
        condition = f"{alias}.number = ANY(%(numbers)s) AND {condition}"
    return _rows(sql.format(condition=condition), parameters)


def _rows(sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
