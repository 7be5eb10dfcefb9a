"""This file knows what a model is asked, and what counts as a right answer."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from training.captions import COUNTS, Thing, Vocabulary, is_held_out_pair, with_article
from training.classifier import Classifier, at_spot
from training.measures import count_things, kernel_distance, nearest_colours, psnr, ssim
from training.places import KINDS
from training.sampling import Painter
from training.scenes import compose, to_tensor
from training.sprites import Drawings, Sprite

WHITE = (255, 255, 255)


@dataclass(frozen=True)
class Score:
    """One figure of `number` answers, with its interval of 95 %."""

    value: float
    low: float
    high: float
    number: int


Scores = dict[str, Score]


def share(right: Sequence[bool]) -> Score:
    """The share of right answers.

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953 (the interval).
    """
    number, found, z = len(right), sum(right) / len(right), 1.96
    middle = (found + z**2 / (2 * number)) / (1 + z**2 / number)
    reach = z / (1 + z**2 / number) * math.sqrt(found * (1 - found) / number + z**2 / (4 * number**2))
    return Score(found, max(0.0, middle - reach), min(1.0, middle + reach), number)


def mean(values: Tensor) -> Score:
    """The mean of values (B,), its interval from their spread."""
    middle, reach = float(values.mean()), 1.96 * float(values.std()) / math.sqrt(len(values))
    return Score(middle, middle - reach, middle + reach, len(values))


def difference(first: Score, second: Score) -> Score:
    """How much larger the first is; the two are independent."""
    value = first.value - second.value
    low = math.hypot(first.value - first.low, second.high - second.value)
    high = math.hypot(first.high - first.value, second.value - second.low)
    return Score(value, value - low, value + high, first.number + second.number)


@dataclass(frozen=True)
class Sizes:
    """How many prompts of each kind are asked at most, and how long the judges learn."""

    names: int
    labels: int
    pairs: int
    counts: int
    backgrounds: int
    styles: int
    round_trips: int
    judge_seconds: float


@dataclass(frozen=True)
class Judges:
    """Which emoji a picture shows, among all; and in which style. `classes` names the class of every label."""

    things: Classifier
    styles: Classifier
    classes: Mapping[str, str]

    def row(self, label: str) -> int:
        """The class of a label: emoji with the same picture share one."""
        return self.things.row(self.classes[label])


@dataclass(frozen=True)
class Examiner:
    """A model and its judges. Equal `things`, which it is asked for, equal prompts; a prompt's index is its seed."""

    painter: Painter
    judges: Judges
    vocabulary: Vocabulary
    things: Sequence[Thing]
    guidance_scale: float
    num_inference_steps: int

    def draw(self, prompts: Sequence[str]) -> list[Image.Image]:
        """One picture for each prompt."""
        return self.painter.draw(prompts, range(len(prompts)), self.guidance_scale, self.num_inference_steps)

    def some(self, number: int, seed: int, held_out: bool = False) -> list[Thing]:
        """Some of the things, those with a paraphrase only if `held_out`."""
        chosen = [thing for thing in self.things if thing.held_out is not None or not held_out]
        return random.Random(seed).sample(chosen, min(number, len(chosen)))

    def pairs(self, number: int, held_out: bool) -> list[tuple[Thing, Thing]]:
        """Pairs of things that training never showed together, or that it may have shown."""
        pairs = [
            (a, b)
            for a in self.things
            for b in self.things
            if a != b and is_held_out_pair(a.label, b.label) == held_out
        ]
        return random.Random(5).sample(pairs, min(number, len(pairs)))


def top_shares(found: Tensor, wanted: Sequence[int], name: str) -> Scores:
    """Top-1 and top-5 of class scores (B, classes)."""
    rows = torch.tensor(wanted)[:, None]
    rank = (found > found.gather(1, rows)).sum(1)
    return {f"{name}_top1": share((rank < 1).tolist()), f"{name}_top5": share((rank < 5).tolist())}


