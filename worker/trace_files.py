"""From a recording to the files of a trace: the document, maps as bytes, and pictures of latents."""

import math
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contract.catalogue import Family
from contract.trace_document import (
    ActivationsTraced,
    AttentionBlock,
    AttentionTraced,
    AutoencoderTraced,
    ClassifierTraced,
    GuidanceSprite,
    GuidanceTraced,
    LevelTraced,
    NetworkBlock,
    SecondsTraced,
    SpriteTraced,
    StepTraced,
    TraceDocument,
)
from contract.traces import FileName
from worker.denoiser import DENOISERS
from worker.images import Pixels
from worker.messages import TracePart
from worker.png import write_png
from worker.recording import Recording, StepSeen
from worker.schedules import Evaluation
from worker.sprites import Array, Colours, differing, fitted, grey, sheet, side_by_side
from worker.watching import LARGEST_SIDE, BlockSeen, shrunk

WITHHELD = "Its pictures are not shown: pictures of this model are looked at before they are."


class TraceFiles:
    """The files of one trace. For the thread that writes files."""

    def __init__(self, recording: Recording, family: Family, *, withheld: bool = False) -> None:
        """`withheld` says that nobody may see a picture that its model's checker has not looked at."""
        self._recording = recording
        self._family = family
        self._withheld = withheld
        self._sidecars: list[TracePart] = []

    def written(self) -> tuple[TracePart, ...]:
        """All files, the document first."""
        document = self._document()
        written = document.model_dump_json().encode()
        return (TracePart("trace", "application/json", written), *self._sidecars)

    def _document(self) -> TraceDocument:
        recording = self._recording
        request = recording.request
        blocks, activations = self._blocks()
        return TraceDocument(
            model=request.model,
            family=self._family,
            height=request.height,
            width=request.width,
            num_inference_steps=request.num_inference_steps,
            seed=request.seed,
            guidance_scale=request.guidance_scale,
            scheduler=request.scheduler,
            tokens=list(recording.legend.tokens),
            truncated=recording.legend.truncated,
            text=recording.legend.text(recording.states) if recording.asked.text else None,
            schedule=[_level(step, seen.evaluation) for step, seen in recording.steps.items()],
            steps=[self._step(step, seen) for step, seen in recording.steps.items()],
            blocks=blocks,
            activations=activations,
            attention=self._attention(),
            **self._pictures(),
            seconds=SecondsTraced(
                text_encoder=recording.text_seconds,
                network=sum(recording.seconds.values()),
                autoencoder=recording.decode_seconds,
                total=recording.total_seconds,
            ),
            notes=[*recording.notes, *([WITHHELD] if self._withheld else [])],
        )

    # ---- numbers

    def _step(self, step: int, seen: StepSeen) -> StepTraced:
        level = _level(step, seen.evaluation)
        said = self._recording.said.get(step)
        classifier = None
        if said is not None and said.log_probability is not None:
            classifier = ClassifierTraced(
                log_probability=said.log_probability.item(), gradient_norm=said.gradient.norm().item()
            )
        return StepTraced(
            step=step,
            sigma=level.sigma,
            snr=level.snr,
            seconds=self._recording.seconds.get(step, 0.0),
            guidance=_guidance(seen),
            classifier=classifier,
        )

    # ---- maps

    def _blocks(self) -> tuple[list[NetworkBlock], ActivationsTraced | None]:
        watch = self._recording.watch
        if watch is None:
            return [], None
        found, packed = [], b""
        for name, block in watch.blocks.items():
            described, maps = _network_block(name, block, len(packed))
            found.append(described)
            packed += maps
        self._keep("activations", "application/octet-stream", packed)
        return found, ActivationsTraced(file="activations", steps=len(self._recording.steps))

    def _attention(self) -> AttentionTraced | None:
        watch = self._recording.watch
        if watch is None:
            return None
        found, packed = [], b""
        for name, steps in watch.attention.items():
            described, maps = _attention_block(name, steps, len(packed))
            found.append(described)
            packed += maps
        self._keep("attention", "application/octet-stream", packed)
        num_tokens = len(self._recording.legend.tokens)
        return AttentionTraced(file="attention", steps=len(self._recording.steps), tokens=num_tokens, blocks=found)

    # ---- pictures

    def _pictures(self) -> dict[str, Any]:
        """What of the document is about pictures; nothing where nobody may see any."""
        recording = self._recording
        asked = recording.asked
        shown: dict[str, Any] = dict.fromkeys(("latents", "guidance", "autoencoder"))
        if self._withheld or recording.latents is None or recording.pixels is None:
            return shown
        latents = _array(recording.latents)
        colours = fitted(latents, recording.pixels)
        steps = list(recording.steps.values())
        if asked.latents:
            shown["latents"] = self._latents(steps, colours)
        if asked.guidance and all(seen.unprompted is not None for seen in steps):
            shown["guidance"] = self._guidance(steps, colours)
        if recording.again is not None:
            shown["autoencoder"] = self._autoencoder(latents, recording.pixels, recording.again)
        return shown

    def _latents(self, steps: Sequence[StepSeen], colours: Colours) -> SpriteTraced:
        noisy = [colours.of(_array(seen.latents) / _deviation(seen.evaluation)) for seen in steps]
        denoised = [colours.of(_array(seen.denoised)) for seen in steps]
        self._keep_picture("latents", sheet([noisy, denoised]))
        return SpriteTraced(file="latents", rows=["noisy", "denoised"], **_sprite(noisy, colours))

    def _guidance(self, steps: Sequence[StepSeen], colours: Colours) -> GuidanceSprite:
        estimate = DENOISERS[self._recording.output]
        rows: list[list[Pixels]] = [[], [], []]
        scales = []
        for seen in steps:
            pair = [
                _array(estimate(raw, seen.latents, seen.evaluation.here))
                for raw in (seen.prompted, seen.unprompted)
                if raw is not None
            ]
            apart = np.abs(pair[0] - pair[1]).mean(axis=0)
            scales.append(float(apart.max()))
            for row, tile in zip(rows, (*map(colours.of, pair), grey(apart, 0.0, scales[-1])), strict=True):
                row.append(tile)
        self._keep_picture("guidance", sheet(rows))
        names = ["conditional", "unconditional", "difference"]
        return GuidanceSprite(file="guidance", rows=names, scales=scales, **_sprite(rows[0], colours))

    def _autoencoder(self, latents: Array, picture: Pixels, again: Pixels) -> AutoencoderTraced:
        channels = [
            (f"channel_{number}", grey(values, float(values.min()), float(values.max())))
            for number, values in enumerate(latents)
        ]
        three = [("picture", picture), ("round_trip", again), ("difference", differing(picture, again))]
        whole, tiles = side_by_side(three, channels)
        self._keep_picture("autoencoder", whole)
        return AutoencoderTraced(
            file="autoencoder",
            psnr=_psnr(picture, again),
            compression=picture.size / latents.size,
            shape=list(latents.shape),
            tiles=tiles,
        )

    def _keep(self, name: FileName, media_type: str, content: bytes) -> None:
        self._sidecars.append(TracePart(name, media_type, content))

    def _keep_picture(self, name: FileName, pixels: Pixels) -> None:
        self._keep(name, "image/png", write_png(pixels, MappingProxyType({})))


