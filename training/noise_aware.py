"""This file knows how the classifier of noisy latents is made: from renders of single things, and from NOTHING.

It tells things, and what the model draws from the empty prompt. A group is as likely as its things together.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from training.captions import Vocabulary, read_vocabulary
from training.configuration import Configuration, LatentsClassifierConfig, Shares
from training.groups import GROUPS, group_rows
from training.latents import Key, Library, encode_keys, library_of, load_library, save_library, shipped_autoencoder
from training.schedule import build_scheduler
from training.sprites import thing_drawings
from training.unconditional import unconditional_latents
from worker.latent_classifier import LatentClassifier, Shape

log = logging.getLogger(__name__)

NOTHING = "nothing known"
"""The label of what the model draws when nothing is asked of it.

With it the gradient of a label's probability leads away from the unconditional model, not from other labels only.
Source: Kim et al. 2022, arXiv:2211.17091, section 3.2 (a discriminator of the model's own samples corrects its score).
"""

ASKED_AT = (50, 250, 500, 750, 900)
"""Training timesteps at which accuracy is measured."""

SPARE_DIRECTIONS = 20
"""How many more directions than are wanted the search for them begins with."""


class Noisy(NamedTuple):
    """Latents of variance one (B, C, H, W) with the logarithm of signal over noise (B,)."""

    latents: Tensor
    log_snr: Tensor


@dataclass(frozen=True)
class Singles:
    """Clean latents of single things on plain colours, and of what the model draws from the empty prompt.

    `things` and `colours` are rows of `labels` and of the vocabulary's colours, `shares` how often each picture would
    come in the model's own training. Shapes: latents (N, C, S, S), things, colours, shares (N,), drawn (M, C, S, S).
    """

    vocabulary: Vocabulary
    latents: Tensor
    things: Tensor
    colours: Tensor
    shares: Tensor
    drawn: Tensor

    @property
    def labels(self) -> list[str]:
        """What is told apart: all things of the vocabulary, and NOTHING."""
        return [*self.vocabulary.things, NOTHING]

    @property
    def palette(self) -> Tensor:
        """The colours of backgrounds in -1 … 1, (colours, 3)."""
        return torch.tensor(list(self.vocabulary.colours.values())) / 127.5 - 1


def group_members(labels: Sequence[str], groups: Mapping[str, str]) -> dict[str, list[int]]:
    """The rows of each group's things."""
    return {group: [row for row, label in enumerate(labels) if groups.get(label) == group] for group in GROUPS}


def with_noise(latents: Tensor, timesteps: Tensor, generator: torch.Generator) -> Noisy:
    """What the latents are after so many training steps of the model.

    Source: Ho et al. 2020, arXiv:2006.11239, equation 4; Kingma et al. 2021, arXiv:2107.00630, equation 2 (log SNR).
    """
    kept = build_scheduler().alphas_cumprod[timesteps]
    noise = torch.randn(latents.shape, generator=generator)
    factor = kept[:, None, None, None]
    return Noisy(factor.sqrt() * latents + (1 - factor).sqrt() * noise, (kept / (1 - kept)).log())


# ---- pictures


def single_keys(vocabulary: Vocabulary, num_renders: int) -> list[Key]:
    """What is encoded: every thing alone on every colour, so many times, and four times as often on white."""
    often = {"white": 4 * num_renders}
    colours = [colour for colour in vocabulary.colours for _ in range(often.get(colour, num_renders))]
    return [(label, "single", colour) for label in vocabulary.things for colour in colours]


def shipped_library(configuration: Configuration, vocabulary: Vocabulary) -> Library:
    """Latents by the autoencoder that the model is shipped with, kept in the work folder."""
    path = configuration.work_folder / "classifier_library.pt"
    if not path.exists():
        network, drawings = (
            shipped_autoencoder(configuration.model_folder / "vae"),
            thing_drawings(configuration, vocabulary),
        )
        keys = single_keys(vocabulary, configuration.latents_classifier.num_renders)
        latents = encode_keys(network, drawings, vocabulary, keys, configuration.seed)
        save_library(library_of(latents, keys, network.config.scaling_factor), path)
    return load_library(path)


def singles_of(configuration: Configuration) -> Singles:
    """The pictures to learn from; a thing in another colour is like itself, so its own colour is enough."""
    vocabulary = read_vocabulary(configuration.vocabulary).in_own_colours()
    library = shipped_library(configuration, vocabulary)
    drawn = unconditional_latents(configuration, configuration.latents_classifier.num_drawn)
    return of_library(library, vocabulary, configuration.scenes, drawn)


def of_library(library: Library, vocabulary: Vocabulary, shares: Shares, drawn: Tensor) -> Singles:
    """The pictures of a library that has every thing on every colour."""
    labels, colours = list(vocabulary.things), list(vocabulary.colours)
    found = [(row, key, len(rows)) for key, rows in library.rows.items() for row in rows]
    things = torch.tensor([labels.index(label) for _, (label, _, _), _ in found])
    backgrounds = torch.tensor([colours.index(colour) for _, (_, _, colour), _ in found])
    expected = thing_shares(vocabulary, shares)[things] * colour_shares(vocabulary, shares)[backgrounds]
    number = torch.tensor([number for _, _, number in found])
    latents = library.latents[[row for row, _, _ in found]].float()
    return Singles(vocabulary, latents, things, backgrounds, expected / number, drawn.float())


def thing_shares(vocabulary: Vocabulary, shares: Shares) -> Tensor:
    """How often each thing comes alone in the model's training, (things,)."""
    tinted = torch.tensor([thing.tint is not None for thing in vocabulary.things.values()])
    share = torch.where(tinted, shares.tinted / max(1, int(tinted.sum())), (1 - shares.tinted) / int((~tinted).sum()))
    return share / share.sum()


def colour_shares(vocabulary: Vocabulary, shares: Shares) -> Tensor:
    """How often each colour is the background, (colours,)."""
    others = max(1, len(vocabulary.colours) - 1)
    return torch.tensor(
        [shares.white if name == "white" else (1 - shares.white) / others for name in vocabulary.colours]
    )


def held_out(configuration: Configuration, vocabulary: Vocabulary, seed: int = 1) -> Library:
    """Renders that training did not see, encoded anew: every thing once, alone, on a colour of the draw."""
    rng, colours = random.Random(seed), list(vocabulary.colours)
    keys = [(label, "single", rng.choice(colours)) for label in vocabulary.things]
    network = shipped_autoencoder(configuration.model_folder / "vae")
    latents = encode_keys(
        network, thing_drawings(configuration, vocabulary), vocabulary, keys, configuration.seed + seed
    )
    return library_of(latents, keys, network.config.scaling_factor)


# ---- the classifier


@torch.no_grad()
def fitted(singles: Singles, config: LatentsClassifierConfig, seed: int) -> LatentClassifier:
    """The classifier of these pictures; nothing of it is learnt step by step.

    Source: Tipping & Bishop 1999, doi:10.1162/089976699300016728, section 3.2 (the most likely subspace is that of the
            largest variances, and what is outside of it has their mean).
    """
    _, *shape = singles.latents.shape
    rank, shares = config.rank, singles.shares[:, None]
    network = LatentClassifier(Shape(shape[0], shape[1], rank, len(singles.labels) - 1, len(singles.palette)))
    things, drawn = singles.latents.flatten(1), singles.drawn.flatten(1)
    network.mean.copy_((shares * things).sum(0))
    network.basis.copy_(principal(shares.sqrt() * (things - network.mean), rank, seed))
    inside, inside_drawn = ((latents - network.mean) @ network.basis for latents in (things, drawn))
    network.colours.copy_(singles.palette)
    network.templates.copy_(templates_of(inside, singles))
    left = inside - described(network.templates, singles)
    network.spread.copy_(config.spread_share * (shares * left.square()).sum(0))
    network.none_mean.copy_(inside_drawn.mean(0, keepdim=True))
    network.none_spread.copy_(inside_drawn.var(0))
    outside = torch.stack(
        [(shares[:, 0] * outside_of(things, inside, network)).sum(), outside_of(drawn, inside_drawn, network).mean()]
    )
    network.outside_spread.copy_(outside / (things.shape[1] - rank))
    network.thing_priors.copy_(_shares(singles.shares, singles.things).log() + math.log1p(-config.share_of_nothing))
    network.colour_priors.copy_(_shares(singles.shares, singles.colours).log())
    network.none_prior.fill_(math.log(config.share_of_nothing))
    return network.eval().requires_grad_(False)


def principal(rows: Tensor, rank: int, seed: int) -> Tensor:
    """The directions of the largest variances, (D, rank). Source: Halko et al. 2009, arXiv:0909.4061, algorithm 5.1."""
    torch.manual_seed(seed)
    _, _, directions = torch.svd_lowrank(rows, q=min(rank + SPARE_DIRECTIONS, *rows.shape), niter=4)
    return directions[:, :rank]


def described(templates: Tensor, singles: Singles) -> Tensor:
    """What the templates say of each picture: (N, rank)."""
    return torch.einsum("nk,nkr->nr", _design(singles), templates[singles.things])


def templates_of(inside: Tensor, singles: Singles) -> Tensor:
    """What each thing looks like, and how that shifts with red, green and blue behind it: (things, 4, rank)."""
    weights, found = singles.shares.sqrt()[:, None], []
    design, wanted = weights * _design(singles), weights * inside
    for thing in range(len(singles.labels) - 1):
        own = singles.things == thing
        found.append(torch.linalg.lstsq(design[own], wanted[own]).solution)
    return torch.stack(found)


def outside_of(latents: Tensor, inside: Tensor, network: LatentClassifier) -> Tensor:
    """The squared length of what lies outside of the subspace, (N,)."""
    return (latents - network.mean).square().sum(1) - inside.square().sum(1)


def _design(singles: Singles) -> Tensor:
    """One, and the background's colour, for each picture: (N, 4)."""
    colours = singles.palette[singles.colours]
    return torch.cat([torch.ones(len(colours), 1), colours], dim=1)


def _shares(shares: Tensor, rows: Tensor) -> Tensor:
    return torch.zeros(int(rows.max()) + 1).index_add(0, rows, shares)


@torch.no_grad()
def accuracies(
    network: nn.Module, library: Library, singles: Singles, groups: Mapping[str, str], seed: int
) -> dict[str, float]:
    """How often the likeliest group is a picture's, by training timestep; `seed` must not be the training's."""
    latents, members = library.latents.float(), group_members(singles.labels, groups)
    labels = {row: key[0] for key, found in library.rows.items() for row in found}
    wanted = group_rows([groups[labels[row]] for row in sorted(labels)])
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for timestep in ASKED_AT:
        batch = with_noise(latents, torch.full((len(latents),), timestep), generator)
        logits = network(batch.latents, batch.log_snr)
        likely = torch.stack([logits[:, members[group]].logsumexp(1) for group in GROUPS], dim=1).argmax(1)
        found[f"timestep {timestep}"] = float((likely == wanted).float().mean())
    return found
