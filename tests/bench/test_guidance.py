"""What the guidance benchmark makes of its points."""

import random
from pathlib import Path

import torch
from PIL import Image

from bench.guidance import SCALES, TRAINED, Point, distance_of, measures_of, prompts_of, pure_scenes, wanted
from bench.guidance_judge import Judge, membership_of, train_judge
from bench.guidance_plot import draw
from bench.table import missed
from training.captions import read_vocabulary
from training.configuration import read_configuration
from training.groups import GROUPS, is_pure
from training.picture_classifier import Renders
from training.sprites import Drawings, Sprite


def point(kind: str, scale: float, accuracy: float, distance: float) -> Point:
    return Point(kind, scale, accuracy, distance, 0.01, 1.0, 96)


def plain_renders() -> Renders:
    """Every thing is a square in the colour of its group."""
    configuration = read_configuration(Path("training/safelight-emoji.toml"))
    vocabulary = read_vocabulary(configuration.vocabulary)
    groups = {label: GROUPS[index % len(GROUPS)] for index, label in enumerate(vocabulary.things)}
    source = random.Random(0)
    colours = {group: tuple(source.randrange(256) for _ in range(3)) for group in GROUPS}
    sprites = {
        label: Sprite(label, Image.new("RGBA", (40, 40), (*colours[group], 255))) for label, group in groups.items()
    }
    return Renders(vocabulary, configuration.scenes, Drawings(sprites, sprites), groups)


def test_the_promise_is_kept_only_near_to_real_renders() -> None:
    trained, weak = point(TRAINED, 1.0, 0.95, 0.1), point("classifier", 1.0, 0.6, 0.12)
    near, far = point("classifier", 4.0, 0.93, 0.29), point("classifier", 8.0, 1.0, 0.31)
    assert not missed(measures_of([trained, weak, near, far], 0.99))
    assert [measure.value for measure in missed(measures_of([trained, weak, far], 0.99))] == [0.6]
    assert [measure.value for measure in missed(measures_of([trained, weak, near], 0.5))] == [0.5]


def test_equal_distributions_are_near_and_others_are_not() -> None:
    generator = torch.Generator().manual_seed(0)
    real, same, other = (torch.randn(200, 8, generator=generator) + shift for shift in (0.0, 0.0, 1.0))
    (near, error), (far, _) = distance_of(same, real), distance_of(other, real)
    assert abs(near) < 4 * error + 0.02
    assert far > 0.5


def test_an_error_is_of_pictures_and_not_of_groups() -> None:
    generator = torch.Generator().manual_seed(0)
    groups = torch.arange(64) % len(GROUPS)
    real, made = (torch.nn.functional.one_hot(groups, 8) * 9 + torch.randn(64, 8, generator=generator) for _ in "ab")
    of_two_groups, _ = distance_of(made[::4], real)
    _, error = distance_of(made, real)
    assert error < of_two_groups / 10


def test_prompts_and_renders_are_of_the_group_that_is_asked() -> None:
    renders = plain_renders()
    scenes = list(pure_scenes(renders, 24, seed=3))
    assert all(is_pure(scene, renders.groups, wanted(index)) for index, scene in enumerate(scenes))
    assert len(set(prompts_of(renders, 24))) > 8


def test_a_judge_of_things_speaks_of_groups() -> None:
    renders = plain_renders()
    judge = train_judge(renders, num_steps=2, num_scenes=32, batch_size=16)
    scenes = list(pure_scenes(renders, 16, seed=4))
    verdict = judge.read([renders.scene(scene, random.Random(1)) for scene in scenes])
    assert verdict.groups.shape == (16, len(GROUPS))
    assert torch.allclose(verdict.groups.sum(1), torch.ones(16), atol=1e-4)
    assert isinstance(judge, Judge)
    assert membership_of(["a", "b"], {"a": "animals", "b": "plants"}).tolist()[1][GROUPS.index("plants")] == 1


def test_every_kind_is_drawn(tmp_path: Path) -> None:
    points = [point(kind, scale, 0.5, 0.1 * scale) for kind, scales in SCALES.items() for scale in scales]
    draw(points, tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as plot:
        assert plot.width > plot.height > 100
