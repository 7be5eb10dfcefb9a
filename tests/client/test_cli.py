"""`python -m app.cli` as a process of its own, in front of the whole service."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.numpy

from safelight import Job, Safelight
from tests.client.conftest import FAST
from tests.pictures import encoded, gradient, opened
from tests.system.installation import ROOT
from tests.system.launched import Launched
from tests.waiting import wait_until

QUICK = ("--steps", "2", "--size", "64x64", "--seed", "7")
SLOW = ("--steps", "60", "--size", "64x64")
LASTING = ("--steps", "150", "-n", "4")


class CommandLine:
    """Starts the command in a folder of its own."""

    def __init__(self, service: Launched, folder: Path) -> None:
        self.service = service
        self.folder = folder
        self._environment = os.environ | {"SAFELIGHT_ADDRESS": service.address, "PYTHONPATH": str(ROOT)}

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "app.cli", *arguments]
        environment = self._environment | options.pop("environment", {})
        return subprocess.Popen(command, cwd=self.folder, env=environment, text=True, **options)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command, run to its end."""
        with self.start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            output, complaint = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, output, complaint)

    def names(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}


@pytest.fixture
def cli(service: Launched, tmp_path: Path) -> CommandLine:
    return CommandLine(service, tmp_path)


@pytest.fixture
def client(service: Launched) -> Iterator[Safelight]:
    with Safelight(service.address) as client:
        yield client


def assert_refused(ran: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """It says in one line what is wrong, and nothing else."""
    assert (ran.returncode, ran.stdout) == (code, ""), ran.stderr
    assert re.fullmatch(r"safelight: .+\n", ran.stderr)
    for word in words:
        assert word in ran.stderr


def test_a_picture_lies_where_it_should(cli: CommandLine, client: Safelight) -> None:
    ran = cli.run("a red apple", "-o", "apple.png", *QUICK)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "apple.png\n", "")
    expected = client.generate("a red apple", seed=7, **FAST)
    assert (cli.folder / "apple.png").read_bytes() == expected[0].content
    assert cli.names() == {"apple.png"}


def test_several_pictures_are_numbered_and_without_a_name_they_have_the_prompts(cli: CommandLine) -> None:
    assert cli.run("a red apple", *QUICK).stdout == "a-red-apple.png\n"
    assert cli.run("a red apple!", *QUICK).stdout == "a-red-apple-2.png\n"
    assert cli.run("a red apple", "-n", "2", "-o", "two.webp", *QUICK).stdout == "two-0.webp\ntwo-1.webp\n"
    assert (cli.folder / "two-1.webp").read_bytes()[8:12] == b"WEBP"
    assert cli.names() == {"a-red-apple.png", "a-red-apple-2.png", "two-0.webp", "two-1.webp"}


def test_no_file_is_replaced_unless_that_is_said(cli: CommandLine) -> None:
    (cli.folder / "two-1.png").write_text("mine")
    assert_refused(cli.run("a fox", "-n", "2", "-o", "two.png", *QUICK), 2, "two-1.png", "--force")
    assert (cli.folder / "two-1.png").read_text() == "mine"
    assert cli.run("a fox", "-n", "2", "-o", "two.png", "--force", *QUICK).returncode == 0
    assert opened((cli.folder / "two-1.png").read_bytes()).size == (64, 64)


def test_json_is_the_job_and_nothing_else(cli: CommandLine) -> None:
    options = ("--negative", "a leaf", "--model", "safelight-emoji", "--guidance", "3", "--scheduler", "euler")
    ran = cli.run("a fox", "--json", "-n", "2", "--adapter", "gilded:0.5", *options, *QUICK)
    assert (ran.returncode, ran.stderr, cli.names()) == (0, "", set())
    job = json.loads(ran.stdout)
    assert job == cli.service.call(f"/v1/jobs/{job['id']}")
    request = job["request"]
    asked = {"prompt": "a fox", "negative_prompt": "a leaf", "model": "safelight-emoji", "guidance_scale": 3}
    asked |= {"scheduler": "euler", "num_images": 2, "width": 64, "height": 64, "num_inference_steps": 2, "seed": 7}
    assert {name: request[name] for name in asked} == asked
    assert request["adapters"] == [{"id": "gilded", "scale": 0.5}]


