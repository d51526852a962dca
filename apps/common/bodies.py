"""What every REST body is made of: strict types, and the way from raw data to a body or a refusal.

Takes decoded JSON (or a CSV row turned into it), gives pydantic models. Messages name keys and limits, never
the value that was sent, since a value can be private (an exact position, a bio).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from apps.common.errors import Problem
from apps.common.geo import cell_of, centre_of

KEY_PATTERN = r"^[a-z][a-z0-9_-]{0,31}$"
FIRST_YEAR, LAST_YEAR = (
    2000,
    2100,
)  # of any moment; a stray century would otherwise make partitions of its own


def refuse(code: str, detail: str, field: str | None = None) -> PydanticCustomError:
    """An error for a validator to raise. `field` is for checks over several keys."""
    # pydantic's templates give braces a meaning; ours are plain sentences.
    return PydanticCustomError(code, detail, {"field": field} if field else None)


def _clean(text: str) -> str:
    # UTF-8 has no half surrogate pairs; Postgres has no NUL.
    if text.isascii() and "\x00" not in text:
        return text
    if "\x00" in text or text.encode("utf-8", "replace").decode() != text:
        raise refuse("invalid_text", "Text may hold neither a NUL nor half a surrogate pair.")
    return text


def _day(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise refuse("invalid_date", "A date is written YYYY-MM-DD.") from None


def _moment(value: Any) -> Any:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise refuse("invalid_time", "A time is written as in 2026-05-01T18:30:00Z.") from None
    if not isinstance(moment, datetime):
        return value
    if moment.utcoffset() is None:
        raise refuse("invalid_time", "A time needs its offset from UTC: Z or +02:00.")
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise refuse("out_of_range", f"A time is within the years {FIRST_YEAR} and {LAST_YEAR}.")
    return moment.astimezone(UTC)


def _word(text: str) -> str:
    word = _clean(text).strip().lower()
    if not word:
        raise refuse("too_short", "A word may not be empty.")
    return word


def _once(words: list[str]) -> list[str]:
    return list(dict.fromkeys(words))


Text = Annotated[str, AfterValidator(_clean)]
Id = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_clean)]
Key = Annotated[str, Field(pattern=KEY_PATTERN)]
Url = Annotated[str, Field(max_length=500, pattern=r"^(https?://[^\s\x00]+)?$")]
Word = Annotated[str, Field(max_length=40), AfterValidator(_word)]  # kept in lower case
Words = Annotated[list[Word], Field(max_length=100), AfterValidator(_once)]
Day = Annotated[date, Field(ge=date(1900, 1, 1), le=date(2100, 12, 31)), BeforeValidator(_day)]
Moment = Annotated[datetime, BeforeValidator(_moment)]


class Body(BaseModel):
    """Strict: no unknown keys, no silent conversion."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class Location(Body):
    """A point, moved to the middle of its cell of about 5 km as it is read: the exact one is kept nowhere."""

    latitude: float = Field(ge=-90, le=90, allow_inf_nan=False)
    longitude: float = Field(ge=-180, le=180, allow_inf_nan=False)
    market: Key | None = Field(default=None, description="None: the nearest market within 100 km.")

    @model_validator(mode="after")
    def snap(self) -> Self:
        self.latitude, self.longitude = (round(x, 5) for x in centre_of(self.cell))
        return self

    @property
    def cell(self) -> int:
        return cell_of(self.latitude, self.longitude)


@dataclass(frozen=True)
class Rejected:
    """A row that could not be read. Stands where its body would, so that results keep their order."""

    id: str
    code: str
    field: str | None
    detail: str


@dataclass(frozen=True)
class RowResult:
    """What became of one row of a bulk call."""

    id: str
    status: Literal["created", "updated", "rejected"]
    code: str | None = None
    field: str | None = None
    detail: str | None = None


B = TypeVar("B", bound=Body)


def parse(model: type[B], data: Any) -> B:
    """The body that `data` is. Raises Problem with the first thing that is wrong."""
    found = parse_row(model, data)
    if isinstance(found, Rejected):
        raise Problem(found.detail, code=found.code, field=found.field)
    return found


def parse_row(model: type[B], data: Any) -> B | Rejected:
    """The body that `data` is, or why it is none."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
    return _rejected(data, first)


def _rejected(data: Any, error: Any) -> Rejected:
    kind, context = error["type"], error.get("ctx", {})
    field = ".".join(map(str, error["loc"])) or context.get("field")
    code = _CODES.get(kind) or (kind if "_type" not in kind and "_parsing" not in kind else "wrong_type")
    said = data.get("id") if isinstance(data, dict) else None
    return Rejected(
        id=_printable(said, 64) if isinstance(said, str) else "",
        code=code,
        field=_printable(field, 100) if field else None,
        detail=_printable(
            str(error["msg"]) if "field" in context else _DETAILS.get(code, str(error["msg"])), 500
        ),
    )


def _printable(text: str, length: int) -> str:
    """Without lone surrogates and NULs, which neither JSON nor Postgres can carry."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")[:length]


_CODES = {
    "extra_forbidden": "unknown_key",
    "string_unicode": "invalid_text",
    "string_too_long": "too_long",
    "string_too_short": "too_short",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
    "finite_number": "out_of_range",
    "int_parsing_size": "out_of_range",
    "enum": "unknown_value",
    "literal_error": "unknown_value",
    "string_pattern_mismatch": "invalid_value",
    "uuid_parsing": "invalid_uuid",
}
_DETAILS = {
    "unknown_key": "There is no such key.",
    "missing": "This key is needed.",
    "invalid_text": "Text may hold neither a NUL nor half a surrogate pair.",
    "invalid_uuid": "This is not a UUID.",
}
