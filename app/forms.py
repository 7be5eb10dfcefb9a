"""Which fields a multipart body may have, how OpenAPI says so, and how texts become the values that they write."""

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from app.error_responses import as_in_a_body

Texts = TypeVar("Texts", bound=BaseModel)


class FileField(NamedTuple):
    """A file that a form takes under its name, or under another one that clients have for it; up to `most` of them."""

    description: str
    required: bool = True
    alias: str | None = None
    most: int = 1


class Form(NamedTuple):
    """The fields that a body may have; its texts are those of a model. With `one_of`, files come under one name."""

    files: Mapping[str, FileField]
    texts: type[BaseModel] | None = None
    one_of: bool = False

    def file(self, name: str) -> str | None:
        """The name of the file that comes under this one, if there is such a file."""
        return next((own for own, field in self.files.items() if name in (own, field.alias)), None)

    def has_text(self, name: str) -> bool:
        """Whether there is such a text."""
        return self.texts is not None and name in self.texts.model_fields

    @property
    def documented(self) -> dict[str, Any]:
        """The body, as OpenAPI describes it."""
        texts = {} if self.texts is None else self.texts.model_json_schema()
        files = {name: _documented(field.description, field.most) for name, field in self.files.items()}
        others = {
            field.alias: _documented(f"Another name of `{name}`.") for name, field in self.files.items() if field.alias
        }
        schema = {
            "type": "object",
            "additionalProperties": False,
            "required": [
                *(name for name, field in self.files.items() if field.required and not field.alias),
                *texts.get("required", []),
            ],
            "properties": files
            | others
            | {name: never_null(text) for name, text in texts.get("properties", {}).items()},
        }
        if self.one_of:
            schema["oneOf"] = [{"required": [name]} for name in self.files]
        if others:
            schema["allOf"] = [_one_of(name, field) for name, field in self.files.items() if field.alias]
        return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


class SentFile(NamedTuple):
    """One of many files of a field, which lie one behind the other."""

    name: str
    all: BinaryIO
    start: int
    end: int

    @property
    def num_bytes(self) -> int:
        """Its size."""
        return self.end - self.start

    def read(self) -> bytes:
        """Its bytes."""
        self.all.seek(self.start)
        return self.all.read(self.num_bytes)


class Received(NamedTuple):
    """What has come of a body: files, at their beginning, texts, and of fields that take several files all of them."""

    files: Mapping[str, BinaryIO]
    texts: Mapping[str, str]
    several: Mapping[str, Sequence[SentFile]]

    def as_fields_of(self, model: type[Texts]) -> Texts:
        """The texts as values. Raises: RequestValidationError."""
        try:
            return model.model_validate_strings(dict(self.texts))
        except ValidationError as error:
            raise as_in_a_body(error) from error


def never_null(schema: dict[str, Any]) -> dict[str, Any]:
    """What says that something is of a type or null, where null cannot be said: in a form, a query, a header."""
    types: list[dict[str, Any]] = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    match types:
        case []:
            return schema
        case [only]:
            return {**only, **{key: value for key, value in schema.items() if key != "anyOf"}}
    return schema | {"anyOf": types}


def _one_of(name: str, field: FileField) -> dict[str, Any]:
    """That a file comes under one of its names, or under one of them at most."""
    names = [{"required": [name]}, {"required": [field.alias]}]
    return {"oneOf": names} if field.required else {"not": {"allOf": names}}


def _documented(description: str, most: int = 1) -> dict[str, Any]:
    file = {"type": "string", "format": "binary"}
    return {**(file if most == 1 else {"type": "array", "items": file}), "description": description}
