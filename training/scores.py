"""This file knows what the exported model is asked, and what counts as a right answer."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from training.captions import Thing, Vocabulary, is_held_out_pair, with_article
from training.classifier import Classifier, at_spot
from training.measures import count_things, nearest_colours, psnr, ssim
from training.places import KINDS
from training.sampling import Painter
from training.scenes import compose, to_tensor
from training.sprites import Sprite

Scores = dict[str, float]


@dataclass(frozen=True)
class Sizes:
    """How much is asked: numbers of prompts, of guidance scales' prompts, and seconds for the classifier."""

    names: int
    paraphrases: int
    backgrounds: int
    pairs: int
    counts: int
    guidance: int
    round_trips: int
    classifier_seconds: float


BUDGETS = {
    "tiny": Sizes(2, 2, 2, 2, 2, 1, 4, 5.0),
    "small": Sizes(36, 24, 22, 16, 16, 12, 40, 60.0),
    "full": Sizes(200, 100, 110, 100, 60, 50, 400, 200.0),
}


@dataclass(frozen=True)
class Examiner:
    """The exported model, its judge, and how pictures are drawn; every picture has a seed of its own."""

    painter: Painter
    judge: Classifier
    vocabulary: Vocabulary
    num_inference_steps: int
    rng: random.Random

    def draw(self, prompts: Sequence[str], guidance_scale: float) -> list[Image.Image]:
        """One picture for each prompt; its seed is the prompt's index."""
        return self.painter.draw(prompts, range(len(prompts)), guidance_scale, self.num_inference_steps)

    def things(self, num: int, held_out: bool = False) -> list[Thing]:
        """Some things in their own colours, those with a paraphrase only if `held_out`."""
        known = [self.vocabulary.things[label] for label in self.vocabulary.plain]
        chosen = [thing for thing in known if thing.held_out is not None or not held_out]
        return self.rng.sample(chosen, min(num, len(chosen)))

    def pairs(self, num: int) -> list[tuple[str, str]]:
        """Pairs of things that training never showed together."""
        labels = self.vocabulary.plain
        pairs = [(a, b) for a in labels for b in labels if a != b and is_held_out_pair(a, b)]
        return self.rng.sample(pairs, min(num, len(pairs)))


def share(right: Sequence[bool]) -> float:
    """The share of right answers."""
    return round(sum(right) / len(right), 3)


def top_shares(found: Tensor, wanted: Sequence[int], name: str) -> Scores:
    """Top-1 and top-5 of class scores (B, classes)."""
    rows = torch.tensor(wanted)[:, None]
    rank = (found > found.gather(1, rows)).sum(1)
    return {f"{name}_top1": share((rank < 1).tolist()), f"{name}_top5": share((rank < 5).tolist())}


def score_names(examiner: Examiner, num: int, guidance_scale: float) -> Scores:
    """Is the picture of a usual name taken for its thing?"""
    things = examiner.things(num)
    drawn = examiner.draw([with_article(thing.names[0]) for thing in things], guidance_scale)
    return top_shares(examiner.judge.scores(drawn), [examiner.judge.row(thing.label) for thing in things], "names")


def score_paraphrases(examiner: Examiner, num: int, guidance_scale: float) -> Scores:
    """The same for sayings that training never used."""
    things = examiner.things(num, held_out=True)
    drawn = examiner.draw([thing.held_out or "" for thing in things], guidance_scale)
    rows = [examiner.judge.row(thing.label) for thing in things]
    return top_shares(examiner.judge.scores(drawn), rows, "paraphrases")


