"""The client's types say what /openapi.json says: what the service has gained, and the client not, fails here."""

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any, Literal, get_type_hints

import pytest

from app.errors import ANSWERS
from app.main import create_app
from app.settings import AppSettings
from safelight import AsyncSafelight, Safelight, answers, datasets, fields, fine_tunes, offers, provenance, webhooks
from safelight.calls import Calls
from safelight.events import KINDS
from safelight.outcomes import CODES
from safelight.sources import Source, is_path
from tests.dialects.declared import dialects_operations
from tests.system.installation import ROOT

Schema = dict[str, Any]

POSTED = "GenerationPosted"
SENT: dict[str, type] = {
    POSTED: fields.Fields,
    "WebhookAsked": fields.Webhook,
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
    "MuteToken": fields.MuteToken,
    "ScaleToken": fields.ScaleToken,
    "SetGuidance": fields.SetGuidance,
    "SwapPrompt": fields.SwapPrompt,
    "AddNoise": fields.AddNoise,
    "SkipBlock": fields.SkipBlock,
    "Branch": fields.Branch,
    "DensePredictionPosted": fields.DensePrediction,
    "TraceAsked": fields.TraceAsked,
    "FineTunePosted": fine_tunes.Teaching,
    "FineTuneRequest": fine_tunes.FineTuneRequest,
    "PriorPreservation": fine_tunes.PriorPreservation,
}
ANSWERED: dict[str, type] = {
    "RequestShown": fields.CompleteRequest,
    "JobShown": answers.Job,
    "ProgressShown": answers.Progress,
    "CostShown": answers.Cost,
    "ImageShown": answers.Image,
    "Finding": answers.Finding,
    "FailureShown": answers.Failure,
    "QuoteShown": answers.Quote,
    "JobUrls": answers.JobUrls,
    "ReplayShown": answers.Replay,
    "TraceShown": answers.Trace,
    "TraceFileShown": answers.TraceFile,
    "Difference": answers.Difference,
    "ReceiptShown": provenance.Receipt,
    "VerificationShown": provenance.Verification,
    "ManifestShown": provenance.Manifest,
    "ReceiptKeyShown": provenance.ReceiptKey,
    "ReceiptKeysShown": provenance.ReceiptKeys,
    "FileShown": answers.File,
    "DatasetListed": datasets.DatasetListed,
    "DatasetShown": datasets.Dataset,
    "DatasetSent": datasets.DatasetSent,
    "DatasetPictureShown": datasets.DatasetPicture,
    "FileProblem": datasets.FileProblem,
    "FineTuneRequestShown": fine_tunes.CompleteFineTune,
    "FineTuneShown": fine_tunes.FineTune,
    "FineTuneQuoteShown": fine_tunes.TeachingQuote,
    "TeachingCostShown": fine_tunes.TeachingCost,
    "SampleShown": fine_tunes.Sample,
    "CheckpointShown": fine_tunes.Checkpoint,
    "ResultShown": fine_tunes.Result,
    "ResultFileShown": fine_tunes.ResultFile,
    "Card": fine_tunes.Card,
    "Nearest": fine_tunes.Nearest,
    "ModelDetail": offers.ModelDetail,
    "ModelShown": offers.Model,
    "Architecture": offers.Architecture,
    "Part": offers.Part,
    "Block": offers.Block,
    "DefaultsShown": offers.Defaults,
    "LimitsShown": offers.Limits,
    "MapSpec": offers.Map,
    "ModelCertificate": offers.Certificate,
    "AdapterShown": offers.Adapter,
    "ClassifierShown": offers.Classifier,
    "AttemptShown": webhooks.Attempt,
    "DeliveryShown": webhooks.Delivery,
    "SecretShown": webhooks.WebhookSecret,
}
TYPES = SENT | ANSWERED

ARGUMENTS = {"prompt"}
"""Properties of what is posted that are arguments of the call."""

FOR_OTHERS = {
    "FileShown": {"name", "content_type", "size", "etag", "checksums", "metadata", "urls"},
    "ModelDetail": {
        *("url", "owner", "name", "description", "visibility", "github_url", "paper_url", "license_url"),
        *("run_count", "cover_image_url", "default_example", "latest_version"),
    },
}
"""Properties that are there for clients of other kinds, and say nothing that the rest does not say."""

SENT_FIRST = {("AdapterUse", "id"): Source}
"""Text for the service, for which the client takes files as well."""

WORDS = {"string": str, "integer": int, "number": float, "boolean": bool, "null": None}

