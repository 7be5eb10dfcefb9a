"""A recorded run of the whole service: the same picture as without, and a trace that says how it came about."""

import hashlib
from typing import Any

import httpx
import numpy as np

from contract.trace_document import TraceDocument
from tests.system.launched import Launched

ASKED = {"prompt": "a red apple", "height": 64, "width": 64, "num_inference_steps": 4, "seed": 11}
EVERYTHING = dict.fromkeys(("attention", "latents", "guidance", "text", "autoencoder"), True)
WAITING = {"Prefer": "wait=60", "Cache-Control": "no-store"}


def made(client: httpx.Client, **changes: object) -> dict[str, Any]:
    job: dict[str, Any] = client.post("/v1/generations", json=ASKED | changes, headers=WAITING).json()
    assert job["status"] == "succeeded", job
    return job


def test_a_recorded_run_makes_the_same_file_and_says_how(service: Launched) -> None:
    with httpx.Client(base_url=service.address, timeout=90) as client:
        plain, recorded = made(client), made(client, trace=EVERYTHING)
        assert plain["trace"] is None
        assert recorded["images"][0]["sha256"] == plain["images"][0]["sha256"]
        files = recorded["trace"]["files"]
        contents = {name: client.get(file["url"]).content for name, file in files.items()}
        for name, file in files.items():
            assert hashlib.sha256(contents[name]).hexdigest() == file["sha256"]
        document = TraceDocument.model_validate_json(contents["trace"])
        assert [token.text for token in document.tokens if not token.is_special] == ["a", "red", "apple"]
        assert len(document.steps) == len(document.schedule) == 4
        assert document.notes == []
        assert all(step.guidance is not None for step in document.steps)
        attention = document.attention
        assert attention is not None
        last = attention.blocks[-1]
        size = attention.steps * attention.tokens * last.height * last.width
        maps = np.frombuffer(contents["attention"], np.uint8, size, last.offset)
        assert last.offset + size == len(contents["attention"])
        assert maps.max() == 255
        assert document.autoencoder is not None
        assert document.autoencoder.psnr is not None
        assert document.autoencoder.psnr > 20
        assert client.delete(f"/v1/jobs/{recorded['id']}").status_code == 204
        assert client.get(recorded["trace"]["url"]).status_code == 404