def test_pictures_are_edited(cli: CommandLine) -> None:
    (cli.folder / "dog.png").write_bytes(encoded(gradient(64, 64)))
    mask = gradient(64, 64).convert("L").point(lambda level: 255 if level > 100 else 0)
    (cli.folder / "mask.png").write_bytes(encoded(mask))
    ran = cli.run("a cat", "--edit", "dog.png", "--mask", "mask.png", "--strength", "0.5", "--json", *QUICK)
    request = json.loads(ran.stdout)["request"]
    assert (request["image"][:5], request["mask"][:5], request["strength"]) == ("file_", "file_", 0.5)
    ran = cli.run("--edit", json.loads(ran.stdout)["images"][0]["id"], "-o", "again.png", *QUICK)
    assert ran.stdout == "again.png\n"


def test_weights_are_sent(cli: CommandLine) -> None:
    weights = ROOT / "models/adapters/gilded/pytorch_lora_weights.safetensors"
    ran = cli.run("a car", "--adapter", f"{weights}:0.5", "--json", *QUICK)
    (adapter,) = json.loads(ran.stdout)["request"]["adapters"]
    assert (adapter["id"][:5], adapter["scale"]) == ("file_", 0.5)


def test_a_job_that_fails_says_why(cli: CommandLine) -> None:
    load_file = safetensors.numpy.load_file
    weights = load_file(ROOT / "models/adapters/gilded/pytorch_lora_weights.safetensors")
    odd = {name: values[..., :-1].copy() if "lora_A" in name else values for name, values in weights.items()}
    safetensors.numpy.save_file(odd, cli.folder / "odd.safetensors")
    ran = cli.run("a car", "--adapter", "odd.safetensors", "--json", *QUICK)
    assert ran.returncode == 1, ran.stderr
    job = json.loads(ran.stdout)
    assert (job["status"], job["error"]["code"]) == ("failed", "adapter_mismatch")
    assert ran.stderr.startswith("safelight: adapter_mismatch: adapters.0.id: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "PROMPT"),
        (("a fox", "--size", "12"), "--size"),
        (("a fox", "--steps", "many"), "--steps"),
        (("a fox", "--scheduler", "best"), "--scheduler"),
        (("a fox", "--adapter", "gilded:much"), "--adapter"),
        (("a fox", "--colour", "red"), "--colour"),
        (("a fox", "-o", "fox.gif"), "fox.gif"),
        (("a fox", "-o", "nowhere/fox.png"), "nowhere"),
        (("a fox", "--watch", "--json"), "--watch"),
        (("a fox", "--address", "localhost"), "localhost"),
        (("a fox", "--steps", "100000"), "limit_exceeded: num_inference_steps: "),
        (("a fox", "--model", "none"), "unknown_model: model: "),
        (("a fox", "-n", "0"), "invalid_request: num_images: "),
        (("a fox", "--edit", "none.png"), "unreadable_file: image: "),
        (("a fox", "--mask", "file_1"), "mask"),
    ],
)
def test_what_cannot_be_asked_for_is_said_in_one_line(cli: CommandLine, arguments: tuple[str, ...], words: str) -> None:
    assert_refused(cli.run(*arguments), 2, words)
    assert cli.names() == set()


def test_a_service_that_is_not_there_is_said_in_one_line(cli: CommandLine) -> None:
    assert_refused(cli.run("a fox", "--address", "http://127.0.0.1:1"), 1, "connection_failed: http://127.0.0.1:1/")


def test_help_names_every_option_and_exit_code(cli: CommandLine) -> None:
    ran = cli.run("--help")
    assert ran.returncode == 0
    for word in ("PROMPT", "-o FILE", "--watch", "--json", "--cancel JOB", "130", "SAFELIGHT_API_KEY"):
        assert word in ran.stdout
    assert max(map(len, ran.stdout.splitlines())) <= 80


