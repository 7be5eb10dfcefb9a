"""Whatever is sent as a prediction, the answer is one or a problem, and never a fault of ours."""

import json
from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st

from app.dialects.replicate.asked import PredictionAsked
from app.dialects.replicate.inputs import PredictionInput
from tests.app.test_fuzz import SETTINGS, values
from tests.dialects.replicate.conftest import MODEL

JSON = {"content-type": "application/json"}

asked = st.sampled_from([*PredictionAsked.model_fields, ""])
inputs = st.sampled_from([*PredictionInput.model_fields, "steps"])


async def assert_sound(client: httpx.AsyncClient, body: Any) -> None:
    response = await client.post("/v1/predictions", content=json.dumps(body).encode(), headers=JSON)
    if response.status_code != 201:
        problem = response.json()
        assert response.status_code in (400, 404, 413, 422, 429), response.text
        assert (problem["status"], bool(problem["detail"])) == (response.status_code, True)


@SETTINGS
@given(changes=st.dictionaries(asked, values, max_size=2), fields=st.dictionaries(inputs, values, max_size=3))
async def test_any_values(client: httpx.AsyncClient, changes: dict[str, Any], fields: dict[str, Any]) -> None:
    await assert_sound(client, {"version": MODEL, "input": {"prompt": "a fox"} | fields} | changes)


@SETTINGS
@given(body=values)
async def test_any_body(client: httpx.AsyncClient, body: Any) -> None:
    await assert_sound(client, body)
