"""The classifier of noisy latents says what Bayes' rule says of Gaussians to which noise was added."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from worker.latent_classifier import LatentClassifier, Shape

THINGS, COLOURS, SIDE, RANK = 3, 2, 4, 5
DIRECTIONS = 2 * SIDE**2


@pytest.fixture
def network() -> LatentClassifier:
    """With a basis of unit vectors at right angles to each other, and priors that add up to one."""
    torch.manual_seed(0)
    network = LatentClassifier(Shape(2, SIDE, RANK, THINGS, COLOURS)).double().requires_grad_(False)
    for name, weights in network.named_parameters():
        weights.copy_(torch.rand(weights.shape) + 0.1 if "spread" in name else torch.randn(weights.shape))
    network.basis.copy_(torch.linalg.qr(torch.randn(DIRECTIONS, RANK).double()).Q)
    network.thing_priors.copy_(torch.tensor([0.2, 0.3, 0.4]).log())
    network.colour_priors.copy_(torch.tensor([0.7, 0.3]).log())
    network.none_prior.fill_(math.log(0.1))
    return network


def noisy(number: int = 4) -> Tensor:
    return torch.randn((number, 2, SIDE, SIDE), generator=torch.Generator().manual_seed(1)).double()


def gaussian(
    network: LatentClassifier, middle: Tensor, inside: Tensor, outside: Tensor, kept: float
) -> MultivariateNormal:
    """Of noisy latents: all directions in full, as the paper on which the network rests has them."""
    basis = network.basis
    clean = basis @ inside.diag() @ basis.T + outside * (torch.eye(DIRECTIONS) - basis @ basis.T)
    return MultivariateNormal(
        math.sqrt(kept) * (network.mean + basis @ middle), kept * clean + (1 - kept) * torch.eye(DIRECTIONS)
    )


def by_bayes(network: LatentClassifier, latents: Tensor, kept: float) -> Tensor:
    """Probabilities (B, things + 1), of every Gaussian in full."""
    flat, joint = latents.flatten(1), []
    for thing in range(THINGS):
        densities = [
            gaussian(
                network,
                network.templates[thing, 0] + colour @ network.templates[thing, 1:],
                network.spread,
                network.outside_spread[0],
                kept,
            ).log_prob(flat)
            + prior
            for colour, prior in zip(network.colours, network.colour_priors, strict=True)
        ]
        joint.append(torch.stack(densities).logsumexp(0) + network.thing_priors[thing])
    none = gaussian(network, network.none_mean[0], network.none_spread, network.outside_spread[1], kept)
    return torch.stack([*joint, none.log_prob(flat) + network.none_prior[0]], dim=1).softmax(1)


@pytest.mark.parametrize("kept", [0.001, 0.2, 0.9, 0.9999])
def test_probabilities_are_those_of_bayes(network: LatentClassifier, kept: float) -> None:
    log_snr = torch.full((4,), math.log(kept / (1 - kept))).double()
    found = network(noisy(), log_snr).softmax(1)
    assert torch.allclose(found, by_bayes(network, noisy(), kept), atol=1e-8)


@pytest.mark.parametrize("kept", [0.05, 0.5])
def test_the_gradient_is_the_difference_of_two_estimates(network: LatentClassifier, kept: float) -> None:
    """σ²/α times the gradient of log p(y | x_t) is E[x_0 | x_t, y] less E[x_0 | x_t]: here of two things alone."""
    network.none_prior.fill_(-torch.inf)
    network.colours.zero_()
    network.spread.fill_(1e-9)
    network.outside_spread.fill_(1e-9)
    latents = noisy(1).requires_grad_()
    log_p = network(latents, torch.tensor([math.log(kept / (1 - kept))]).double()).log_softmax(1)
    (gradient,) = torch.autograd.grad(log_p[0, 1], latents)
    clean = network.mean + network.templates[:, 0] @ network.basis.T
    difference = clean[1] - log_p[0, :THINGS].exp().detach() @ clean
    assert torch.allclose((1 - kept) / math.sqrt(kept) * gradient.flatten(), difference, rtol=1e-6)


def test_larger_latents_are_seen_as_their_means(network: LatentClassifier) -> None:
    """Each number four times is the picture itself, with the noise of one in four."""
    doubled = noisy().repeat_interleave(2, 2).repeat_interleave(2, 3)
    log_snr = torch.tensor([0.3]).double().expand(4)
    kept = torch.sigmoid(log_snr[0])
    variance = kept + (1 - kept) / 4
    as_seen = network(noisy() / variance.sqrt(), log_snr + math.log(4))
    assert torch.allclose(network(doubled, log_snr), as_seen)
    assert torch.equal(
        network(noisy()[:, :, ::2, ::2], log_snr),
        network(noisy()[:, :, ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3), log_snr),
    )