def score_prompts(examiner: Examiner, name: str, prompts: Sequence[str], labels: Sequence[str]) -> Scores:
    """Is each prompt's picture taken for its label, among all emoji?"""
    rows = [examiner.judges.row(label) for label in labels]
    return top_shares(examiner.judges.things.scores(examiner.draw(prompts)), rows, name)


def score_names(examiner: Examiner, number: int, drawings: Drawings) -> Scores:
    """The usual names; how far such pictures are from real renders, and how many copy one."""
    things = examiner.some(number, seed=1)
    drawn = examiner.draw([with_article(thing.names[0]) for thing in things])
    found = examiner.judges.things.scores(drawn)
    scores = top_shares(found, [examiner.judges.row(thing.label) for thing in things], "names")
    sprites = drawings.of("single", [thing.label for thing in things])
    return scores | score_distance(examiner.judges.things, drawn, sprites) | score_memorised(drawn, sprites)


def score_distance(
    judge: Classifier, drawn: Sequence[Image.Image], sprites: Sequence[Sprite], times: int = 40
) -> Scores:
    """KID against renders of the same things, over that of renders against renders; halves drawn many times.

    The floor is the mean absolute KID of two halves of real renders: what chance alone leaves.
    """
    rng = random.Random(6)
    real = judge.features([compose(("centre",), [sprite], WHITE, rng) for sprite in sprites])
    made, half = judge.features(drawn), len(drawn) // 2
    distances, floors = [], []
    for _ in range(times):
        order = torch.tensor(rng.sample(range(len(drawn)), len(drawn)))
        one, other = order[:half], order[half:]
        distances.append(kernel_distance(made[one], real[other]))
        floors.append(abs(kernel_distance(real[one], real[other])))
    spread = torch.tensor(distances).sort().values
    floor = max(sum(floors) / times, 1e-9)
    low, high = (float(spread[round(at * (times - 1))]) / floor for at in (0.025, 0.975))
    return {"kid_over_floor": Score(float(spread.mean()) / floor, low, high, len(drawn))}


def score_memorised(drawn: Sequence[Image.Image], sprites: Sequence[Sprite]) -> Scores:
    """The share of pictures that are nearer to a training picture than that is to one of its own augmentations."""
    rng = random.Random(8)
    first, second = (to_tensor([compose(("centre",), [sprite], WHITE, rng) for sprite in sprites]) for _ in range(2))
    nearest = torch.cdist(to_tensor(drawn).flatten(1), first.flatten(1)).min(1)
    own = (first - second).flatten(1).norm(dim=1)
    return {"memorised": share((nearest.values < own[nearest.indices]).tolist())}


def score_backgrounds(examiner: Examiner, number: int) -> Scores:
    """Is the border nearest to the colour that was named?"""
    colours, things = list(examiner.vocabulary.colours), examiner.some(number, seed=2)
    wanted = [colours[index % len(colours)] for index in range(len(things))]
    prompts = [
        f"{with_article(thing.names[0])} on {with_article(colour)} background"
        for thing, colour in zip(things, wanted, strict=True)
    ]
    found = nearest_colours(examiner.draw(prompts), examiner.vocabulary.colours)
    return {"background": share([a == b for a, b in zip(found, wanted, strict=True)])}


def score_pairs(examiner: Examiner, number: int) -> Scores:
    """Two things: are both there, each where it should be? The same for pairs that training never showed."""
    seen, seen_placed = _pairs(examiner, number, held_out=False)
    unseen, unseen_placed = _pairs(examiner, number, held_out=True)
    return {
        "two_objects": share(seen),
        "two_objects_held_out": share(unseen),
        "seen_less_held_out": difference(share(seen), share(unseen)),
        "position": share(seen_placed + unseen_placed),
    }


def _pairs(examiner: Examiner, number: int, held_out: bool) -> tuple[list[bool], list[bool]]:
    named, placed = [], []
    pairs = examiner.pairs(number, held_out)
    for kind, words, part in (("beside", "to the left of", pairs[::2]), ("stacked", "above", pairs[1::2])):
        prompts = [f"{with_article(a.names[0])} {words} {with_article(b.names[0])}" for a, b in part]
        answers = judge_pairs(examiner.judges, examiner.draw(prompts), kind, [(a.label, b.label) for a, b in part])
        named += answers[0]
        placed += answers[1]
    return named, placed


