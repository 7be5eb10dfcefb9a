"""Where a model's files come from: a folder, the hub at one commit, an installed package."""

import hashlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import safetensors
import safetensors.torch
from huggingface_hub import HfApi, snapshot_download
from torch import Tensor

from contract.catalogue import ModelSpec, PackagedFile, PackagedWeights
from contract.errors import ModelUnavailable
from contract.rows import HubSource, LocalSource
from worker.components import ModelFolder, Packaged
from worker.devices import Placement
from worker.pipelines import PIPELINES
from worker.pipelines.whole import WholePipeline
from worker.rows import Rows
from worker.stepwise_pipeline import StepwisePipeline
from worker.weights import VARIANTS, expected_bytes

HUB_FILES = [
    "model_index.json",
    "scheduler/scheduler_config.json",
    *(
        f"{part}/{file}"
        for part in ("unet", "transformer", "vae")
        for file in ("config.json", "diffusion_pytorch_model*.safetensors*")
    ),
    *(f"{part}/{file}" for part in ("text_encoder*",) for file in ("config.json", "model*.safetensors*")),
    "tokenizer*/*",
]
"""What is fetched of a repository: no code, no pickles."""

WHOLE_HUB_FILES = ["model_index.json", *(f"*/*.{suffix}" for suffix in ("json", "safetensors", "txt", "model"))]
"""The same for a pipeline that is run whole, whose parts have any names."""

HUB_VARIANTS = list(VARIANTS)

HUB_PATIENCE_SECONDS = 5.0


class PipelineLoader:
    """Models on one device; which of them are kept is for `Residency` to say."""

    def __init__(self, rows: Rows, placement: Placement) -> None:
        self._rows = rows
        self._placement = placement

    def load(self, model_id: str) -> StepwisePipeline | WholePipeline:
        """The model with this id, loaded anew. Raises: UnknownModel, ModelUnavailable."""
        return load_model(self._rows.find(model_id), self._placement)

    def expected_bytes(self, model_id: str) -> int:
        """What the model's weights will take, as its files say. Raises: UnknownModel, ModelUnavailable."""
        spec = self._rows.find(model_id)
        return expected_bytes(folder_of(spec), self._placement, whole=spec.family == "diffusers")


def load_pipeline(spec: ModelSpec, placement: Placement) -> StepwisePipeline:
    """A model that can be stepped through, ready for the engine. Raises: ModelUnavailable."""
    model = load_model(spec, placement)
    if isinstance(model, WholePipeline):
        raise ModelUnavailable(f"{spec.id} can only be run whole.")
    return model


def load_model(spec: ModelSpec, placement: Placement) -> StepwisePipeline | WholePipeline:
    """A model of any family. Raises: ModelUnavailable."""
    folder = folder_of(spec, WHOLE_HUB_FILES if spec.family == "diffusers" else HUB_FILES)
    model = PIPELINES[spec.family].load(ModelFolder(folder, placement, packaged(spec.text_encoder)))
    return model if spec.map is None or isinstance(model, WholePipeline) else replace(model, map=spec.map)


def folder_of(spec: ModelSpec, hub_files: Sequence[str] = HUB_FILES) -> Path:
    """The diffusers folder of a row, put together where its U-Net is not its source's. Raises: ModelUnavailable."""
    path = model_path(spec.source, hub_files)
    return path if spec.unet is None else _put_together(path, spec.unet.path)


def _put_together(base: Path, unet: Path) -> Path:
    """A folder beside the U-Net's that has it and everything else of the base, as links."""
    folder = unet.parent / "whole"
    folder.mkdir(exist_ok=True)
    for target in (unet, *(entry for entry in base.iterdir() if entry.name != "unet")):
        link, new = folder / target.name, folder / f".{target.name}"
        if not link.is_symlink() or link.readlink() != target.absolute():
            new.unlink(missing_ok=True)
            new.symlink_to(target.absolute())
            new.replace(link)
    return folder


def model_path(source: LocalSource | HubSource, hub_files: Sequence[str] = HUB_FILES) -> Path:
    """The diffusers folder of a source; for the hub, these files of it, fetched unless the local cache has the commit.

    Raises: ModelUnavailable.
    """
    if isinstance(source, HubSource):
        return _hub_path(source, hub_files)
    if not source.path.is_dir():
        raise ModelUnavailable(f"The model's folder {source.path} does not exist.")
    return source.path


def _hub_path(source: HubSource, files: Sequence[str]) -> Path:
    absence = _hub_absence(source)
    try:
        return Path(
            snapshot_download(
                source.hub,
                revision=source.revision,
                allow_patterns=list(files),
                ignore_patterns=HUB_VARIANTS,
                local_files_only=absence is not None,
            )
        )
    except Exception as error:
        raise ModelUnavailable(
            f"{source.hub} at {source.revision} cannot be fetched from the hub, and is not in the cache: "
            f"{absence or error}"
        ) from error


def _hub_absence(source: HubSource) -> Exception | None:
    """Why the hub cannot be asked for this repository. One question, as downloads try for half a minute."""
    try:
        HfApi().model_info(source.hub, revision=source.revision, timeout=HUB_PATIENCE_SECONDS)
    except Exception as error:
        return error
    return None


def packaged(spec: PackagedWeights | None) -> Packaged | None:
    """What a model takes out of an installed package, none of whose code is run.

    Raises: ModelUnavailable, also where a file is not the one that the catalogue describes.
    """
    if spec is None:
        return None
    folder = _package_folder(spec.package)
    weights = _tensors(folder, spec)
    if spec.tokenizer is None:
        return Packaged(weights, {"text_encoder/model.safetensors": spec.sha256})
    _described(folder, spec.tokenizer)
    digests = {"text_encoder/model.safetensors": spec.sha256, "tokenizer/tokenizer.json": spec.tokenizer.sha256}
    return Packaged(weights, digests, folder / spec.tokenizer.file)


def _tensors(folder: Path, spec: PackagedFile) -> Mapping[str, Tensor]:
    file = folder / spec.file
    if file.suffix != ".safetensors":
        raise ModelUnavailable(f"{file} is not a safetensors file.")
    try:
        tensors: Mapping[str, Tensor] = safetensors.torch.load(_described(folder, spec))
    except safetensors.SafetensorError as error:
        raise ModelUnavailable(f"{file} is damaged: {error}") from error
    return tensors


def _described(folder: Path, spec: PackagedFile) -> bytes:
    """A file's content, if it is the one that the catalogue describes."""
    file = folder / spec.file
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ModelUnavailable(f"{file} cannot be read: {error}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != spec.sha256:
        raise ModelUnavailable(f"{file} has the SHA-256 {digest}, and the catalogue says {spec.sha256}.")
    return content


def _package_folder(package: str) -> Path:
    if "." in package:
        raise ModelUnavailable(f"{package!r} is not the name of a top-level package.")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelUnavailable(f"The Python package {package} is not installed.")
    return Path(next(iter(spec.submodule_search_locations)))