def running(client: Safelight, prompt: str) -> Job | None:
    """The job of this prompt, once it runs."""
    return next((job for job in client.jobs(status="running") if job.request["prompt"] == prompt), None)


def test_ctrl_c_cancels_the_job(cli: CommandLine, client: Safelight) -> None:
    prompt = "a fox that somebody stops"
    with cli.start(prompt, *LASTING, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        job = wait_until(lambda: running(client, prompt), 60)
        process.send_signal(signal.SIGINT)
        output, complaint = process.communicate(timeout=30)
    assert (process.returncode, output, complaint) == (130, "", f"safelight: {job.id} is cancelled\n")
    assert client.wait(job, timeout_seconds=30).status == "cancelled"
    assert cli.names() == set()


def test_a_job_that_is_cancelled_from_elsewhere_has_failed(cli: CommandLine, client: Safelight) -> None:
    prompt = "a fox that somebody else stops"
    with cli.start(prompt, "--json", *LASTING, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        job = wait_until(lambda: running(client, prompt), 60)
        stopped = cli.run("--cancel", job.id)
        output, complaint = process.communicate(timeout=30)
    assert (stopped.returncode, stopped.stdout in ("running\n", "cancelled\n")) == (0, True)
    assert process.returncode == 1
    assert json.loads(output)["status"] == "cancelled"
    assert complaint.startswith(f"safelight: job_cancelled: The job {job.id}")


def on_terminal(cli: CommandLine, *arguments: str, **environment: str) -> str:
    """What a person sees who runs this to its good end."""
    leader, follower = pty.openpty()
    terminal = {"TERM": "xterm-256color", "COLUMNS": "80", "COLORTERM": "", "NO_COLOR": ""} | environment
    with cli.start(*arguments, stdin=follower, stdout=follower, stderr=follower, environment=terminal) as process:
        os.close(follower)
        seen = b""
        while data := _read(leader):
            seen += data
    os.close(leader)
    assert process.returncode == 0, seen
    return seen.decode()


def _read(leader: int) -> bytes:
    try:
        return os.read(leader, 65536)
    except OSError:  # Linux says so when nobody has the other end open.
        return b""


def test_a_bar_moves_on_a_terminal(cli: CommandLine) -> None:
    seen = on_terminal(cli, "a fox", "-o", "fox.png", *SLOW)
    assert "making" in seen
    assert len(set(re.findall(r"(\d+)/60", seen))) > 2
    assert "▀" not in seen
    assert "fox.png" in seen


def test_the_picture_is_drawn_as_it_sharpens(cli: CommandLine) -> None:
    seen = on_terminal(cli, "a fox", "-o", "fox.png", "--watch", *SLOW)
    colours = re.findall(r"38;5;(\d+);48;5;(\d+)m▀", seen)
    assert len(set(colours)) > 10
    assert on_terminal(cli, "a fox", "-o", "two.png", "--watch", *QUICK, COLORTERM="truecolor").count("38;2;") > 100
    assert "▀" not in on_terminal(cli, "a fox", "-o", "three.png", "--watch", *QUICK, NO_COLOR="1")


def test_without_colours_the_picture_sharpens_in_its_file(cli: CommandLine, client: Safelight) -> None:
    path = cli.folder / "fox.png"
    with cli.start("a fox, watched", "-o", "fox.png", "--watch", *SLOW) as process:
        wait_until(path.exists, 60)
        assert running(client, "a fox, watched") is not None
        preview = path.read_bytes()
        assert opened(preview)
        assert process.wait(60) == 0
    assert path.read_bytes() != preview
    assert b"safelight" in path.read_bytes()
    assert cli.names() == {"fox.png"}


def test_previews_go_when_the_picture_does_not_come(cli: CommandLine, client: Safelight) -> None:
    with cli.start("a fox, watched in vain", "-o", "fox.png", "--watch", *LASTING) as process:
        wait_until(lambda: cli.names() == {f"fox-{index}.png" for index in range(4)}, 60)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert cli.names() == set()
