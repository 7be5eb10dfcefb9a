"""The client's types say what /openapi.json says: what the service has gained, and the client not, fails here."""

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any, Literal, get_type_hints

import pytest

from app import dialects
from app.errors import ANSWERS
from app.main import create_app
from app.settings import AppSettings
from safelight import AsyncSafelight, Safelight, answers, fields
from safelight.calls import Calls
from safelight.events import KINDS
from safelight.outcomes import REFUSALS
from safelight.sources import IMAGE_FIELDS, Source, is_path
from tests.system.installation import ROOT

Schema = dict[str, Any]

SENT: dict[str, type] = {
    "GenerationRequest": fields.Fields,
    "Expand": fields.Expand,
    "AdapterUse": fields.AdapterUse,
    "ControlUse": fields.ControlUse,
    "ImagePrompt": fields.ImagePrompt,
    "ClassifierFree": fields.ClassifierFree,
    "ClassifierFreeOnManifold": fields.ClassifierFreeOnManifold,
    "AdaptiveProjected": fields.AdaptiveProjected,
    "PerturbedAttention": fields.PerturbedAttention,
    "ByClassifier": fields.ByClassifier,
    "Universal": fields.Universal,
}
ANSWERED: dict[str, type] = {
    "RequestShown": fields.CompleteRequest,
    "JobShown": answers.Job,
    "ProgressShown": answers.Progress,
    "CostShown": answers.Cost,
    "ImageShown": answers.Image,
    "FailureShown": answers.Failure,
    "JobUrls": answers.JobUrls,
    "FileShown": answers.File,
    "ModelDetail": answers.ModelDetail,
    "ModelShown": answers.Model,
    "DefaultsShown": answers.Defaults,
    "LimitsShown": answers.Limits,
    "ModelCertificate": answers.Certificate,
    "AdapterShown": answers.Adapter,
    "ClassifierShown": answers.Classifier,
}
TYPES = SENT | ANSWERED

ARGUMENTS = {"GenerationRequest": {"prompt"}}
"""Properties that are no field of a type, but an argument of the call."""

SENT_FIRST = {("AdapterUse", "id"): Source}
"""Text for the service, for which the client takes files as well."""

WORDS = {"string": str, "integer": int, "number": float, "boolean": bool, "null": None}

CALLS: dict[tuple[str, str], tuple[str, dict[str, str]]] = {
    ("post", "/v1/generations"): ("submit", {"Idempotency-Key": "idempotency_key", "Cache-Control": "no_store"}),
    ("get", "/v1/jobs"): ("jobs", {"status": "status", "limit": "page_size"}),
    ("get", "/v1/jobs/{job_id}"): ("job", {}),
    ("delete", "/v1/jobs/{job_id}"): ("delete", {}),
    ("post", "/v1/jobs/{job_id}/cancel"): ("cancel", {}),
    ("get", "/v1/jobs/{job_id}/events"): ("events", {"previews": "previews", "Last-Event-ID": "after"}),
    ("get", "/v1/artifacts/{artifact_id}"): ("artifact", {}),
    ("post", "/v1/files"): ("upload", {}),
    ("get", "/v1/files"): ("files", {"limit": "page_size"}),
    ("get", "/v1/files/{file_id}"): ("file", {}),
    ("delete", "/v1/files/{file_id}"): ("delete_file", {}),
    ("get", "/v1/files/{file_id}/content"): ("file_content", {}),
    ("get", "/v1/models"): ("models", {}),
    ("get", "/v1/models/{model_id}"): ("model", {}),
    ("get", "/v1/adapters"): ("adapters", {}),
    ("get", "/v1/adapters/{adapter_id}"): ("adapter", {}),
    ("get", "/v1/classifiers"): ("classifiers", {}),
    ("get", "/v1/classifiers/{classifier_id}"): ("classifier", {}),
}
"""The call that makes each operation, and the argument that is each of its parameters."""

NOT_CALLED = {"/", "/healthz", "/readyz", "/metrics"}
NOT_ARGUMENTS = {"Prefer", "cursor", "if-none-match", "Range", "if-range"}
"""What the client does for itself, or need not do."""


@pytest.fixture(scope="module")
def document() -> Schema:
    return create_app(AppSettings(catalogue=ROOT / "models.toml")).openapi()