def score_backgrounds(examiner: Examiner, num: int, guidance_scale: float) -> Scores:
    """Is the border nearest to the colour that was named?"""
    colours = examiner.vocabulary.colours
    wanted = [list(colours)[index % len(colours)] for index in range(num)]
    names = [examiner.rng.choice(examiner.things(1)).names[0] for _ in wanted]
    prompts = [
        f"{with_article(name)} on {with_article(colour)} background" for name, colour in zip(names, wanted, strict=True)
    ]
    found = nearest_colours(examiner.draw(prompts, guidance_scale), colours)
    return {"backgrounds": share([a == b for a, b in zip(found, wanted, strict=True)])}


def score_pairs(examiner: Examiner, num: int, guidance_scale: float) -> Scores:
    """Is the first thing on the left and the second on the right, rather than the reverse? Guessing scores 0.5."""
    pairs = examiner.pairs(num)
    named = [[with_article(examiner.vocabulary.things[label].names[0]) for label in pair] for pair in pairs]
    drawn = examiner.draw([f"{left} to the left of {right}" for left, right in named], guidance_scale)
    return judge_pairs(examiner.judge, drawn, pairs)


def judge_pairs(judge: Classifier, images: Sequence[Image.Image], pairs: Sequence[tuple[str, str]]) -> Scores:
    """Scores of pictures that should show each pair's first thing on the left and its second on the right."""
    left, right = (judge.scores([at_spot(image, spot) for image in images]) for spot in KINDS["beside"])
    rows = [(index, judge.row(a), judge.row(b)) for index, (a, b) in enumerate(pairs)]
    placed = [float(left[i, a] + right[i, b]) > float(left[i, b] + right[i, a]) for i, a, b in rows]
    both = [int(left[i].argmax()) == a and int(right[i].argmax()) == b for i, a, b in rows]
    return {"pairs_placed": share(placed), "pairs_both_named": share(both)}


def score_counts(examiner: Examiner, num: int, guidance_scale: float) -> Scores:
    """Do two or three patches stand out of the background when two or three were asked for?"""
    things = examiner.things(num)
    wanted = [2 + index % 2 for index in range(len(things))]
    words = {2: "two", 3: "three"}
    prompts = [f"{words[count]} {thing.plural}" for thing, count in zip(things, wanted, strict=True)]
    found = count_things(examiner.draw(prompts, guidance_scale))
    return {"counts": share([a == b for a, b in zip(found, wanted, strict=True)])}


@torch.no_grad()
def score_autoencoder(painter: Painter, sprites: Sequence[Sprite]) -> Scores:
    """PSNR in dB and SSIM of round trips, on white."""
    pixels = to_tensor([compose(("centre",), [sprite], (255, 255, 255), random.Random(0)) for sprite in sprites])
    parts = [painter.vae.decode(painter.vae.encode(part).latent).sample for part in pixels.split(8)]
    made = torch.cat(parts).contiguous()
    likeness = {"autoencoder_psnr_db": psnr(made, pixels), "autoencoder_ssim": ssim(made, pixels)}
    return {name: round(float(values.mean()), 3) for name, values in likeness.items()}


def score_ceilings(examiner: Examiner, sprites: dict[str, Sprite]) -> Scores:
    """What the judge and the counter say of real renders: no model can be measured above this."""
    rng, labels, white = random.Random(7), examiner.judge.labels, (255, 255, 255)
    alone = [compose(KINDS["single"], [sprites[label]], white, rng) for label in labels]
    pairs = examiner.pairs(len(labels))
    beside = [compose(KINDS["beside"], [sprites[a], sprites[b]], white, rng) for a, b in pairs]
    kinds = ["beside" if index % 2 else "three" for index in range(len(labels))]
    crowds = [
        compose(KINDS[kind], [sprites[label]] * len(KINDS[kind]), white, rng)
        for kind, label in zip(kinds, labels, strict=True)
    ]
    counted = [found == len(KINDS[kind]) for found, kind in zip(count_things(crowds), kinds, strict=True)]
    named = top_shares(examiner.judge.scores(alone), range(len(labels)), "names")
    return named | judge_pairs(examiner.judge, beside, pairs) | {"counts": share(counted)}
