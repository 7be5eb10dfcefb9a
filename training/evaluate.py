"""This file knows how one evaluation runs: which scores, what is asked of them, and where they are written."""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import random
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch

from training.captions import read_vocabulary
from training.classifier import cutouts, fresh_answers, kept_classifier
from training.configuration import Configuration, read_configuration
from training.sampling import load_painter
from training.scores import (
    Examiner,
    Judges,
    Score,
    Scores,
    Sizes,
    score_autoencoder,
    score_backgrounds,
    score_counts,
    score_names,
    score_pairs,
    score_prompts,
    score_renders,
    score_styles,
    share,
)
from training.sprites import ALL_GROUPS, Drawings, all_sprites, is_held_out, load_sprite, pictures, thing_drawings

log = logging.getLogger(__name__)

BUDGETS = {
    "tiny": Sizes(4, 4, 2, 4, 4, 4, 4, 5.0),
    "small": Sizes(40, 20, 12, 24, 22, 16, 40, 120.0),
    "full": Sizes(150, 100, 50, 60, 33, 30, 400, 450.0),
}

WANTED = {
    "every_label_top1": 0.85,
    "every_label_top5": 0.95,
    "paraphrases_top1": 0.5,
    "paraphrases_top5": 0.75,
    "two_objects": 0.8,
    "position": 0.75,
    "count": 0.7,
    "background": 0.95,
    "style": 0.9,
    "autoencoder_psnr_db": 32.0,
    "autoencoder_ssim": 0.97,
    "judge_of_things": 0.98,
    "judge_of_styles": 0.98,
}
"""The least that each score should be."""

AT_MOST = {"seen_less_held_out": 0.1}
_JUDGE_CHANNELS, _STYLE_CHANNELS = (64, 128, 192, 320), (32, 64, 96, 128)


def train_judges(configuration: Configuration, drawings: Drawings, seconds: float) -> tuple[Judges, Scores]:
    """Both judges, or those of an earlier evaluation, and how often they are right on fresh real renders.

    They learn from real renders only, and nothing that trains or guides the model knows them.
    """
    classes: dict[str, str] = {}
    first: dict[str, str] = {}
    files = pictures(configuration, ALL_GROUPS)
    for label, path in files.items():
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        classes[label] = first.setdefault(digest, label)
    kinds = list(first.values())
    emoji = cutouts([load_sprite(label, files[label]) for label in kinds], kinds)
    usual = [drawings.usual[label] for label in drawings.flat]
    styles = cutouts([*usual, *drawings.flat.values()], ["3d"] * len(usual) + ["flat"] * len(usual))
    work = configuration.work_folder
    of_things = kept_classifier(work / "judge_of_things.pt", emoji, seconds, 1, _JUDGE_CHANNELS)
    of_styles = kept_classifier(work / "judge_of_styles.pt", styles, seconds / 5, 1, _STYLE_CHANNELS)
    right = {
        "judge_of_things": share(fresh_answers(of_things, emoji, 2)),
        "judge_of_styles": share(fresh_answers(of_styles, styles, 2)),
    }
    return Judges(of_things, of_styles, classes), right


def ask(examiner: Examiner, drawings: Drawings, sizes: Sizes) -> Scores:
    """Everything that is drawn."""
    said = examiner.some(len(examiner.things), seed=0, held_out=True)
    scores = score_names(examiner, sizes.names, drawings)
    scores |= score_prompts(examiner, "paraphrases", [t.held_out or "" for t in said], [t.label for t in said])
    scores |= score_pairs(examiner, sizes.pairs) | score_counts(examiner, sizes.counts)
    return scores | score_backgrounds(examiner, sizes.backgrounds) | score_styles(examiner, sizes.styles)


def evaluate(
    configuration: Configuration, sizes: Sizes, scale: float, steps: int, beside: Path | None
) -> dict[str, Scores]:
    """All scores of the exported model; beside them another edition's, both asked for what the first one knew."""
    vocabulary = read_vocabulary(configuration.vocabulary)
    drawings = thing_drawings(configuration, vocabulary)
    judges, right = train_judges(configuration, drawings, sizes.judge_seconds)
    log.info("judges: %s", {name: score.value for name, score in right.items()})
    things = [vocabulary.things[label] for label in vocabulary.plain]
    unseen = [s for s in all_sprites(configuration) if is_held_out(s.label) and s.label not in drawings.usual]
    unseen = unseen[: sizes.round_trips]
    painter = load_painter(configuration, configuration.model_folder)
    examiner = Examiner(painter, judges, vocabulary, things, scale, steps)
    labels = random.Random(9).sample(list(judges.classes), min(sizes.labels, len(judges.classes)))
    results = {"model": right | score_prompts(examiner, "every_label", labels, labels)}
    results["model"] |= ask(examiner, drawings, sizes) | score_autoencoder(painter, unseen)
    if beside is not None:
        older = [thing for thing in things if thing.edition == 1]
        results["model, first edition's things"] = ask(replace(examiner, things=older), drawings, sizes)
        other = replace(examiner, things=older, painter=load_painter(configuration, beside))
        results["beside, first edition's things"] = ask(other, drawings, sizes)
        results["beside, first edition's things"] |= score_autoencoder(other.painter, unseen)
    results["real renders"] = score_renders(judges, things, drawings, examiner.pairs(len(things), held_out=True))
    return results


def missed(scores: Scores) -> list[str]:
    """The scores of the exported model that are not what is wanted."""
    low = [name for name, least in WANTED.items() if scores[name].value < least]
    return low + [name for name, most in AT_MOST.items() if scores[name].value > most]


def markdown(results: Mapping[str, Scores]) -> str:
    """One table of everything: a row for each score, a column for each model that was asked."""
    names = dict.fromkeys(name for scores in results.values() for name in scores)
    rows = [["score", "wanted", *results], ["---"] * (len(results) + 2)]
    for name in names:
        wanted = f"≥ {WANTED[name]:g}" if name in WANTED else f"≤ {AT_MOST[name]:g}" if name in AT_MOST else ""
        rows.append([name, wanted, *(said(scores[name]) if name in scores else "" for scores in results.values())])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def said(score: Score) -> str:
    """A score and its interval."""
    digits = 1 if abs(score.value) >= 10 else 3 if abs(score.value) < 1 else 2
    return f"{score.value:.{digits}f} ({score.low:.{digits}f} … {score.high:.{digits}f})"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description="Score the exported model; fails where a score is less than is wanted."
    )
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--budget", choices=list(BUDGETS), default="small")
    parser.add_argument("--beside", type=Path, default=None, help="the folder of another edition of the model")
    parser.add_argument("--guidance-scale", type=float, default=None)
    parser.add_argument("--num-inference-steps", type=int, default=None)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    configuration = read_configuration(arguments.config)
    torch.set_num_threads(1 if arguments.budget == "tiny" else configuration.num_threads)
    torch.set_flush_denormal(True)
    scale = arguments.guidance_scale or configuration.default_guidance_scale
    steps = arguments.num_inference_steps or configuration.default_num_inference_steps
    results = evaluate(configuration, BUDGETS[arguments.budget], scale, steps, arguments.beside)
    kept = {column: {name: asdict(score) for name, score in scores.items()} for column, scores in results.items()}
    (configuration.work_folder / "scores.json").write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    print(markdown(results))
    if short := missed(results["model"]):
        sys.exit(f"missed: {', '.join(short)}")


if __name__ == "__main__":
    main()
