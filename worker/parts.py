"""Which classes a pipeline that is run whole may consist of: those of diffusers and transformers, and no others."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import DiffusionPipeline, ModelMixin, SchedulerMixin
from transformers import FeatureExtractionMixin, ImageProcessingMixin, PreTrainedModel, PreTrainedTokenizerBase

from contract.errors import ModelUnavailable
from worker.components import ModelFolder, stored_dtype

NETWORKS = (ModelMixin, PreTrainedModel)
OTHERS = (SchedulerMixin, PreTrainedTokenizerBase, ImageProcessingMixin, FeatureExtractionMixin)


def whole_pipeline(folder: ModelFolder) -> Any:
    """The pipeline that a folder was saved from, made of its parts. Raises: ModelUnavailable.

    Its own `from_pretrained` is not called: that may import what a file names, and leaves out what a file lacks.
    """
    pipeline_class = _pipeline_class(folder)
    dtype = folder.placement.own_dtype(_main_dtype(folder.path))
    accepted = inspect.signature(pipeline_class.__init__).parameters
    saved = {name: value for name, value in folder.index.items() if name in accepted}
    arguments = {name: _argument(folder, name, value, dtype) for name, value in saved.items()}
    try:
        pipeline = pipeline_class(**arguments)
    except Exception as error:
        raise ModelUnavailable(f"{folder.path} is no {pipeline_class.__name__}: {error}") from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _pipeline_class(folder: ModelFolder) -> Any:
    name = folder.index.get("_class_name")
    found = getattr(diffusers, name, None) if isinstance(name, str) else None
    if not isinstance(found, type) or not issubclass(found, DiffusionPipeline):
        raise ModelUnavailable(f"{folder.path}/model_index.json is of {name!r}, which is no pipeline of diffusers.")
    return found


def _argument(folder: ModelFolder, name: str, value: Any, dtype: torch.dtype) -> Any:
    """A part where the index names a library and a class; else the value itself."""
    if not isinstance(value, list) or len(value) != 2:
        return value
    if value == [None, None]:
        return None
    part_class = _part_class(folder, name, *value)
    if issubclass(part_class, NETWORKS):
        return folder.model(name, part_class, dtype)
    try:
        return part_class.from_pretrained(folder.path / name, local_files_only=True)
    except Exception as error:
        raise ModelUnavailable(f"{folder.path / name} cannot be loaded: {error}") from error


def _part_class(folder: ModelFolder, part: str, library: Any, name: Any) -> Any:
    libraries: Mapping[str, Any] = {"diffusers": diffusers, "transformers": transformers}
    module = libraries.get(library) or getattr(diffusers.pipelines, str(library), None)
    found = getattr(module, str(name), None)
    if not isinstance(found, type) or not issubclass(found, (*NETWORKS, *OTHERS)):
        raise ModelUnavailable(
            f"{folder.path}/model_index.json has {part} = {library}.{name}, and only networks, schedulers, tokenizers "
            "and processors of diffusers and transformers are loaded."
        )
    return found


def _main_dtype(path: Path) -> torch.dtype:
    """The number format of the largest file of weights; pipelines expect the same in all their parts."""
    files = sorted(path.glob("*/*.safetensors"), key=lambda file: file.stat().st_size)
    if not files:
        raise ModelUnavailable(f"{path} has no weights in safetensors files, and no others are read.")
    return stored_dtype(files[-1])
