"""`python -m launch`: everything starts, serves, and stops; what dies is started again; what was queued goes on."""

import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from launch.settings import NVIDIA_DEVICE, LaunchSettings, num_cores
from tests.system.installation import ROOT, kill, kill_tree
from tests.system.launched import Launched, launch
from tests.waiting import wait_until


def picture(launched: Launched, **changes: object) -> bytes:
    """The bytes of one picture, asked for as the README does."""
    job = launched.call("/v1/generations", {"prompt": "a red apple", "seed": 7} | changes, prefer="wait=30")
    assert job["status"] == "succeeded", job
    with urllib.request.urlopen(job["images"][0]["url"], timeout=30) as response:
        assert response.headers["content-type"] == "image/png"
        return bytes(response.read())


def test_a_prompt_becomes_a_picture_and_again_the_same(launched: Launched) -> None:
    assert picture(launched) == picture(launched)


def test_interrupting_ends_every_process(launched: Launched) -> None:
    family = launched.process.children(recursive=True)
    assert len(family) >= 5
    launched.process.send_signal(signal.SIGINT)
    assert launched.process.wait(30) == 0
    _, alive = psutil.wait_procs(family, 5)
    assert alive == [], launched.log()
    assert "Traceback" not in launched.log()


def test_a_killed_launcher_leaves_nobody_behind(launched: Launched) -> None:
    family = launched.process.children(recursive=True)
    kill(launched.process)
    _, alive = psutil.wait_procs(family, 20)
    assert alive == []


@pytest.mark.parametrize("word", ["worker", "app"])
def test_what_dies_is_started_again(launched: Launched, word: str) -> None:
    first = launched.child_named(word)
    kill(first)
    wait_until(lambda: launched.child_named(word).pid != first.pid, 30, launched.log)

    def picture_again() -> bytes | None:
        try:
            return picture(launched)
        except (OSError, urllib.error.HTTPError):
            return None

    assert wait_until(picture_again, 60, launched.log)


def test_what_was_queued_goes_on_after_everything_was_killed(launched: Launched) -> None:
    undisturbed = picture(launched, num_inference_steps=300)
    job = launched.call("/v1/generations", {"prompt": "a red apple", "seed": 7, "num_inference_steps": 300})
    wait_until(lambda: launched.call(f"/v1/jobs/{job['id']}")["progress"]["step"] > 2, 30, launched.log)
    kill_tree(launched.process)
    again = Launched(launched.installation)

    def ended() -> Any:
        now = again.call(f"/v1/jobs/{job['id']}")
        return now if now["status"] == "succeeded" else None

    finished = wait_until(ended, 60, again.log)
    with urllib.request.urlopen(finished["images"][0]["url"], timeout=30) as response:
        assert response.read() == undisturbed


def test_a_second_launcher_is_refused_the_same_home(launched: Launched) -> None:
    second = launched.installation.start(sys.executable, "-m", "launch", SAFELIGHT_PORT="0")
    assert second.wait(30) == 1
    assert "already running" in launched.log()


def test_the_http_side_imports_no_torch() -> None:
    code = "import app.main, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_parent_of_a_worker_imports_no_torch() -> None:
    code = "import worker.consumer, worker.__main__, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.fixture
def pair(tiny_catalogue: Path) -> Iterator[Launched]:
    """The whole service with two workers."""
    yield from launch(tiny_catalogue, workers=2)


def test_two_workers_share_the_work(pair: Launched) -> None:
    wait_until(lambda: pair.call("/readyz")["num_workers"] == 2, 60, pair.log)
    asked = {"prompt": "a fox", "num_inference_steps": 1000}
    ids = [pair.call("/v1/generations", asked)["id"] for _ in "ab"]
    for job_id in ids:
        wait_until(lambda job_id=job_id: pair.call(f"/v1/jobs/{job_id}")["status"] == "succeeded", 60, pair.log)
    assert len(re.findall(r"execution INFO job_\w+: started", pair.log())) == 2


def test_cores_are_shared_out_unless_somebody_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAFELIGHT_WORKERS", raising=False)
    expected = 1 if NVIDIA_DEVICE.exists() else min(2, num_cores())
    assert LaunchSettings().num_workers == expected
    monkeypatch.setenv("SAFELIGHT_WORKERS", "3")
    assert LaunchSettings().num_workers == 3
