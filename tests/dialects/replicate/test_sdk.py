"""Replicate's SDK, synchronous and asynchronous, in front of the whole service with the embedded model."""

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import replicate
from replicate.exceptions import ModelError
from replicate.helpers import FileOutput
from replicate.prediction import Prediction
from replicate.stream import ServerSentEvent
from safetensors.numpy import save

from tests.dialects.replicate.conftest import NAME, POLL_SECONDS
from tests.pictures import encoded, gradient, opened
from tests.system.launched import Launched
from tests.waiting import wait_until

PNG = b"\x89PNG"
INPUT: dict[str, Any] = {"prompt": "a red apple", "num_inference_steps": 4, "seed": 7}
LONG = INPUT | {"num_inference_steps": 60, "num_outputs": 2}
NUM_CLIENTS = 20


@pytest.fixture(scope="module")
def apple(service: Launched) -> bytes:
    """The picture that INPUT makes natively."""
    request: dict[str, object] = {"prompt": "a red apple", "num_inference_steps": 4, "seed": 7}
    job = service.call("/v1/generations", request, Prefer="wait=60")
    return httpx.get(job["images"][0]["url"]).content


def test_a_model_is_run(sdk: replicate.Client, apple: bytes) -> None:
    (output,) = sdk.run(NAME, input=INPUT)
    assert isinstance(output, FileOutput)
    assert output.read() == apple
    assert b"".join(output) == apple


async def test_a_model_is_run_asynchronously(sdk: replicate.Client, apple: bytes) -> None:
    (output,) = await sdk.async_run(NAME, input=INPUT)
    assert await output.aread() == apple


def test_a_version_is_run(sdk: replicate.Client, apple: bytes) -> None:
    version = sdk.models.get(NAME).latest_version
    assert version is not None
    output = sdk.run(f"{NAME}:{version.id}", input=INPUT)
    assert [picture.read() for picture in output] == [apple]
    assert sdk.run(version, input=INPUT, use_file_output=False)[0].startswith("data:image/png;base64,")


def test_a_model_is_run_without_waiting(sdk: replicate.Client, apple: bytes) -> None:
    """By plain HTTP, the SDK leaves addresses as they are."""
    for use_file_output in (True, False):
        (output,) = sdk.run(NAME, input=INPUT, wait=False, use_file_output=use_file_output)
        assert httpx.get(output).content == apple


def test_a_run_that_takes_longer_than_its_wait(sdk: replicate.Client) -> None:
    """The SDK asks again and again, and what it has in the end is what it would have had in time."""
    output = sdk.run(NAME, input=LONG, wait=1)
    assert [picture.read()[:4] for picture in output] == [PNG] * 2
    assert sdk.predictions.list()[0].metrics["total_time"] > 1


