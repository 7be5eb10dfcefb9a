"""Where certificates come from: measured before a lane's first image, and remembered for the next start."""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from worker.certificate import CANDIDATES, Certificate, Probed, Setting, certify, probe
from worker.devices import Placement, as_written, device_name
from worker.lane import LaneKey, Measuring
from worker.stepwise_pipeline import Conditioning, StepwisePipeline

logger = logging.getLogger(__name__)


class Certifier:
    """Measures what has not been measured in this setting before; certificates are files in `folder`.

    Whatever changes which kernels run is part of the setting, and so of the file's name.
    """

    def __init__(self, placement: Placement, folder: Path, *, candidates: Sequence[int] = CANDIDATES) -> None:
        self._placement = placement
        self._folder = folder
        self._candidates = tuple(candidates)

    def __call__(self, key: LaneKey, pipeline: StepwisePipeline) -> Measuring:
        """One size at a time, so that other lanes go on between them; the certificate comes last."""
        setting = self._setting(pipeline, key)
        file = self._file(key, pipeline, setting)
        known = _read(file)
        probes: list[Probed] = []
        for probed in probe(self._forward(pipeline, key), key.shape, self._sizes(known, key)):
            probes.append(probed)
            yield None
        measured = known or certify(key.model, key.height, key.width, setting, probes)
        certificate = replace(measured, weights_sha256=pipeline.weights_digest)
        if not known:
            _write(file, certificate)
            logger.info("%s", describe(certificate))
        yield certificate

    def _sizes(self, known: Certificate | None, key: LaneKey) -> Sequence[int]:
        """What to run: all candidates, or of what is known only that which must be compiled before it is needed."""
        if known is None:
            return self._candidates
        return known.buckets if self._placement.compiled and not key.eager else ()

    def _forward(self, pipeline: StepwisePipeline, key: LaneKey) -> "_OnDevice":
        return _OnDevice(pipeline, self._placement.device, key.eager)

    def _setting(self, pipeline: StepwisePipeline, key: LaneKey) -> Setting:
        return Setting(
            device=device_name(self._placement.device),
            dtype=_name(pipeline.network_dtype),
            text_dtype=", ".join(sorted({_name(dtype) for dtype in pipeline.text_dtypes})),
            vae_dtype=_name(pipeline.vae_dtype),
            layout="contiguous",
            num_threads=torch.get_num_threads(),
            compiled=self._placement.compiled and not key.eager,
            torch=torch.__version__,
        )

    def _file(self, key: LaneKey, pipeline: StepwisePipeline, setting: Setting) -> Path:
        content = [pipeline.weights_digest, asdict(key), setting, self._candidates]
        return self._folder / f"{hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]}.json"


class _OnDevice:
    """A network that takes its rows from the CPU."""

    def __init__(self, pipeline: StepwisePipeline, device: torch.device, eager: bool) -> None:
        self._pipeline = pipeline
        self._device = device
        self._eager = eager

    def __call__(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        pooled = conditioning.pooled_prompt_embeds
        there = Conditioning(
            conditioning.prompt_embeds.to(self._device),
            None if pooled is None else pooled.to(self._device),
            conditioning.guidance_scales.to(self._device),
        )
        with as_written(self._eager):
            return self._pipeline.denoise(latents.to(self._device), timesteps.to(self._device), there)


def describe(certificate: Certificate) -> str:
    """A certificate in a line, for the log."""
    promise = "the same bits" if certificate.reproducibility == "exact" else f"{certificate.tolerance:.1e} apart"
    milliseconds = ", ".join(
        f"{size}: {seconds * 1000:.0f}" for size, seconds in zip(certificate.buckets, certificate.seconds, strict=True)
    )
    size = f"{certificate.height} × {certificate.width}"
    return f"{certificate.model} at {size}: {promise} in forwards of (ms) {milliseconds}"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _read(file: Path) -> Certificate | None:
    try:
        content = json.loads(file.read_text())
        listed = {name: tuple(content[name]) for name in ("buckets", "seconds")}
        return Certificate(**content | listed | {"setting": Setting(*content["setting"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _write(file: Path, certificate: Certificate) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".tmp")
    unfinished.write_text(json.dumps(asdict(certificate)))
    unfinished.replace(file)
