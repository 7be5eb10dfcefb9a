"""From the ids in a request to what its rows ask of the network, and its prompts of the text encoders."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import torch

from contract.adapter_specs import AdapterSpec
from contract.adapters import AdapterUse
from contract.errors import ModelUnavailable, SafelightError, UnknownAdapter
from contract.inputs import WeightsReference
from contract.request import CompleteRequest
from worker.control import Control, load_control, read_control_picture
from worker.digests import digest_of, file_digests
from worker.image_prompt import load_ip_adapter
from worker.inputs import Inputs
from worker.lexicon import Accent
from worker.loading import model_path
from worker.lora_files import is_lora, read_lora
from worker.residency import P
from worker.steering import Steering
from worker.stepwise_pipeline import StepwisePipeline
from worker.textual_inversion import Inversion, read_inversions, require_fit

CONTROL_FILES = ("config.json", "diffusion_pytorch_model*.safetensors*")


class Parts(Protocol):
    """Who keeps in memory what is loaded; what is acquired stays until it is released."""

    def acquire_part(self, part_id: str, load: Callable[[], P], expected_bytes: int, *, beside: Sequence[str]) -> P:
        """A part, loaded if it is not in memory; `beside` is what the caller holds already, its model first."""
        ...

    def release(self, model_id: str) -> None:
        """One user less."""
        ...


@dataclass(frozen=True, eq=False, slots=True)
class Adaptation:
    """What one image adds to its model.

    `steering` is of all of its rows, `prompted` and `unprompted` of those with and without the prompt. `held` names
    what is in memory for it, `digests` the files that it was read from, by the ids of adapters.
    """

    steering: tuple[Steering, ...] = ()
    prompted: tuple[Steering, ...] = ()
    unprompted: tuple[Steering, ...] = ()
    controls: tuple[Control, ...] = ()
    accents: tuple[Accent, ...] = ()
    inversions: tuple[Inversion, ...] = ()
    held: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_steered(self) -> bool:
        """Whether any row is ever different from those of the model itself."""
        return bool(self.steering or self.prompted or self.unprompted or self.controls)

    def steering_of(self, *, prompt: bool) -> tuple[Steering, ...]:
        """What a row asks of the network."""
        return (*self.steering, *(self.prompted if prompt else self.unprompted))

    def controls_in(self, step: int, num_steps: int) -> tuple[Control, ...]:
        """What a row is held to in this step, from 0."""
        return tuple(one for one in self.controls if one.use.scale and one.use.counts_in(step, num_steps))


UNADAPTED = Adaptation()


class Adapters:
    """The adapters of a catalogue, and those that requests bring along. For one thread."""

    def __init__(self, specs: Sequence[AdapterSpec], parts: Parts) -> None:
        self._specs = specs
        self._parts = parts
        self._folders: dict[str, str] = {}

    def adapt(self, request: CompleteRequest, pipeline: StepwisePipeline, inputs: Inputs) -> Adaptation:
        """What the request adds to its model, which the caller holds.

        Raises: UnknownAdapter, AdapterMismatch, DamagedFile, ModelUnavailable.
        """
        if not (request.adapters or request.control or request.image_prompt):
            return UNADAPTED
        with ExitStack() as failing:
            fitting = _Fitting(self._specs, self._parts, request, pipeline, inputs, failing, self._folders)
            accents, inversions = fitting.weights()
            prompted, unprompted = fitting.pictured()
            network = pipeline.parts["unet"]
            asked = [one.lora.steering("unet", network, one.scale) for one in accents if one.lora is not None]
            adaptation = Adaptation(
                steering=tuple(steering for steering in asked if steering is not None),
                prompted=prompted,
                unprompted=unprompted,
                controls=fitting.controls(),
                accents=tuple(accent for accent in accents if accent.is_heard),
                inversions=inversions,
                held=tuple(fitting.held),
                digests=fitting.digests,
            )
            failing.pop_all()
            return adaptation

    def release(self, adaptation: Adaptation) -> None:
        """Lets go of what is in memory for an image. May be called by any thread."""
        for part_id in adaptation.held:
            self._parts.release(part_id)

    @contextmanager
    def adapted(self, request: CompleteRequest, pipeline: StepwisePipeline, inputs: Inputs) -> Iterator[Adaptation]:
        """As `adapt`; lets go of it if something goes wrong meanwhile."""
        with torch.no_grad():
            adaptation = self.adapt(request, pipeline, inputs)
        try:
            yield adaptation
        except BaseException:
            self.release(adaptation)
            raise


@dataclass(frozen=True)
class _Fitting:
    """One request's adapters on their way to one model; what is `held` is let go of again where `failing` is closed.

    `folders` has the digests of folders as they were when they were last loaded, by the ids of adapters.
    """

    specs: Sequence[AdapterSpec]
    parts: Parts
    request: CompleteRequest
    pipeline: StepwisePipeline
    inputs: Inputs
    failing: ExitStack
    folders: dict[str, str]
    held: list[str] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)

    def weights(self) -> tuple[tuple[Accent, ...], tuple[Inversion, ...]]:
        """What `adapters` names, by kinds."""
        accents: list[Accent] = []
        inversions: list[Inversion] = []
        encoders = [network for name, network in self.pipeline.parts.items() if name != "unet"]
        for place, use in enumerate(self.request.adapters):
            with _blaming(f"adapters.{place}.id"):
                found = self._weights(use)
                if isinstance(found, Accent):
                    accents.append(found)
                else:
                    inversions += found
                    require_fit(inversions, encoders)
        return tuple(accents), tuple(inversions)

    def controls(self) -> tuple[Control, ...]:
        """What `control` names."""
        unet, scale_factor = self.pipeline.parts["unet"], self.pipeline.vae_scale_factor
        found: list[Control] = []
        for place, use in enumerate(self.request.control):
            with _blaming(f"control.{place}.id"):
                folder = self._folder(self._spec(use.id), CONTROL_FILES)
                net = self._from_folder(use.id, partial(load_control, folder, unet, scale_factor), folder)
            with _blaming(f"control.{place}.image"):
                picture = read_control_picture(self.inputs[use.image], self.request.height, self.request.width)
            found.append(Control(net, picture, use))
        return tuple(found)

    def pictured(self) -> tuple[tuple[Steering, ...], tuple[Steering, ...]]:
        """What `image_prompt` asks of rows with the prompt, and of those without."""
        use, unet = self.request.image_prompt, self.pipeline.parts["unet"]
        if use is None or use.scale == 0:
            return (), ()
        with _blaming("image_prompt.id"):
            spec = self._spec(use.id)
            encoder, file = f"{spec.image_encoder}", f"{spec.file}"
            folder = self._folder(spec, (file, f"{encoder}/*"))
            adapter = self._from_folder(use.id, lambda: load_ip_adapter(folder / file, folder / encoder, unet), folder)
        with _blaming("image_prompt.image"):
            prompted, unprompted = adapter.steering(unet, self.inputs[use.image], use.scale)
        return (prompted,), (unprompted,)

    def _spec(self, adapter_id: str) -> AdapterSpec:
        """The row that the request names. Raises: UnknownAdapter, where this worker reads another catalogue."""
        found = next((spec for spec in self.specs if spec.id == adapter_id), None)
        if found is None:
            raise UnknownAdapter(f"There is no adapter {adapter_id!r} here.")
        return found

    def _weights(self, use: AdapterUse) -> Accent | tuple[Inversion, ...]:
        content = self._content(use.id)
        self.digests[str(use.id)] = digest = hashlib.sha256(content).hexdigest()
        if not is_lora(content):
            return read_inversions(content, str(use.id), weight=use.scale)
        lora = self._acquired(digest, lambda: read_lora(content, self.pipeline.parts), len(content))
        return Accent(digest, use.scale, lora)

    def _content(self, adapter_id: str) -> bytes:
        if isinstance(adapter_id, WeightsReference):
            return self.inputs[adapter_id]
        spec = self._spec(adapter_id)
        file = self._folder(spec, (f"{spec.file}",)) / f"{spec.file}"
        try:
            return file.read_bytes()
        except OSError as error:
            raise ModelUnavailable(f"{file} cannot be read: {error}") from error

    def _folder(self, spec: AdapterSpec, hub_files: Sequence[str]) -> Path:
        return model_path(spec.source, hub_files)

    def _from_folder(self, adapter_id: str, load: Callable[[], P], folder: Path) -> P:
        """As `_acquired`; what is read of the folder is digested whenever it is loaded."""

        def digested() -> P:
            files = [file for kind in ("*.safetensors", "*.json") for file in folder.rglob(kind)]
            self.folders[adapter_id] = digest_of(file_digests(folder, files))
            return load()

        part = self._acquired(adapter_id, digested, folder)
        self.digests[adapter_id] = self.folders[adapter_id]
        return part

    def _acquired(self, name: str, load: Callable[[], P], size: Path | int) -> P:
        """Something for this model, which stays in memory as long as the image is in flight."""
        part_id = f"{name} for {self.request.model}"
        num_bytes = size if isinstance(size, int) else sum(file.stat().st_size for file in size.rglob("*.safetensors"))
        part = self.parts.acquire_part(part_id, load, num_bytes, beside=[self.request.model, *self.held])
        self.failing.callback(self.parts.release, part_id)
        self.held.append(part_id)
        return part


@contextmanager
def _blaming(field: str) -> Iterator[None]:
    """Says which field of the request is to blame for what goes wrong meanwhile."""
    try:
        yield
    except SafelightError as error:
        raise type(error)(error.message, field=field) from error