class BehindTLS(httpx.HTTPTransport):
    """The way to a service behind a proxy that ends TLS and says so."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert request.url.scheme == "https"
        assert request.headers["authorization"] == "Bearer a-token"
        request.headers["x-forwarded-proto"] = "https"
        request.url = request.url.copy_with(scheme="http")
        return super().handle_request(request)


@pytest.fixture
def secure(service: Launched) -> Iterator[replicate.Client]:
    """The SDK in front of a service behind TLS."""
    address = service.address.replace("http://", "https://")
    client = replicate.Client(base_url=address, api_token="a-token", transport=BehindTLS())
    client.poll_interval = POLL_SECONDS
    yield client
    client._client.close()


@pytest.mark.parametrize("wait", [True, False])
def test_behind_tls_outputs_are_addresses_that_are_read_with_the_token(
    secure: replicate.Client, apple: bytes, wait: bool
) -> None:
    (output,) = secure.run(NAME, input=INPUT, wait=wait)
    assert isinstance(output, FileOutput)
    assert output.url.startswith("https://")
    assert output.read() == apple
    (name,) = secure.run(NAME, input=INPUT, wait=wait, use_file_output=False)
    assert name.startswith("https://")


def test_a_prediction_is_watched(sdk: replicate.Client) -> None:
    prediction = sdk.predictions.create(model=NAME, input=INPUT | {"num_inference_steps": 40})
    assert (prediction.status, prediction.progress) == ("starting", None)
    seen: list[Prediction.Progress] = []
    while prediction.status not in ("succeeded", "failed"):
        prediction.reload()
        seen.extend([prediction.progress] if prediction.progress else [])
    assert (prediction.status, seen[-1]) == ("succeeded", Prediction.Progress(1.0, 40, 40))
    assert len({progress.current for progress in seen}) > 2
    assert [progress.current for progress in seen] == sorted(progress.current for progress in seen)
    assert httpx.get(prediction.output[0]).content.startswith(PNG)


async def test_a_prediction_is_watched_asynchronously(sdk: replicate.Client) -> None:
    prediction = await sdk.predictions.async_create(NAME, INPUT, wait=60)
    assert prediction.status == "succeeded"
    again = await sdk.predictions.async_create(model=NAME, input=INPUT)
    await again.async_wait()
    assert (again.status, again.input) == ("succeeded", prediction.input)


def test_a_model_is_streamed(sdk: replicate.Client, apple: bytes) -> None:
    events = list(sdk.stream(NAME, input=INPUT))
    kinds = ServerSentEvent.EventType
    (output,) = [event.data for event in events if event.event is kinds.OUTPUT]
    assert httpx.get(output).content == apple
    logs = "".join(event.data for event in events if event.event is kinds.LOGS)
    assert Prediction.Progress.parse(logs) == Prediction.Progress(1.0, 4, 4)
    assert (events[-1].event, events[-1].data) == (kinds.DONE, "{}")


async def test_a_model_is_streamed_while_it_works(sdk: replicate.Client) -> None:
    """The first lines come before the prediction has ended."""
    events = await sdk.async_stream(NAME, input=INPUT | {"num_inference_steps": 40})
    kinds = []
    async for event in events:
        kinds.append(event.event)
        if len(kinds) == 1:
            (newest, *_) = await sdk.predictions.async_list()
            assert newest.status == "processing"
    assert kinds[0] is ServerSentEvent.EventType.LOGS
    assert kinds[-1] is ServerSentEvent.EventType.DONE


def test_a_running_prediction_is_cancelled(sdk: replicate.Client) -> None:
    prediction = sdk.predictions.create(model=NAME, input=LONG)

    def running() -> bool:
        prediction.reload()
        return prediction.status == "processing"

    wait_until(running, 30)
    prediction.cancel()
    prediction.wait()
    assert prediction.status == "canceled"
    assert list(prediction.stream())[-1].data == '{"reason": "canceled"}'


async def test_a_running_prediction_is_cancelled_asynchronously(sdk: replicate.Client) -> None:
    prediction = await sdk.predictions.async_create(model=NAME, input=LONG)
    await prediction.async_cancel()
    await prediction.async_wait()
    assert prediction.status == "canceled"


@pytest.mark.parametrize("strategy", [None, "base64"])
def test_an_open_file_is_painted_over(sdk: replicate.Client, tmp_path: Path, strategy: Any) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(encoded(gradient(128, 128)))
    with path.open("rb") as image:
        (output,) = sdk.run(NAME, input=INPUT | {"image": image}, file_encoding_strategy=strategy)
    assert opened(output.read()).size == (128, 128)


def test_what_fails_is_a_model_error(sdk: replicate.Client) -> None:
    file = sdk.files.create(io.BytesIO(save({"unet.nowhere.lora_A.weight": np.zeros((2, 2), np.float32)})))
    with pytest.raises(ModelError) as raised:
        sdk.run(NAME, input=INPUT | {"adapters": [{"id": file.id, "scale": 1.0}]})
    prediction = raised.value.prediction
    assert (prediction.status, prediction.output, str(raised.value)) == ("failed", None, prediction.error)
    with pytest.raises(RuntimeError, match="detail"):
        list(sdk.predictions.get(prediction.id).stream())


async def test_many_clients_at_once(service: Launched) -> None:
    async def run(seed: int) -> bytes:
        client = replicate.Client(base_url=service.address)
        (output,) = await client.async_run(NAME, input=INPUT | {"seed": seed})
        content: bytes = await output.aread()
        await client._async_client.aclose()
        return content

    together = await asyncio.gather(*(run(seed) for seed in range(NUM_CLIENTS)))
    assert len(set(together)) == NUM_CLIENTS
    assert together[7] == await run(7)
