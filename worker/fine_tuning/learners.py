"""What of a model can learn: products beside its layers, a word of its text encoder, or all weights of its network."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from contract.fine_tuning import Layout
from worker.fine_tuning.draws import draws
from worker.fine_tuning.low_rank import Products, in_diffusers_layout, in_kohya_layout
from worker.fine_tuning.messages import ResultFile
from worker.fine_tuning.method import Curriculum
from worker.lexicon import PLAIN, Lexicon
from worker.pipelines.stable_diffusion import StableDiffusion
from worker.textual_inversion import Inversion

UNET_ENDS = (
    *("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2"),
    *("conv1", "conv2", "conv", "conv_shortcut", "time_emb_proj"),
)
"""Attentions and convolutions: what a new object looks like is learnt in both (`docs/fine-tuning.md` has figures)."""

ENCODER_ENDS = ("q_proj", "k_proj", "v_proj", "out_proj", "query", "key", "value")
"""The attentions' layers: those of CLIP, and those of BERT."""


class Reading:
    """Captions as a model's text encoder reads them; each once, where nothing of it learns."""

    def __init__(self, model: StableDiffusion, *, remembers: bool, lexicon: Lexicon = PLAIN) -> None:
        self._model, self._lexicon = model, lexicon
        self._remembered: dict[str, Tensor] | None = {} if remembers else None

    def __call__(self, captions: Sequence[str]) -> Tensor:
        return torch.cat([self._states(caption) for caption in captions])

    def _states(self, caption: str) -> Tensor:
        if self._remembered is None:
            return self._read(caption)
        if caption not in self._remembered:
            self._remembered[caption] = self._read(caption)
        return self._remembered[caption]

    def _read(self, caption: str) -> Tensor:
        return self._model.encode_prompt(caption, negative=False, lexicon=self._lexicon).prompt_embeds


class LowRank:
    """LoRA: products beside the attentions of the U-Net, and of the text encoder where that is asked."""

    def __init__(self, curriculum: Curriculum) -> None:
        request, parts = curriculum.request, curriculum.model.parts
        ends = {"unet": UNET_ENDS} | ({"text_encoder": ENCODER_ENDS} if request.train_text_encoder else {})
        self._products = {
            part: Products(parts[part], some, request.rank, draws(request.seed, 0, f"factors of {part}"))
            for part, some in ends.items()
        }
        self.states = Reading(curriculum.model, remembers=not request.train_text_encoder)

    @property
    def weights(self) -> Mapping[str, nn.Parameter]:
        return {
            f"{part}.{name}.{place}": factor
            for part, products in self._products.items()
            for name, pair in products.factors.items()
            for place, factor in enumerate(pair)
        }

    def files(self, folder: Path) -> tuple[ResultFile, ...]:
        return (
            _written(folder, "pytorch_lora_weights.safetensors", in_diffusers_layout(self._products), "diffusers"),
            _written(folder, "kohya.safetensors", in_kohya_layout(self._products), "kohya"),
        )


class Word:
    """Textual inversion: vectors in the place of the trigger's tokens, which begin as those of what it says."""

    def __init__(self, curriculum: Curriculum) -> None:
        self._token = str(curriculum.request.trigger)
        self._vectors = nn.Parameter(_first_vectors(curriculum))
        word = Inversion(self._token, "", (self._vectors,))
        self.states = Reading(curriculum.model, remembers=False, lexicon=Lexicon(inversions=(word,)))

    @property
    def weights(self) -> Mapping[str, nn.Parameter]:
        return {"vectors": self._vectors}

    def files(self, folder: Path) -> tuple[ResultFile, ...]:
        return (_written(folder, "learned_embeds.safetensors", {self._token: self._vectors.detach()}, "embedding"),)


class Whole:
    """All weights of the U-Net."""

    def __init__(self, curriculum: Curriculum) -> None:
        self._network = curriculum.model.network.requires_grad_(True)
        self._read = Reading(curriculum.model, remembers=True)

    @property
    def weights(self) -> Mapping[str, nn.Parameter]:
        return dict(self._network.named_parameters())

    def states(self, captions: Sequence[str]) -> Tensor:
        return self._read(captions)

    def files(self, folder: Path) -> tuple[ResultFile, ...]:
        self._network.save_pretrained(folder)
        names = ("config.json", "diffusion_pytorch_model.safetensors")
        return tuple(ResultFile(name, folder / name, "model") for name in names)


def _first_vectors(curriculum: Curriculum) -> Tensor:
    """Of the tokens in which the encoder would read the trigger, again and again."""
    (reader,) = curriculum.model.readers
    ids = reader.tokenizer(str(curriculum.request.trigger), add_special_tokens=False).input_ids
    places = [ids[place % len(ids)] for place in range(curriculum.request.num_vectors)]
    rows: Tensor = reader.text_encoder.get_input_embeddings().weight[places]
    return rows.detach().clone()


def _written(folder: Path, name: str, state: dict[str, Tensor], layout: Layout) -> ResultFile:
    safetensors.torch.save_file(state, folder / name, {"format": "pt"})
    return ResultFile(name, folder / name, layout)
