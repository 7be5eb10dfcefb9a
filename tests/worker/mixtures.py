"""A model of which everything is known: clean latents are normal around means that the prompt names, all as likely."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from contract.request import CompleteRequest
from tests.worker.engines import Held, RecordsLatents, run, sizes
from worker.classifiers import Classifier, LatentsClassifier, PixelsClassifier
from worker.engine import Engine
from worker.latents import draw_noise
from worker.lexicon import PLAIN, Lexicon
from worker.preprocessing import Preprocessing
from worker.stepwise_pipeline import Conditioning, PromptEmbeds, StepwisePipeline
from worker.trained_noise import DiffusionNoise, TrainedNoise, read_trained_noise

DEVIATION = 0.5
MEANS = (-0.6, 0.6)
BOTH = "-0.6|0.6"
CONFIG = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "timestep_spacing": "leading"}
SHAPE = (1, 1, 2, 2)


def posteriors(latents: Tensor, means: Tensor, alpha: Tensor, variance: Tensor) -> Tensor:
    """Which mean noisy latents come from. Shapes: latents (B, 1, 2, 2), means (B, K), result (B, K), logarithms."""
    distances = (latents[:, None] - (alpha * means)[:, :, None, None, None]).square().flatten(2).sum(2)
    return (-distances / (2 * variance)).log_softmax(1)


class Mixtures:
    """The best denoiser, as a network that predicts epsilon."""

    def __init__(self, **changes: object) -> None:
        self._noise = read_trained_noise(CONFIG | changes)

    @property
    def trained_noise(self) -> TrainedNoise:
        return self._noise

    @property
    def network_dtype(self) -> torch.dtype:
        return torch.float32

    @property
    def text_digest(self) -> str:
        return "means"

    @property
    def weights_digest(self) -> str:
        return hashlib.sha256(b"mixtures").hexdigest()

    @property
    def embeds_guidance(self) -> bool:
        return False

    @property
    def text_dtypes(self) -> tuple[torch.dtype, ...]:
        return ()

    @property
    def vae_dtype(self) -> torch.dtype:
        return torch.float32

    @property
    def num_latent_channels(self) -> int:
        return SHAPE[1]

    @property
    def num_extra_channels(self) -> int:
        return 0

    @property
    def vae_scale_factor(self) -> int:
        return 1

    @property
    def network(self) -> Any:
        return None

    @property
    def parts(self) -> Mapping[str, Any]:
        return {}

    @property
    def is_compiled(self) -> bool:
        return False

    @property
    def num_bytes(self) -> int:
        return 0

    def encode_prompt(self, prompt: str, *, negative: bool, lexicon: Lexicon = PLAIN) -> PromptEmbeds:
        means = [float(mean) for mean in (prompt or BOTH).split("|")]
        padded = means * (2 // len(means))
        return PromptEmbeds(torch.tensor([[padded]]), None, len(means), len(means))

    def prepare_latents(self, height: int, width: int, generator: torch.Generator) -> Tensor:
        return draw_noise(SHAPE, generator, torch.device("cpu"))

    def denoise(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        assert isinstance(self._noise, DiffusionNoise)
        kept = self._noise.alphas_cumprod[timesteps.long()].double()[:, None]
        latents, means = latents.double(), conditioning.prompt_embeds[:, 0].double()
        alpha, variance = kept.sqrt(), kept * DEVIATION**2 + 1 - kept
        weights = posteriors(latents, means, alpha, variance).exp()
        mean = (weights * means).sum(1)[:, None, None, None]
        alpha, kept, variance = (number[:, :, None, None] for number in (alpha, kept, variance))
        denoised = mean + alpha * DEVIATION**2 / variance * (latents - alpha * mean)
        return ((latents - alpha * denoised) / (1 - kept).sqrt()).float()

    def encode_beside(self, picture: Tensor) -> Tensor:
        raise NotImplementedError("Nothing is edited here.")

    def encode_picture(self, picture: Tensor, generator: torch.Generator) -> Tensor:
        raise NotImplementedError("Nothing is edited here.")

    def decode_latents(self, latents: Tensor) -> Tensor:
        return latents.mean().tanh().expand(1, 3, 8, 8)


class Knows(nn.Module):
    """The classifier of noisy latents that is never wrong about how sure one can be."""

    def forward(self, latents: Tensor, log_snr: Tensor) -> Tensor:
        kept = log_snr.double().sigmoid()[:, None]
        variance = kept * DEVIATION**2 + 1 - kept
        return posteriors(latents.double(), torch.tensor([MEANS]), kept.sqrt(), variance)


class Logits(NamedTuple):
    logits: Tensor


class Brightness(nn.Module):
    """A classifier of pictures: bright or dark."""

    def forward(self, pixel_values: Tensor) -> Logits:
        bright = 4 * pixel_values.mean(dim=(1, 2, 3))
        return Logits(torch.stack([-bright, bright], dim=1))


ROWS = {"low": [0], "high": [1]}
AS_THEY_ARE = Preprocessing((8, 8), None, "bilinear", (0.5,), (0.5,))


@dataclass(frozen=True)
class Known:
    """Classifiers that are there already."""

    classifiers: Mapping[str, Classifier]

    def load(self, classifier_id: str, model_id: str) -> Classifier:
        return self.classifiers[classifier_id]


KNOWN = Known(
    {"latents": LatentsClassifier(Knows(), ROWS), "pixels": PixelsClassifier(Brightness(), ROWS, AS_THEY_ARE)}
)


def latents_of(pipeline: StepwisePipeline, request: CompleteRequest, *buckets: int) -> Tensor:
    """The last latents of a request that has the engine to itself. Raises: what the image failed with."""
    recording = RecordsLatents(pipeline)
    engine = Engine(Held({"tiny": recording}), sizes(*buckets or (4,)), classifiers=KNOWN)
    engine.add("one", request)
    for event in run(engine):
        if hasattr(event, "error"):
            raise event.error
    return recording.decoded[-1]
