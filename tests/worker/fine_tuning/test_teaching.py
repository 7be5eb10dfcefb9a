"""Runs from an order to its result: interrupted ones, wrong ones, and what they leave as it was."""

import hashlib
from pathlib import Path

import pytest

from tests.tiny_models import build_embedded_layout
from tests.worker.fine_tuning.orders import Interrupted, contents, interrupted_at, lesson, taught
from worker.fine_tuning.messages import Checkpointed, Failed, Sampled, Stepped, Taught, Warned

PRIOR = {"class_prompt": "a fox", "num_pictures": 2}
METHODS: list[dict[str, object]] = [
    {"method": "lora", "train_text_encoder": True},
    {"method": "dreambooth", "prior_preservation": PRIOR},
    {"method": "textual_inversion"},
    {"method": "full"},
]
NAMES = [str(changes["method"]) for changes in METHODS]


@pytest.mark.parametrize("changes", METHODS, ids=NAMES)
def test_an_interrupted_run_ends_with_the_bytes_of_an_undisturbed_one(
    epsilon_folder: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    whole = contents(taught(tmp_path / "whole", epsilon_folder, steps=5, **changes)[-1])
    with pytest.raises(Interrupted):
        taught(tmp_path / "cut", epsilon_folder, steps=5, hear=interrupted_at(2), **changes)
    checkpoint = tmp_path / "cut" / "checkpoint-2.safetensors"
    heard = taught(tmp_path / "rest", epsilon_folder, checkpoint=checkpoint, steps=5, **changes)
    assert [message.step for message in heard if isinstance(message, Stepped)] == [3, 4, 5]
    assert contents(heard[-1]) == whole
    other = contents(taught(tmp_path / "other", epsilon_folder, steps=5, seed=8, **changes)[-1])
    assert all(other[name] != whole[name] for name in whole if name.endswith(".safetensors"))


@pytest.mark.parametrize("changes", METHODS, ids=NAMES)
def test_the_base_model_stays_as_it_was(epsilon_folder: Path, tmp_path: Path, changes: dict[str, object]) -> None:
    def digest() -> str:
        files = sorted(path for path in epsilon_folder.rglob("*") if path.is_file())
        return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()

    before = digest()
    taught(tmp_path / "out", epsilon_folder, steps=2, **changes)
    assert digest() == before


def test_what_is_told(epsilon_folder: Path, tmp_path: Path) -> None:
    heard = taught(tmp_path / "out", epsilon_folder, steps=4, sample_every=2, validation_prompts=("zorbling", "a fox"))
    kinds = [(type(message), getattr(message, "step", None)) for message in heard[:-1]]
    steps = [(Stepped, 1), (Stepped, 2), (Sampled, 2), (Checkpointed, 2), (Stepped, 3), (Stepped, 4), (Sampled, 4)]
    assert kinds == [(Sampled, 0), *steps]
    result = heard[-1]
    assert isinstance(result, Taught)
    assert len(result.card.losses) == 4
    assert len(result.card.nearest_training_distance) == 6
    assert result.card.held_out == "noise"
    assert result.card.drift is not None
    assert result.card.drift > 0


def test_teaching_lowers_the_loss_on_what_is_held_out(epsilon_folder: Path, tmp_path: Path) -> None:
    pictures = [lesson("zorbling", 1)] * 10
    changes: dict[str, object] = {"steps": 40, "method": "full", "sample_every": 100, "checkpoint_every": 100}
    result = taught(tmp_path / "out", epsilon_folder, pictures, **changes)[-1]
    assert isinstance(result, Taught)
    card = result.card
    assert card.held_out == "pictures"
    assert card.held_out_loss_before is not None
    assert card.held_out_loss_after is not None
    assert card.held_out_loss_after < 0.9 * card.held_out_loss_before


def test_one_picture_is_enough(epsilon_folder: Path, tmp_path: Path) -> None:
    assert isinstance(taught(tmp_path / "out", epsilon_folder, [lesson("", 1)], trigger=None)[-1], Taught)


def test_the_layout_of_the_embedded_model_is_taught_too(tmp_path: Path) -> None:
    build_embedded_layout(tmp_path / "model")
    for changes in ({"method": "lora", "train_text_encoder": True}, {"method": "textual_inversion"}):
        assert isinstance(taught(tmp_path / "out", tmp_path / "model", **changes)[-1], Taught)


def test_a_learning_rate_that_diverges_is_found_out(epsilon_folder: Path, tmp_path: Path) -> None:
    heard = taught(tmp_path / "out", epsilon_folder, method="full", learning_rate=1.0, steps=300, checkpoint_every=1)
    failed = heard[-1]
    assert isinstance(failed, Failed)
    assert failed.failure.code == "training_diverged"
    assert failed.failure.field == "learning_rate"
    assert {file.name for file in failed.files} == {"config.json", "diffusion_pytorch_model.safetensors"}


def test_a_checkpoint_that_cannot_be_read_means_a_new_beginning(epsilon_folder: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "checkpoint-2.safetensors"
    damaged.write_bytes(b"\x00" * 100)
    whole = contents(taught(tmp_path / "whole", epsilon_folder)[-1])
    heard = taught(tmp_path / "again", epsilon_folder, checkpoint=damaged)
    assert isinstance(heard[0], Warned)
    assert contents(heard[-1]) == whole


def test_a_checkpoint_that_cannot_be_written_stops_nothing(epsilon_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"

    def in_the_way(message: object) -> None:
        if isinstance(message, Stepped) and message.step == 1:
            (folder / "checkpoint-2.partial").mkdir()
        if isinstance(message, Warned):
            (folder / "checkpoint-2.partial").rmdir()

    heard = taught(folder, epsilon_folder, hear=in_the_way)
    assert len([message for message in heard if isinstance(message, Warned)]) == 1
    assert isinstance(heard[-1], Taught)