def _level(step: int, evaluation: Evaluation) -> LevelTraced:
    alpha, sigma = evaluation.here.alpha.item(), evaluation.here.sigma.item()
    return LevelTraced(
        step=step, timestep=evaluation.timestep.item(), alpha=alpha, sigma=sigma, snr=(alpha / sigma) ** 2
    )


def _guidance(seen: StepSeen) -> GuidanceTraced | None:
    if seen.prompted is None or seen.unprompted is None:
        return None
    prompted, unprompted = seen.prompted.flatten().double(), seen.unprompted.flatten().double()
    norm, without = (prompted - unprompted).norm().item(), unprompted.norm().item()
    cosine = torch.nn.functional.cosine_similarity(prompted, unprompted, dim=0).clamp(-1, 1).item()
    return GuidanceTraced(norm=norm, relative_norm=norm / without if without else 0.0, cosine=cosine)


def _network_block(name: str, block: BlockSeen, offset: int) -> tuple[NetworkBlock, bytes]:
    """One block, and its maps, which begin at `offset`."""
    whole = torch.stack(block.maps) / block.shape[0]
    maps = shrunk(whole, math.ceil(max(whole.shape[1:]) / LARGEST_SIDE)).numpy()
    maxima = maps.max(axis=(1, 2))
    described = NetworkBlock(
        name=name,
        kind=block.kind,
        shape=list(block.shape),
        num_parameters=block.num_parameters,
        mean_activation=whole.mean(dim=(1, 2)).tolist(),
        height=maps.shape[1],
        width=maps.shape[2],
        offset=offset,
        maxima=maxima.tolist(),
    )
    return described, _bytes_of(maps, maxima[:, None, None])


def _attention_block(name: str, steps: Sequence[Tensor], offset: int) -> tuple[AttentionBlock, bytes]:
    """Where one block looks, and its maps, which begin at `offset`. Shapes: steps (tokens, h, w)."""
    maps = torch.stack(list(steps)).numpy()
    scales = maps.max(axis=(0, 2, 3))
    height, width = maps.shape[2:]
    described = AttentionBlock(name=name, height=height, width=width, offset=offset, scales=scales.tolist())
    return described, _bytes_of(maps, scales[None, :, None, None])


def _array(latents: Tensor) -> Array:
    """Of (1, C, H, W), the one."""
    values: Array = latents[0].float().numpy()
    return values


def _deviation(evaluation: Evaluation) -> float:
    """Of noisy latents, where the clean ones have about 1."""
    return math.hypot(evaluation.here.alpha.item(), evaluation.here.sigma.item())


def _bytes_of(maps: Array, scales: Array) -> bytes:
    """Numbers from 0 to their scale, as bytes from 0 to 255."""
    return (maps / np.where(scales > 0, scales, 1) * 255).round().astype(np.uint8).tobytes()


def _sprite(tiles: Sequence[Pixels], colours: Colours) -> dict[str, Any]:
    height, width = tiles[0].shape[:2]
    return {
        "columns": len(tiles),
        "tile_width": width,
        "tile_height": height,
        "matrix": colours.matrix.tolist(),
        "offset": colours.offset.tolist(),
    }


def _psnr(picture: Pixels, again: Pixels) -> float | None:
    """Peak signal-to-noise ratio in decibels; None for equal pictures."""
    error = float(((picture.astype(np.float64) - again) ** 2).mean())
    return 10 * math.log10(255**2 / error) if error else None
