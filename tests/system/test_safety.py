"""A service whose pictures are looked at: what the policy lets out, over HTTP."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.pictures import pixels_of
from tests.system.installation import ROOT
from tests.system.launched import Launched, launch

ROWS = """
[[checkers]]
id = "groups"
kind = "image_classification"
source = {{ path = "{folder}" }}
sha256 = "{sha256}"
owned_by = "safelight"
licence = "MIT"
created = 0
flags = {{ animals = 0.5 }}
"""

DOG = {"prompt": "a dog on a green background", "seed": 1}
CAR = {"prompt": "a car", "seed": 7}


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our own, with the embedded classifier of pictures as a checker that flags animals."""
    file = tmp_path_factory.mktemp("catalogue") / "models.toml"
    text = (ROOT / "models.toml").read_text().replace('path = "models/', f'path = "{ROOT}/models/')
    folder = ROOT / "models/classifiers/emoji-groups-pixels"
    sha256 = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    text = text.replace('family = "stable_diffusion"\n', 'family = "stable_diffusion"\nchecker = "groups"\n', 1)
    file.write_text(text + ROWS.format(folder=folder, sha256=sha256))
    return file


@pytest.fixture(scope="module", params=["refuse", "blur"])
def launched(catalogue: Path, request: pytest.FixtureRequest) -> Iterator[tuple[str, Launched]]:
    for one in launch(catalogue, SAFELIGHT_SAFETY_POLICY=request.param, SAFELIGHT_RESULT_CACHE_BYTES="1000000"):
        yield request.param, one


def made(service: Launched, **fields: Any) -> dict[str, Any]:
    with httpx.Client(base_url=service.address, timeout=90) as http:
        answer = http.post("/v1/generations", json=fields, headers={"Prefer": "wait=60"})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def test_nobody_sees_what_the_checker_flags(launched: tuple[str, Launched]) -> None:
    policy, service = launched
    clean = made(service, **CAR)
    assert clean["status"] == "succeeded"
    assert (clean["images"][0]["safety"]["flagged"], clean["images"][0]["safety"]["checker"]) == (False, "groups")
    for _ in range(2):  # The second is remembered, and so is its verdict.
        job = made(service, **DOG)
        if policy == "refuse":
            assert (job["status"], job["images"]) == ("failed", [])
            assert job["error"]["code"] == "picture_refused"
            assert "animals" in job["error"]["message"]
        else:
            (image,) = job["images"]
            finding = image["safety"]
            assert (finding["flagged"], finding["blurred"], finding["label"]) == (True, True, "animals")
            assert finding["score"] >= 0.5
            assert sharpness(image) < sharpness(clean["images"][0]) / 2


def sharpness(image: dict[str, Any]) -> float:
    """The mean difference of neighbours in a row of a picture."""
    width, height, pixels = pixels_of(httpx.get(image["url"]).content)
    assert (width, height) == (128, 128)
    return sum(abs(one - other) for one, other in zip(pixels, pixels[3:], strict=False)) / len(pixels)


def test_there_are_no_previews_of_what_may_be_flagged(launched: tuple[str, Launched]) -> None:
    _, service = launched
    with httpx.Client(base_url=service.address, timeout=90) as http:
        asked = CAR | {"num_inference_steps": 60, "seed": 8}
        job_id = http.post("/v1/generations", json=asked).json()["id"]
        events = http.get(f"/v1/jobs/{job_id}/events?previews=true").text
        assert "event: succeeded" in events
        assert "event: preview" not in events
        assert http.get(f"/v1/jobs/{job_id}").json()["warnings"] == [
            "There are no previews: pictures are looked at before they are shown."
        ]


def test_no_caller_switches_the_checker_off(launched: tuple[str, Launched]) -> None:
    asked = {"version": "safelight-emoji", "input": {"prompt": "a dog", "disable_safety_checker": True}}
    answer = httpx.post(f"{launched[1].address}/v1/predictions", json=asked)
    assert answer.status_code == 422
    assert "disable_safety_checker" in answer.text


def test_a_refusal_is_in_the_words_of_the_dialect(launched: tuple[str, Launched]) -> None:
    policy, service = launched
    body = {"prompt": DOG["prompt"], "seed": DOG["seed"]}
    answer = httpx.post(f"{service.address}/v1/images/generations", json=body, timeout=90)
    if policy == "refuse":
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "picture_refused")
    else:
        assert answer.status_code == 200