def judge_pairs(
    judges: Judges, images: Sequence[Image.Image], kind: str, pairs: Sequence[tuple[str, str]]
) -> tuple[list[bool], list[bool]]:
    """Of each picture: whether both things are the first guess at their spots, and whether they fit worse swapped."""
    here, there = (judges.things.scores([at_spot(image, spot) for image in images]) for spot in KINDS[kind])
    rows = [(index, judges.row(a), judges.row(b)) for index, (a, b) in enumerate(pairs)]
    named = [int(here[i].argmax()) == a and int(there[i].argmax()) == b for i, a, b in rows]
    placed = [float(here[i, a] + there[i, b]) > float(here[i, b] + there[i, a]) for i, a, b in rows]
    return named, placed


def score_counts(examiner: Examiner, number: int) -> Scores:
    """Do as many patches stand out of the background as things were asked for, one to four?"""
    things = examiner.some(number, seed=3)
    wanted = [1 + index % 4 for index in range(len(things))]
    prompts = [
        with_article(thing.names[0]) if count == 1 else f"{COUNTS[count]} {thing.plural}"
        for thing, count in zip(things, wanted, strict=True)
    ]
    found = count_things(examiner.draw(prompts))
    return {"count": share([a == b for a, b in zip(found, wanted, strict=True)])}


def score_styles(examiner: Examiner, number: int) -> Scores:
    """Is a flat thing flat, and one in 3D not?"""
    things = examiner.some(number, seed=4)
    wanted = [("flat", "3d")[index % 2] for index in range(len(things))]
    drawn = examiner.draw([f"a {style} {thing.names[0]}" for style, thing in zip(wanted, things, strict=True)])
    judge = examiner.judges.styles
    found = [judge.labels[row] for row in judge.scores(drawn).argmax(1).tolist()]
    return {"style": share([a == b for a, b in zip(found, wanted, strict=True)])}


@torch.no_grad()
def score_autoencoder(painter: Painter, sprites: Sequence[Sprite]) -> Scores:
    """PSNR in dB and SSIM of round trips, on white."""
    pixels = to_tensor([compose(("centre",), [sprite], WHITE, random.Random(0)) for sprite in sprites])
    made = torch.cat([painter.round_trip(part) for part in pixels.split(8)])
    return {"autoencoder_psnr_db": mean(psnr(made, pixels)), "autoencoder_ssim": mean(ssim(made, pixels))}


def score_renders(
    judges: Judges, things: Sequence[Thing], drawings: Drawings, pairs: Sequence[tuple[Thing, Thing]]
) -> Scores:
    """What the judges and the counter say of real renders: no model can be measured above this."""
    rng, labels = random.Random(7), [thing.label for thing in things]
    alone = [compose(("centre",), [drawings.usual[label]], WHITE, rng) for label in labels]
    scores = top_shares(judges.things.scores(alone), [judges.row(label) for label in labels], "names")
    together = [(a.label, b.label) for a, b in pairs]
    beside = [compose(KINDS["beside"], drawings.of("beside", pair), WHITE, rng) for pair in together]
    named, placed = judge_pairs(judges, beside, "beside", together)
    kinds = [("single", "beside", "three", "four")[index % 4] for index in range(len(labels))]
    crowds = [
        compose(KINDS[kind], drawings.of(kind, [label] * len(KINDS[kind])), WHITE, rng)
        for kind, label in zip(kinds, labels, strict=True)
    ]
    counted = [found == len(KINDS[kind]) for found, kind in zip(count_things(crowds), kinds, strict=True)]
    flat = [compose(KINDS["flat"], drawings.of("flat", [label]), WHITE, rng) for label in labels]
    styles = [
        judges.styles.scores(images).argmax(1) == judges.styles.row(name)
        for images, name in ((alone, "3d"), (flat, "flat"))
    ]
    return scores | {
        "two_objects": share(named),
        "position": share(placed),
        "count": share(counted),
        "style": share(torch.cat(styles).tolist()),
    }
