"""Two ways to weigh words, on the embedded model's text encoder: `python -m bench.weights`.

AUTOMATIC1111 multiplies the states of weighted words, and then all states, to restore their mean. Ours moves the
weighted words alone, on the line from an empty prompt's states.
"""

import argparse
import random
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from contract.catalogue import read_catalogue
from worker.chunks import Frame, Token, chunked, frame_of
from worker.devices import Placement
from worker.emphasis import weighted
from worker.lexicon import Lexicon
from worker.loading import load_pipeline
from worker.pipelines.stable_diffusion import StableDiffusion
from worker.settings import WorkerSettings
from worker.text import Reader

CPU = Placement(torch.device("cpu"), torch.float32)
THINGS = ("fox", "dog", "apple", "rocket", "pizza", "cat", "house", "tree", "car", "fish", "crown", "violin")
COLOURS = ("red", "blue", "green", "purple")
PLACES = ("in the snow", "on a blue background", "to the left of a tree", "at night")
WEIGHTS = (0.3, 0.5, 0.7, 1.3, 1.5, 2.0)


class Moved(NamedTuple):
    """How far states move, as a part of their length: other words and the weighted one, and that one by our rule."""

    others: float
    restored: float
    ours: float


def main() -> None:
    """Prints how far the words move that nobody weighted."""
    parser = argparse.ArgumentParser(description="Weigh one word of each prompt in both ways, and look at the others.")
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    catalogue = read_catalogue(WorkerSettings().catalogue)
    pipeline = load_pipeline(catalogue.find(catalogue.default_model), CPU)
    assert isinstance(pipeline, StableDiffusion)
    source = random.Random(arguments.seed)
    measured = [_measured(pipeline, _prompt(source)) for _ in range(arguments.prompts)]
    moved = sorted(one.others for one in measured)
    middle, high, highest = (moved[int(share * (len(moved) - 1))] for share in (0.5, 0.9, 1.0))
    print(f"{len(moved)} prompts, their mean restored: words of weight 1 move by {middle:.1%} of their length in the")
    print(f"middle, by {high:.0%} at the 90th percentile, by {highest:.0%} at most. With ours they do not move.")
    restored, ours = (statistics.median(values) for values in zip(*(one[1:] for one in measured), strict=True))
    print(f"The weighted word moves by {restored:.0%} in the middle, and by {ours:.0%} with ours.")


def _prompt(source: random.Random) -> str:
    thing = f"({source.choice(THINGS)}:{source.choice(WEIGHTS)})"
    return f"a {source.choice(COLOURS)} {thing} {source.choice(PLACES)}"


@torch.inference_mode()
def _measured(pipeline: StableDiffusion, prompt: str) -> Moved:
    (reader,) = pipeline.readers
    frame = frame_of(reader.tokenizer, reader.max_length)
    (chunk,) = chunked(reader.tokenizer, frame, prompt, Lexicon("weighted"), 0).chunks
    weights = frame.weights(chunk)
    states, empty = (_states(reader, frame, tokens) for tokens in (chunk, ()))
    multiplied = states * weights[:, None]
    restored = multiplied * (states.mean() / multiplied.mean())
    ours = weighted(states, empty, weights)
    others, word = weights == 1, weights != 1
    return Moved(
        *(_share(*pair) for pair in ((states, restored, others), (states, restored, word), (states, ours, word)))
    )


def _states(reader: Reader, frame: Frame, tokens: Sequence[Token]) -> Tensor:
    mask = frame.attention_mask(tokens)
    states: Tensor = reader.text_encoder(frame.input_ids(tokens), attention_mask=mask)[0]
    return states


def _share(before: Tensor, after: Tensor, places: Tensor) -> float:
    return float((after - before)[:, places].norm() / before[:, places].norm())


if __name__ == "__main__":
    main()
