"""Drawing without a prompt is learnt from what the best network would say, by products that the service reads back."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import safetensors.torch
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from tests.tiny_parts import unet
from training.configuration import UnpromptedConfig, read_configuration
from training.ideal import Ideal, ideal_of, noised
from training.products import Products
from training.schedule import build_scheduler
from training.unprompted import Lesson, loss_of, new_training, train_step
from worker.lora import Added
from worker.lora_files import read_lora
from worker.steering import Passage, RowHook

CONFIGURATION = read_configuration(Path("training/safelight-emoji.toml"))
CONFIG: UnpromptedConfig = replace(
    CONFIGURATION.unprompted, ranks={"conv1": 2, "to_q": 3, "downsamplers.0.conv": 2}, batch_size=4, learning_rate=2e-2
)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def kept_at(*timesteps: int) -> Tensor:
    kept: Tensor = build_scheduler().alphas_cumprod[torch.tensor(timesteps)]
    return kept


def test_the_posterior_is_that_of_bayes() -> None:
    pictures, noisy, kept = drawn(5, 12).double(), drawn(3, 3, 2, 2, seed=1).double(), kept_at(900, 500, 100).double()
    mean = kept.sqrt()[:, None, None] * pictures
    likelihood = torch.distributions.Normal(mean, (1 - kept).sqrt()[:, None, None]).log_prob(noisy.flatten(1)[:, None])
    expected = likelihood.sum(2).softmax(1)
    assert torch.allclose(Ideal(pictures).weights(noisy, kept), expected)


def test_nothing_is_nearer_to_what_was_drawn_than_the_best() -> None:
    """The velocity of the posterior mean is the mean of all velocities that may have been: no other is nearer."""
    generator = torch.Generator().manual_seed(3)
    latents = drawn(6, 2, 2, 2)
    ideal, kept = ideal_of(latents), kept_at(700).expand(4000)
    rows = torch.randint(0, 6, (4000,), generator=generator)
    noisy = noised(latents[rows], kept, generator)
    factor = kept[:, None, None, None]
    noise = (noisy - factor.sqrt() * latents[rows]) / (1 - factor).sqrt()
    wanted = factor.sqrt() * noise - (1 - factor).sqrt() * latents[rows]
    best = ideal.velocity(noisy, kept)
    distances = [(said - wanted).square().mean() for said in (best, 0.9 * best, 1.1 * best, best + 0.1, wanted * 0)]
    assert distances[0] == min(distances)


def test_of_one_picture_everything_is_known() -> None:
    latents = drawn(1, 2, 4, 4)
    noisy = noised(latents, kept_at(999), torch.Generator().manual_seed(1))
    assert torch.allclose(ideal_of(latents).clean(noisy, kept_at(999)), latents, atol=1e-6)


def passed(hook: RowHook, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    return hook(Passage(module, inputs[0], None, output))


@pytest.fixture
def network() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return unet(cross_attention_dim=32).requires_grad_(False)


def lesson() -> Lesson:
    latents = drawn(8, 4, 8, 8)
    return Lesson(latents, ideal_of(latents), drawn(1, 16, 32))


@torch.no_grad()
def error_of(network: nn.Module) -> float:
    """The loss over the same draws of noise each time."""
    generator = torch.Generator().manual_seed(5)
    return float(loss_of(network, lesson(), torch.arange(8).repeat(8), generator))


def test_only_the_products_learn(network: UNet2DConditionModel) -> None:
    before = {name: values.clone() for name, values in network.state_dict().items()}
    training = new_training(network, CONFIG, minutes=1.0, seed=1)
    untaught = error_of(network)
    for _ in range(60):
        train_step(training, network, lesson(), CONFIG, progress=0.0)
    assert error_of(network) < 0.93 * untaught
    assert all(torch.equal(values, before[name]) for name, values in network.state_dict().items())


def test_products_begin_as_nothing_and_are_read_back_as_they_were_trained(network: UNet2DConditionModel) -> None:
    """The file's products, added as the service adds them, are what the hooks of training add."""
    torch.manual_seed(0)
    plain = unet(cross_attention_dim=32)
    noisy, states = drawn(2, 4, 8, 8), drawn(2, 16, 32, seed=2)
    products = Products(network, CONFIG.ranks)
    assert torch.equal(network(noisy, 500, states).sample, plain(noisy, 500, states).sample)
    for index, factor in enumerate(products.parameters()):
        factor.data = (drawn(*factor.shape, seed=index) / 10).half().float()
    content = safetensors.torch.save(products.file())
    added = read_lora(content, {"unet": plain}).steering("unet", plain, 1.0)
    assert isinstance(added, Added)
    assert {name for name, layer in plain.named_modules() if layer in added.by_layer} == set(products.names)
    for layer, hook in added.by_layer.items():
        layer.register_forward_hook(partial(passed, hook))
    assert torch.allclose(network(noisy, 500, states).sample, plain(noisy, 500, states).sample, atol=1e-5)


def test_the_loss_of_the_best_is_nothing() -> None:
    """A network that says what the ideal says has nothing left to learn."""
    taught = lesson()

    class Knows(nn.Linear):
        def forward(self, noisy: Tensor, timesteps: Tensor, encoder_hidden_states: Tensor) -> object:
            del encoder_hidden_states
            said = taught.ideal.velocity(noisy, build_scheduler().alphas_cumprod[timesteps])
            return type("Said", (), {"sample": said})

    assert float(loss_of(Knows(1, 1), taught, torch.arange(4), torch.Generator().manual_seed(0))) < 1e-10
