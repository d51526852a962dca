"""Conditions on members and places, evaluated on whole columns: which rows of a table meet a tree.

Takes a tree that apps.policies checked (segments expanded) and a table; gives a mask. A name that the
snapshot's vocabulary lacks matches nobody. Times are as of the snapshot's data cut-off, so the same snapshot
and tree give the same mask. Gender, seeking, taste and looks are no attributes and never will be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.features.calendar import date_of, day_of, hour_of
from apps.pipeline.snapshot import Snapshot
from apps.pipeline.table import Table
from apps.pipeline.vocabulary import INTENTS

Mask = npt.NDArray[np.bool_]
Column = npt.NDArray[Any]
Tree = Mapping[str, Any]

NUMBER, CHOICE, SET, FLAG = "number", "choice", "set", "flag"
OPERATORS: Mapping[str, tuple[str, ...]] = {
    NUMBER: ("at_least", "at_most"),
    CHOICE: ("is", "is_not", "in"),
    SET: ("has_any", "has_all", "has_none"),
    FLAG: ("is",),
}
EVERYBODY: Tree = {"all": []}


@dataclass(frozen=True)
class Attribute:
    """One thing a condition may ask about.

    `column` gives [n] values: a number (NaN: not known, meets no bound), an index or a set of bits; `names`
    what the snapshot calls them, by index or bit.
    """

    name: str
    kind: str
    column: Callable[[Table, Snapshot], Column]
    names: Callable[[Snapshot], Sequence[str]] = lambda _: ()


def evaluate(tree: Tree, table: Table, snapshot: Snapshot) -> Mask:
    """Which rows [n] of the table meet the tree. Raises KeyError on an attribute that does not exist."""
    if "all" in tree:
        return reduce(np.logical_and, _parts(tree["all"], table, snapshot), np.ones(len(table), "?"))
    if "any" in tree:
        return reduce(np.logical_or, _parts(tree["any"], table, snapshot), np.zeros(len(table), "?"))
    if "not" in tree:
        return ~evaluate(tree["not"], table, snapshot)
    attribute = ATTRIBUTES[table.kind][tree["attribute"]]
    return _COMPARE[attribute.kind](attribute, tree["operator"], tree["value"], table, snapshot)


def _parts(trees: Sequence[Tree], table: Table, snapshot: Snapshot) -> list[Mask]:
    return [evaluate(tree, table, snapshot) for tree in trees]


def _number(attribute: Attribute, operator: str, value: float, table: Table, snapshot: Snapshot) -> Mask:
    column = attribute.column(table, snapshot)
    return np.asarray(column >= value if operator == "at_least" else column <= value)


def _choice(attribute: Attribute, operator: str, value: Any, table: Table, snapshot: Snapshot) -> Mask:
    wanted = value if operator == "in" else [value]
    names = attribute.names(snapshot)
    indices = [i for i, name in enumerate(names) if name in wanted]
    found = np.isin(attribute.column(table, snapshot), indices)
    return ~found if operator == "is_not" else found


def _set(attribute: Attribute, operator: str, value: Sequence[str], table: Table, snapshot: Snapshot) -> Mask:
    names = attribute.names(snapshot)
    bits = np.uint64(sum(1 << i for i, name in enumerate(names) if name in value))
    column = attribute.column(table, snapshot).astype("u8")
    if operator == "has_all":
        known = set(value) <= set(names)
        return np.asarray((column & bits) == bits) & known
    met = (column & bits) != 0
    return np.asarray(~met if operator == "has_none" else met)


def _flag(attribute: Attribute, operator: str, value: bool, table: Table, snapshot: Snapshot) -> Mask:
    return np.asarray((attribute.column(table, snapshot) != 0) == value)


_COMPARE = {NUMBER: _number, CHOICE: _choice, SET: _set, FLAG: _flag}


def _plain(name: str) -> Callable[[Table, Snapshot], Column]:
    return lambda table, _: table[name]


def _known(values: Column, known: Column) -> Column:
    return np.where(known, values.astype("f8"), np.nan)


def _age(table: Table, snapshot: Snapshot) -> Column:
    born = table["birth_date"].astype("i8")
    return _known((date_of(snapshot.created_at) - born) // 10000, born > 0)


def _days_since_joined(table: Table, snapshot: Snapshot) -> Column:
    return day_of(snapshot.created_at) - table["joined_day"].astype("f8")


def _hours_since_active(table: Table, snapshot: Snapshot) -> Column:
    active = table["active_hour"].astype("i8")
    return _known(hour_of(snapshot.created_at) - active, active > 0)


def _price_band(table: Table, _: Snapshot) -> Column:
    return _known(table["price_band"], table["price_band"] > 0)


def _saves(table: Table, _: Snapshot) -> Column:
    return np.asarray(np.rint(np.expm1(table["popularity"].astype("f8"))))


def _markets(snapshot: Snapshot) -> Sequence[str]:
    return [str(market["key"]) for market in snapshot.markets]


def _words(name: str) -> Callable[[Snapshot], Sequence[str]]:
    return lambda snapshot: snapshot.vocabulary.get(name, ())


def _intents(_: Snapshot) -> Sequence[str]:
    return tuple(INTENTS)


def _by_name(*attributes: Attribute) -> Mapping[str, Attribute]:
    return {attribute.name: attribute for attribute in attributes}


ATTRIBUTES: Mapping[str, Mapping[str, Attribute]] = {
    "member": _by_name(
        Attribute("market", CHOICE, _plain("market"), _markets),
        Attribute("age", NUMBER, _age),
        Attribute("days_since_joined", NUMBER, _days_since_joined),
        Attribute("hours_since_active", NUMBER, _hours_since_active),
        Attribute("likes_received", NUMBER, _plain("popularity")),
        Attribute("industries", SET, _plain("industries"), _words("industries")),
        Attribute("crafts", SET, _plain("crafts"), _words("crafts")),
        Attribute("skills", SET, _plain("skills"), _words("skills")),
        Attribute("interests", SET, _plain("interests"), _words("interests")),
        Attribute("intents", SET, _plain("intents"), _intents),
    ),
    "place": _by_name(
        Attribute("market", CHOICE, _plain("market"), _markets),
        Attribute("category", CHOICE, _plain("category"), _words("categories")),
        Attribute("tags", SET, _plain("tags"), _words("tags")),
        Attribute("price_band", NUMBER, _price_band),
        Attribute("popularity", NUMBER, _saves),
        Attribute("curated", FLAG, _plain("curated")),
        Attribute("is_open", FLAG, _plain("is_open")),
    ),
}