CALLS: dict[tuple[str, str], dict[str, dict[str, str]]] = {
    ("post", "/v1/generations"): {
        "submit": {"Idempotency-Key": "idempotency_key", "Cache-Control": "no_store"},
        "quote": {"dry_run": "fields"},
    },
    ("post", "/v1/dense-predictions"): {"dense_prediction": {"Idempotency-Key": "idempotency_key"}},
    ("get", "/v1/jobs"): {"jobs": {"status": "status", "limit": "page_size"}},
    ("get", "/v1/jobs/{job_id}"): {"job": {}},
    ("delete", "/v1/jobs/{job_id}"): {"delete": {}},
    ("post", "/v1/jobs/{job_id}/cancel"): {"cancel": {}},
    ("get", "/v1/jobs/{job_id}/events"): {
        "events": {"previews": "previews", "Last-Event-ID": "after", "on_disconnect": "on_disconnect"}
    },
    ("get", "/v1/jobs/{job_id}/deliveries"): {"deliveries": {}},
    ("post", "/v1/jobs/{job_id}/deliveries/{delivery_id}/redeliver"): {"redeliver": {}},
    ("get", "/v1/fine-tunes/{fine_tune_id}/deliveries"): {"deliveries": {}},
    ("post", "/v1/fine-tunes/{fine_tune_id}/deliveries/{delivery_id}/redeliver"): {"redeliver": {}},
    ("get", "/v1/webhooks/secret"): {"webhook_secret": {"url": "url"}},
    ("post", "/v1/webhooks/secret/rotate"): {"rotate_webhook_secret": {"url": "url"}},
    ("get", "/v1/artifacts/{artifact_id}"): {"artifact": {}},
    ("post", "/v1/verify"): {"verify": {}},
    ("post", "/v1/replay"): {"replay": {"Idempotency-Key": "idempotency_key"}},
    ("get", "/v1/receipts/keys"): {"receipt_keys": {}},
    ("post", "/v1/files"): {"upload": {}},
    ("get", "/v1/files"): {"files": {"limit": "page_size"}},
    ("get", "/v1/files/{file_id}"): {"file": {}},
    ("delete", "/v1/files/{file_id}"): {"delete_file": {}},
    ("get", "/v1/files/{file_id}/content"): {"file_content": {}},
    ("post", "/v1/datasets"): {"create_dataset": {}},
    ("get", "/v1/datasets"): {"datasets": {"limit": "page_size"}},
    ("get", "/v1/datasets/{dataset_id}"): {"dataset": {}},
    ("delete", "/v1/datasets/{dataset_id}"): {"delete_dataset": {}},
    ("post", "/v1/datasets/{dataset_id}/pictures"): {"add_pictures": {}},
    ("patch", "/v1/datasets/{dataset_id}/pictures/{index}"): {"change_caption": {}},
    ("delete", "/v1/datasets/{dataset_id}/pictures/{index}"): {"delete_picture": {}},
    ("get", "/v1/datasets/{dataset_id}/pictures/{index}/content"): {"dataset_picture": {}},
    ("post", "/v1/fine-tunes"): {
        "teach": {"Idempotency-Key": "idempotency_key"},
        "quote_teaching": {"dry_run": "fields"},
    },
    ("get", "/v1/fine-tunes"): {"fine_tunes": {"status": "status", "limit": "page_size"}},
    ("get", "/v1/fine-tunes/{fine_tune_id}"): {"fine_tune": {}},
    ("delete", "/v1/fine-tunes/{fine_tune_id}"): {"delete_fine_tune": {}},
    ("post", "/v1/fine-tunes/{fine_tune_id}/cancel"): {"cancel_fine_tune": {}},
    ("get", "/v1/fine-tunes/{fine_tune_id}/events"): {"fine_tune_events": {"Last-Event-ID": "after"}},
    ("get", "/v1/fine-tunes/{fine_tune_id}/samples/{step}"): {"fine_tune_sample": {}},
    ("get", "/v1/fine-tunes/{fine_tune_id}/files/{name}"): {"fine_tune_file": {}},
    ("get", "/v1/models"): {"models": {}},
    ("get", "/v1/models/{model_id}"): {"model": {}},
    ("get", "/v1/models/{model_id}/architecture"): {"architecture": {}},
    ("get", "/v1/adapters"): {"adapters": {}},
    ("get", "/v1/adapters/{adapter_id}"): {"adapter": {}},
    ("get", "/v1/classifiers"): {"classifiers": {}},
    ("get", "/v1/classifiers/{classifier_id}"): {"classifier": {}},
}
"""The calls that make each operation, and the argument that is each of its parameters."""