def meant(schema: Schema, *, sent: bool) -> Any:
    """The type that the client has to have for a schema."""
    kind: Any
    match schema:
        case {"$ref": reference}:
            kind = TYPES[reference.rpartition("/")[2]]
        case {"anyOf": options} | {"oneOf": options}:
            kind = reduce(or_, (meant(option, sent=sent) for option in options))
        case {"const": word}:
            kind = Literal[word]
        case {"enum": words}:
            kind = Literal[tuple(words)]
        case {"type": "array", "prefixItems": [item, *_]} | {"type": "array", "items": item}:
            kind = Sequence[meant(item, sent=sent)] if sent else tuple[meant(item, sent=sent), ...]
        case {"type": "object", "additionalProperties": value}:
            kind = Mapping[str, meant(value, sent=sent)]
        case {"format": "date-time"}:
            kind = datetime
        case {"pattern": pattern} if "file_" in pattern:
            kind = Source
        case _:
            kind = WORDS[schema["type"]]
    return kind


@pytest.mark.parametrize("name", TYPES)
def test_a_type_has_the_fields_of_its_schema(document: Schema, name: str) -> None:
    kind, schema = TYPES[name], document["components"]["schemas"][name]
    # A complete request is JSON, as the one that was sent.
    sent = not is_dataclass(kind)
    expected = {
        field: SENT_FIRST.get((name, field)) or meant(part, sent=sent)
        for field, part in schema["properties"].items()
        if field not in ARGUMENTS.get(name, ())
    }
    found = get_type_hints(kind)
    assert {field: part for field, part in found.items() if expected.get(field) != part} == {}, "is not there"
    assert {field: part for field, part in expected.items() if field not in found} == {}, "is missing"
    if name in SENT:
        assert set(kind.__required_keys__) == set(schema.get("required", ()))  # type: ignore[attr-defined]


def test_every_code_has_a_class_that_says_the_same() -> None:
    said = {kind.code: kind.__doc__ for kind in ANSWERS if kind.code != "internal_error"}
    assert {code: kind.__doc__ for code, kind in REFUSALS.items() if code != "internal_error"} == said
    assert REFUSALS.keys() == {kind.code for kind in ANSWERS}
    assert {kind.__name__ for kind in ANSWERS} - {"SafelightError"} < {kind.__name__ for kind in REFUSALS.values()}


def test_every_event_has_a_type(document: Schema) -> None:
    told = document["paths"]["/v1/jobs/{job_id}/events"]["get"]["responses"]["200"]["description"]
    assert set(re.findall(r"`(\w+)`", told)) == set(KINDS)


def test_every_operation_has_its_call(document: Schema) -> None:
    theirs = {path for router in dialects.ROUTERS for path in (route.path for route in router.routes)}  # type: ignore[attr-defined]
    ours = [(method, path) for path, methods in document["paths"].items() for method in methods if method != "head"]
    assert {(method, path) for method, path in ours if path not in NOT_CALLED | theirs} == set(CALLS)


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_every_parameter_has_its_argument(document: Schema, method: str, path: str) -> None:
    call, given = CALLS[method, path]
    declared = document["paths"][path][method].get("parameters", [])
    named = {parameter["name"] for parameter in declared if parameter["in"] != "path"}
    assert named - NOT_ARGUMENTS == set(given)
    assert set(given.values()) <= set(inspect.signature(getattr(Calls, call)).parameters)


def test_both_clients_have_every_call() -> None:
    calls = {name for name in vars(Calls) if not name.startswith("_")}
    assert calls >= {call for call, _ in CALLS.values()} | {"generate", "wait", "pictures", "save"}
    for name in calls:
        assert inspect.signature(getattr(Safelight, name)) == inspect.signature(getattr(AsyncSafelight, name))


def references(document: Schema) -> Iterator[tuple[str, str]]:
    """Each property that names a picture, with its schema's name."""
    for name in SENT:
        for field, part in document["components"]["schemas"][name]["properties"].items():
            if "art_" in str([option.get("pattern") for option in part.get("anyOf", [part])]):
                yield name, field


def test_text_is_a_path_just_where_pictures_are_named(document: Schema) -> None:
    found = list(references(document))
    assert {field for _, field in found} == set(IMAGE_FIELDS)
    for name, field in found:
        for example in document["components"]["schemas"][name]["properties"][field]["examples"]:
            assert example is None or not is_path(field, example)
    assert is_path("control.0.image", "file_1.png")
    assert not is_path("id", "gilded.safetensors")
