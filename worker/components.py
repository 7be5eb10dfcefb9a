"""Which parts of a diffusers folder may be loaded, and that they come from safetensors alone."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderDC,
    AutoencoderKL,
    AutoencoderTiny,
    FluxTransformer2DModel,
    ModelMixin,
    SD3Transformer2DModel,
    UNet2DConditionModel,
)
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import (
    BertModel,
    BertTokenizer,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5EncoderModel,
    T5Tokenizer,
)

from contract.errors import ModelUnavailable
from worker.autoencoders import needs_range
from worker.devices import Placement, compile_in_place
from worker.digests import Digests, digest_of, file_digests
from worker.text import Reader

NETWORKS = {
    "UNet2DConditionModel": UNet2DConditionModel,
    "SD3Transformer2DModel": SD3Transformer2DModel,
    "FluxTransformer2DModel": FluxTransformer2DModel,
}
AUTOENCODERS = {
    "AutoencoderKL": AutoencoderKL,
    "AutoencoderTiny": AutoencoderTiny,
    "AutoencoderDC": AutoencoderDC,
}
TEXT_ENCODERS = {
    "CLIPTextModel": CLIPTextModel,
    "CLIPTextModelWithProjection": CLIPTextModelWithProjection,
    "BertModel": BertModel,
    "T5EncoderModel": T5EncoderModel,
}
STATE_ENCODERS = ("CLIPTextModel", "CLIPTextModelWithProjection", "BertModel")
TOKENIZERS = {
    "CLIPTokenizer": CLIPTokenizer,
    "CLIPTokenizerFast": CLIPTokenizer,
    "BertTokenizer": BertTokenizer,
    "BertTokenizerFast": BertTokenizer,
    "T5Tokenizer": T5Tokenizer,
    "T5TokenizerFast": T5Tokenizer,
}

WEIGHTS = ("diffusion_pytorch_model", "model")
"""How diffusers and transformers name files of weights."""

DESCRIBED_IN = ("*.json", "*.txt", "*.model")
"""What other files of a part are read: configurations, vocabularies, merges."""

UNUSED_WEIGHTS = ("pooler.",)
"""Weights that a file may lack because nothing here reads what they compute."""

LONGEST_PROMPT = 1024
"""Tokens; a tokenizer that names no limit of its own says something astronomical."""


@dataclass(frozen=True)
class Packaged:
    """What an installed package has in the place of files in a folder: the first text encoder's weights, perhaps its
    tokenizer. `digests` has the SHA-256 of each file by the name that it would have in the folder.
    """

    weights: Mapping[str, Tensor]
    digests: Mapping[str, str]
    tokenizer_file: Path | None = None


@dataclass(frozen=True)
class ModelFolder:
    """A diffusers folder on this machine, with what a package has in its place.

    Promise: every method raises ModelUnavailable, naming the file that is missing, damaged or not allowed.
    """

    path: Path
    placement: Placement
    packaged: Packaged | None = None
    index: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", self.read_json("model_index.json"))

    def read_json(self, name: str) -> dict[str, Any]:
        """An object in a JSON file of the folder."""
        try:
            content = json.loads((self.path / name).read_text())
        except (OSError, ValueError) as error:
            raise ModelUnavailable(f"{self.path / name} cannot be read: {error}") from error
        if not isinstance(content, dict):
            raise ModelUnavailable(f"{self.path / name} is not a JSON object.")
        return content

    def require_layout(self, pipeline_class: str) -> None:
        """Refuses a folder that another pipeline of diffusers was saved to."""
        found = self.index.get("_class_name")
        if found != pipeline_class:
            raise ModelUnavailable(
                f"{self.path}/model_index.json is of {found}, and its family needs {pipeline_class}."
            )

    def has(self, part: str) -> bool:
        """Whether the pipeline was saved with this part; some do without."""
        return self.index.get(part) not in (None, [None, None])

    def unet(self) -> Any:
        """The denoising network of the older families."""
        return self._denoiser("unet", "UNet2DConditionModel")

    def transformer(self, class_name: str) -> Any:
        """The denoising network of the newer families, if it is of this class."""
        return self._denoiser("transformer", class_name)

    def vae(self) -> Any:
        """The autoencoder, not narrowed where its configuration asks for that."""
        model_class = self._allowed("vae", AUTOENCODERS)
        stored = self._stored_dtype("vae", "diffusion_pytorch_model")
        wide = needs_range(self.read_json("vae/config.json"))
        return self._network("vae", model_class, (self.placement.wide_dtype if wide else self.placement.dtype)(stored))

    def tokenizer(self, part: str = "tokenizer") -> Any:
        """A tokenizer with a limit on the length of prompts."""
        tokenizer_class = self._allowed(part, TOKENIZERS)
        elsewhere = self.packaged.tokenizer_file if self.packaged is not None and part == "tokenizer" else None
        options = {} if elsewhere is None else {"tokenizer_file": str(elsewhere)}
        try:
            tokenizer = tokenizer_class.from_pretrained(self.path / part, local_files_only=True, **options)
        except Exception as error:
            raise ModelUnavailable(f"{self.path / part} cannot be loaded: {error}") from error
        if tokenizer.model_max_length > LONGEST_PROMPT:
            raise ModelUnavailable(f"{self.path / part}/tokenizer_config.json has no model_max_length.")
        return tokenizer

    def text_encoder(self, part: str = "text_encoder", class_names: Collection[str] = STATE_ENCODERS) -> Any:
        """A text encoder of one of these classes; what is packaged is the first one's."""
        encoder_class = self._allowed(part, {name: TEXT_ENCODERS[name] for name in class_names})
        if self.packaged is not None and part == "text_encoder":
            return self._packaged_text_encoder(part, encoder_class, self.packaged.weights)
        stored = self._stored_dtype(part, "model")
        return self._loaded(
            part, encoder_class, self.path / part, {"dtype": self.placement.dtype(stored), "use_safetensors": True}
        )

    def model(self, part: str, model_class: Any, dtype: torch.dtype) -> Any:
        """A network of any class of diffusers or transformers."""
        if not any(self._weights_files(part, stem) for stem in WEIGHTS):
            raise ModelUnavailable(f"{self.path / part} has no weights in safetensors files, and no others are read.")
        if issubclass(model_class, ModelMixin):
            return self._network(part, model_class, dtype)
        return self._loaded(part, model_class, self.path / part, {"dtype": dtype, "use_safetensors": True})

    def reader(
        self, number: str, class_names: Collection[str] = STATE_ENCODERS, max_length: int = LONGEST_PROMPT
    ) -> Reader:
        """One tokenizer with its text encoder, of those that are told apart by a number behind their names."""
        tokenizer = self.tokenizer(f"tokenizer{number}")
        encoder = self.text_encoder(f"text_encoder{number}", class_names)
        return Reader(tokenizer, encoder, min(max_length, tokenizer.model_max_length))

    def digests(self, text: Collection[str], picture: Collection[str]) -> Digests:
        """What the model is made of: the parts that encode_prompt reads, and those that the other verbs do."""
        try:
            read = file_digests(self.path, [self.path / "model_index.json", *self._files(text)])
            shown = file_digests(self.path, [self.path / "scheduler/scheduler_config.json", *self._files(picture)])
        except OSError as error:
            raise ModelUnavailable(f"{self.path} cannot be read: {error}") from error
        if self.packaged is not None:
            read |= self.packaged.digests
        return Digests(digest_of(read), digest_of(shown))

    def _files(self, parts: Collection[str]) -> list[Path]:
        described = [file for part in parts for kind in DESCRIBED_IN for file in (self.path / part).glob(kind)]
        return described + [file for part in parts for stem in WEIGHTS for file in self._weights_files(part, stem)]

    def _denoiser(self, part: str, class_name: str) -> Any:
        model_class = self._allowed(part, {class_name: NETWORKS[class_name]})
        dtype = self.placement.dtype(self._stored_dtype(part, "diffusion_pytorch_model"))
        network = self._network(part, model_class, dtype)
        if self.placement.compiled:
            compile_in_place(network, self.placement.device)
        return network

    def _packaged_text_encoder(self, part: str, encoder_class: Any, weights: Mapping[str, Tensor]) -> Any:
        config = encoder_class.config_class.from_dict(self.read_json(f"{part}/config.json"))
        stored = next(iter(weights.values())).dtype
        options = {"config": config, "state_dict": dict(weights), "dtype": self.placement.dtype(stored)}
        return self._loaded(part, encoder_class, None, options)

    def _network(self, part: str, model_class: Any, dtype: torch.dtype) -> Any:
        options = {"torch_dtype": dtype, "use_safetensors": True, "low_cpu_mem_usage": False}
        return self._loaded(part, model_class, self.path / part, options)

    def _loaded(self, part: str, model_class: Any, source: Path | None, options: dict[str, Any]) -> Any:
        try:
            model, report = model_class.from_pretrained(
                source, local_files_only=True, output_loading_info=True, **options
            )
        except Exception as error:
            raise ModelUnavailable(f"{self.path / part} cannot be loaded: {error}") from error
        missing = sorted(name for name in report["missing_keys"] if not name.startswith(UNUSED_WEIGHTS))
        if missing:
            raise ModelUnavailable(f"{self.path / part} lacks {len(missing)} weights, among them {missing[0]}.")
        return model.to(self.placement.device).eval().requires_grad_(False)

    def _allowed(self, part: str, classes: Mapping[str, Any]) -> Any:
        entry = self.index.get(part)
        name = entry[1] if isinstance(entry, list) and len(entry) == 2 else entry
        if not isinstance(name, str) or name not in classes:
            raise ModelUnavailable(
                f"{self.path}/model_index.json has {part} = {name!r}; supported are {', '.join(classes)}."
            )
        return classes[name]

    def _stored_dtype(self, part: str, stem: str) -> torch.dtype:
        files = self._weights_files(part, stem)
        if not files:
            whole = self.path / part / f"{stem}.safetensors"
            raise ModelUnavailable(f"{whole} is missing; weights are read from safetensors files only.")
        return stored_dtype(files[0])

    def _weights_files(self, part: str, stem: str) -> list[Path]:
        whole = self.path / part / f"{stem}.safetensors"
        return [whole] if whole.is_file() else sorted((self.path / part).glob(f"{stem}-*-of-*.safetensors"))


def stored_dtype(file: Path) -> torch.dtype:
    """The number format of the first tensor in a safetensors file. Raises: ModelUnavailable."""
    try:
        with safe_open(file, framework="pt") as weights:
            stored: torch.dtype = weights.get_tensor(next(iter(weights.keys()))).dtype
    except (OSError, SafetensorError, StopIteration) as error:
        raise ModelUnavailable(f"{file} cannot be read: {error}") from error
    return stored