NOT_CALLED = {"/", "/healthz", "/readyz", "/metrics"}
NOT_ARGUMENTS = {"Prefer", "cursor", "if-none-match", "Range", "if-range"}
"""What the client does for itself, or need not do: it waits by following, and never in a POST."""


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
        case {"type": "array", "prefixItems": [first, second]} if first != second:
            kind = tuple[meant(first, sent=sent), meant(second, sent=sent)]
        case {"type": "array", "prefixItems": [item, *_]} | {"type": "array", "items": item}:
            kind = Sequence[meant(item, sent=sent)] if sent else tuple[meant(item, sent=sent), ...]
        case {"type": "object", "additionalProperties": True}:
            kind = Mapping[str, Any]
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
    left_out = ARGUMENTS if name == POSTED else FOR_OTHERS.get(name, set())
    expected = {
        field: SENT_FIRST.get((name, field)) or meant(part, sent=sent)
        for field, part in schema["properties"].items()
        if field not in left_out
    }
    found = get_type_hints(kind)
    assert {field: part for field, part in found.items() if expected.get(field) != part} == {}, "is not there"
    assert {field: part for field, part in expected.items() if field not in found} == {}, "is missing"
    if name in SENT:
        assert set(kind.__required_keys__) == set(schema.get("required", ()))  # type: ignore[attr-defined]


def test_every_code_has_a_class_that_says_the_same() -> None:
    said = {kind.code: kind.__doc__ for kind in ANSWERS if kind.code != "internal_error"}
    assert {code: kind.__doc__ for code, kind in CODES.items() if code != "internal_error"} == said
    assert CODES.keys() == {kind.code for kind in ANSWERS}
    assert {kind.__name__ for kind in ANSWERS} - {"SafelightError"} < {kind.__name__ for kind in CODES.values()}


@pytest.mark.parametrize(
    ("path", "kinds"),
    [("/v1/jobs/{job_id}/events", KINDS), ("/v1/fine-tunes/{fine_tune_id}/events", fine_tunes.TEACHING_KINDS)],
    ids=["jobs", "fine-tunes"],
)
def test_every_event_has_a_type(document: Schema, path: str, kinds: Mapping[str, object]) -> None:
    told = document["paths"][path]["get"]["responses"]["200"]["description"]
    assert set(re.findall(r"`(\w+)`", told)) == set(kinds)


def test_every_operation_has_its_call(document: Schema) -> None:
    theirs = dialects_operations()
    ours = {
        (method, path)
        for path, methods in document["paths"].items()
        for method in methods
        if method != "head" and path not in NOT_CALLED and f"{method.upper()} {path}" not in theirs
    }
    assert ours == set(CALLS)


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_every_parameter_has_its_argument(document: Schema, method: str, path: str) -> None:
    declared = document["paths"][path][method].get("parameters", [])
    named = {parameter["name"] for parameter in declared if parameter["in"] != "path"} - NOT_ARGUMENTS
    if method == "post":
        named.discard("on_disconnect")
    assert named == {name for given in CALLS[method, path].values() for name in given}
    for call, given in CALLS[method, path].items():
        assert set(given.values()) <= set(inspect.signature(getattr(Calls, call)).parameters)


def test_both_clients_have_every_call() -> None:
    calls = {name for name in dir(Calls) if not name.startswith("_")}
    assert calls == {call for made in CALLS.values() for call in made} | {
        "generate",
        "wait",
        "pictures",
        "save",
        "taught",
    }
    for name in calls:
        assert inspect.signature(getattr(Safelight, name)) == inspect.signature(getattr(AsyncSafelight, name))


PLACES = {POSTED: "", "DensePredictionPosted": "", "ControlUse": "control.0.", "ImagePrompt": "image_prompt."}
"""Where in a request the properties of these schemas are."""


def test_text_is_a_path_just_where_pictures_are_named(document: Schema) -> None:
    for name in SENT:
        for field, part in document["components"]["schemas"][name]["properties"].items():
            where = f"{PLACES.get(name, 'elsewhere.')}{field}"
            names_picture = "art_" in str([option.get("pattern") for option in part.get("anyOf", [part])])
            assert is_path(where, "dog.png") == is_path(where, "file_1.png") == names_picture
            assert not any(is_path(where, example) for example in part["examples"] if isinstance(example, str))
    assert not is_path("metadata.image", "dog.png")
