"""Which parts of a diffusers folder may be loaded, and that they come from safetensors alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderDC, AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import BertModel, BertTokenizer, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from contract.errors import ModelUnavailable
from worker.devices import Placement

NETWORKS = {"UNet2DConditionModel": UNet2DConditionModel}
AUTOENCODERS = {
    "AutoencoderKL": AutoencoderKL,
    "AutoencoderTiny": AutoencoderTiny,
    "AutoencoderDC": AutoencoderDC,
}
TEXT_ENCODERS = {
    "CLIPTextModel": CLIPTextModel,
    "CLIPTextModelWithProjection": CLIPTextModelWithProjection,
    "BertModel": BertModel,
}
TOKENIZERS = {
    "CLIPTokenizer": CLIPTokenizer,
    "CLIPTokenizerFast": CLIPTokenizer,
    "BertTokenizer": BertTokenizer,
    "BertTokenizerFast": BertTokenizer,
}

UNUSED_WEIGHTS = ("pooler.",)
"""Weights that a file may lack because nothing here reads what they compute."""

LONGEST_PROMPT = 1024
"""Tokens; a tokenizer that names no limit of its own says something astronomical."""


@dataclass(frozen=True)
class ModelFolder:
    """A diffusers folder on this machine; `text_encoder_weights` take the place of a file in it.

    Promise: every method raises ModelUnavailable, naming the file that is missing, damaged or not allowed.
    """

    path: Path
    placement: Placement
    text_encoder_weights: Mapping[str, Tensor] | None = None
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

    def unet(self) -> Any:
        """The denoising network."""
        model_class = self._allowed("unet", NETWORKS)
        dtype = self.placement.network_dtype(self._stored_dtype("unet", "diffusion_pytorch_model"))
        return self._network("unet", model_class, dtype)

    def vae(self) -> Any:
        """The autoencoder, in float32 where its configuration asks for that."""
        model_class = self._allowed("vae", AUTOENCODERS)
        dtype = self.placement.dtype(self._stored_dtype("vae", "diffusion_pytorch_model"))
        if dtype == torch.float16 and self.read_json("vae/config.json").get("force_upcast"):
            dtype = torch.float32
        return self._network("vae", model_class, dtype)

    def tokenizer(self, part: str = "tokenizer") -> Any:
        """A tokenizer with a limit on the length of prompts."""
        tokenizer_class = self._allowed(part, TOKENIZERS)
        try:
            tokenizer = tokenizer_class.from_pretrained(self.path / part, local_files_only=True)
        except Exception as error:
            raise ModelUnavailable(f"{self.path / part} cannot be loaded: {error}") from error
        if tokenizer.model_max_length > LONGEST_PROMPT:
            raise ModelUnavailable(f"{self.path / part}/tokenizer_config.json has no model_max_length.")
        return tokenizer

    def text_encoder(self, part: str = "text_encoder") -> Any:
        """A text encoder; its weights are the packaged ones where the catalogue names some."""
        encoder_class = self._allowed(part, TEXT_ENCODERS)
        if self.text_encoder_weights is not None:
            return self._packaged_text_encoder(part, encoder_class, self.text_encoder_weights)
        stored = self._stored_dtype(part, "model")
        return self._loaded(
            part, encoder_class, self.path / part, {"dtype": self.placement.dtype(stored), "use_safetensors": True}
        )

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
        file = self._weights_file(part, stem)
        try:
            with safe_open(file, framework="pt") as weights:
                stored: torch.dtype = weights.get_tensor(next(iter(weights.keys()))).dtype
        except (OSError, SafetensorError, StopIteration) as error:
            raise ModelUnavailable(f"{file} cannot be read: {error}") from error
        return stored

    def _weights_file(self, part: str, stem: str) -> Path:
        whole = self.path / part / f"{stem}.safetensors"
        shards = sorted((self.path / part).glob(f"{stem}-*-of-*.safetensors"))
        if not whole.is_file() and not shards:
            raise ModelUnavailable(f"{whole} is missing; weights are read from safetensors files only.")
        return whole if whole.is_file() else shards[0]
