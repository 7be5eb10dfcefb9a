"""GET /v1/classifiers."""

import httpx

from tests.app.conftest import assert_error

ROW = {
    "id": "emoji-groups",
    "object": "classifier",
    "owned_by": "safelight",
    "licence": "MIT",
    "kind": "latents",
    "models": ["safelight-emoji"],
}


async def test_classifiers_are_listed_as_models_are(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/v1/classifiers")).json()
    assert (set(listed), listed["object"]) == ({"object", "data"}, "list")
    first, second = listed["data"]
    assert first.items() >= ROW.items()
    assert (second["id"], second["kind"], second["models"]) == ("emoji-groups-pixels", "pixels", [])
    assert isinstance(first["created"], int)
    assert {"animals", "plants"} <= set(first["labels"])
    assert not {"source", "sha256"} & set(first)


async def test_one_classifier(client: httpx.AsyncClient) -> None:
    for row in (await client.get("/v1/classifiers")).json()["data"]:
        assert (await client.get(f"/v1/classifiers/{row['id']}")).json() == row


async def test_an_unknown_classifier(client: httpx.AsyncClient) -> None:
    for classifier_id in ("nope", "some/name", "%00"):
        assert_error(await client.get(f"/v1/classifiers/{classifier_id}"), 404, "unknown_classifier", "classifier")
