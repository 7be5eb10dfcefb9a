"""This file knows how one evaluation runs: which scores, at which guidance scales, and where they are written."""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import torch

from training.captions import read_vocabulary
from training.checkpoints import Budget
from training.classifier import held_out_accuracy, train_classifier
from training.configuration import Configuration, read_configuration
from training.sampling import load_painter
from training.scores import (
    BUDGETS,
    Examiner,
    Scores,
    Sizes,
    score_autoencoder,
    score_backgrounds,
    score_ceilings,
    score_counts,
    score_names,
    score_pairs,
    score_paraphrases,
)
from training.sprites import all_sprites, is_held_out, thing_sprites

_GUIDANCE_SCALES = (1.0, 2.5, 4.0, 7.0)


def evaluate(configuration: Configuration, sizes: Sizes, scale: float, steps: int) -> dict[str, Scores]:
    """All scores of the exported model, and what the judge says of real renders."""
    vocabulary, painter = read_vocabulary(configuration.vocabulary), load_painter(configuration)
    sprites = thing_sprites(configuration, vocabulary)
    plain = {label: sprites[label] for label in vocabulary.plain}
    judge = train_classifier(plain, Budget(sizes.classifier_seconds), seed=1)
    examiner = Examiner(painter, judge, vocabulary, steps, random.Random(0))
    unseen = [s for s in all_sprites(configuration) if is_held_out(s.label) and s.label not in sprites]
    model = score_autoencoder(painter, unseen[: sizes.round_trips])
    model |= score_names(examiner, sizes.names, scale) | score_paraphrases(examiner, sizes.paraphrases, scale)
    model |= score_backgrounds(examiner, sizes.backgrounds, scale) | score_pairs(examiner, sizes.pairs, scale)
    model |= score_counts(examiner, sizes.counts, scale)
    ceilings = score_ceilings(examiner, plain) | {"judge_held_out": held_out_accuracy(judge, plain, seed=2)}
    results = {"model": model, "real renders": ceilings}
    for guidance in _GUIDANCE_SCALES:
        asked = Examiner(painter, judge, vocabulary, steps, random.Random(3))
        results[f"guidance {guidance}"] = score_names(asked, sizes.guidance, guidance)
    return results


def markdown(results: dict[str, Scores]) -> str:
    """One table of everything: a row for each score, a column for each that was scored."""
    names = dict.fromkeys(name for scores in results.values() for name in scores)
    rows = [["score", *results], ["---"] * (len(results) + 1)]
    rows += [
        [name, *(f"{scores[name]:.3f}" if name in scores else "" for scores in results.values())] for name in names
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Score the exported model.")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--budget", choices=list(BUDGETS), default="small")
    parser.add_argument("--guidance-scale", type=float, default=None)
    parser.add_argument("--num-inference-steps", type=int, default=None)
    arguments = parser.parse_args()
    configuration = read_configuration(arguments.config)
    torch.set_num_threads(1 if arguments.budget == "tiny" else configuration.num_threads)
    scale = arguments.guidance_scale or configuration.default_guidance_scale
    steps = arguments.num_inference_steps or configuration.default_num_inference_steps
    results = evaluate(configuration, BUDGETS[arguments.budget], scale, steps)
    (configuration.work_folder / "scores.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(markdown(results))


if __name__ == "__main__":
    main()
