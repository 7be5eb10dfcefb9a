"""From JSON to the types of `answers`. What a type does not know is left out; a word that is new to it is let be."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from safelight.errors import UnexpectedAnswer

T = TypeVar("T")


def read(kind: type[T], data: object) -> T:
    """The JSON as a value of this type. Raises: UnexpectedAnswer."""
    try:
        value: T = _read(kind, data)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnexpectedAnswer(f"The answer is no {kind.__name__} as this client knows it: {error!r}.") from error
    return value


def _read(kind: Any, data: Any) -> Any:
    if data is None:
        return None
    if isinstance(kind, type) and is_dataclass(kind):
        return kind(**{name: _read(part, data[name]) for name, part in _parts(kind).items()})
    if get_origin(kind) is tuple:
        return tuple(_read(get_args(kind)[0], item) for item in data)
    if get_origin(kind) is Mapping:
        return {name: _read(get_args(kind)[1], value) for name, value in data.items()}
    if type(None) in get_args(kind):
        return _read(get_args(kind)[0], data)
    return datetime.fromisoformat(data) if kind is datetime else data


@cache
def _parts(kind: type) -> Mapping[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}
