"""From an order to a result: which method a name means, and what is found out about what was learnt."""

import time
from collections.abc import Sequence

import torch

from contract.catalogue import Catalogue, ModelSpec
from contract.errors import TrainingDiverged, UnsupportedModel
from contract.fine_tuning import Card, CompleteFineTune, Nearest
from contract.fine_tuning import Method as Name
from contract.job import JobFailure
from contract.versions import SAFELIGHT
from worker.devices import Placement
from worker.fine_tuning import examination
from worker.fine_tuning.checkpoint import Checkpoint
from worker.fine_tuning.examination import Findings
from worker.fine_tuning.grids import columns_of, sample_seeds
from worker.fine_tuning.image_conditional import ImageConditional
from worker.fine_tuning.learners import LowRank, Whole, Word
from worker.fine_tuning.material import held_out_kind, square
from worker.fine_tuning.messages import Failed, ResultFile, Taught, Teach
from worker.fine_tuning.method import Curriculum, MakeMethod, Method
from worker.fine_tuning.run import Run, Tell
from worker.fine_tuning.text_to_image import TextToImage
from worker.loading import load_pipeline
from worker.pipelines.stable_diffusion import StableDiffusion

METHODS: dict[Name, MakeMethod] = {
    "lora": lambda curriculum: TextToImage(curriculum, LowRank(curriculum)),
    "dreambooth": lambda curriculum: TextToImage(curriculum, LowRank(curriculum)),
    "textual_inversion": lambda curriculum: TextToImage(curriculum, Word(curriculum)),
    "full": lambda curriculum: TextToImage(curriculum, Whole(curriculum)),
    "image_conditional": ImageConditional,
}

MAX_POINTS = 200
"""Of a card's curve."""


def teach(order: Teach, spec: ModelSpec, catalogue: Catalogue, tell: Tell) -> None:
    """Carries out an order, and tells what becomes of it. Raises: SafelightError."""
    del catalogue
    started = time.monotonic()
    request = order.request
    method = METHODS[request.method](Curriculum(request, spec, _model(spec), order.lessons))
    before = examination.examine(method, _without_trigger(request))
    run = Run(request, method, order.folder, _prompts(order), tell)
    if order.checkpoint is not None:
        run.resume(order.checkpoint)
    try:
        run.to_end()
    except TrainingDiverged as error:
        files = method.files(order.folder) if run.go_back() else ()
        tell(Failed(JobFailure.of(error), files))
        return
    card = _card(order, method, before, run.losses, time.monotonic() - started)
    tell(Taught(method.files(order.folder), card))


def conclude(order: Teach, spec: ModelSpec) -> tuple[ResultFile, ...]:
    """What the checkpoint of an order gives, for a run that goes on no more. Raises: SafelightError, OSError."""
    method = METHODS[order.request.method](Curriculum(order.request, spec, _model(spec), order.lessons))
    if order.checkpoint is None:
        return ()
    method.load(dict(Checkpoint.read(order.checkpoint).learnt))
    return method.files(order.folder)


def _model(spec: ModelSpec) -> StableDiffusion:
    """The model in float32, whatever its weights are stored in, laid out in memory as is fastest."""
    model = load_pipeline(spec, Placement(torch.device("cpu"), torch.float32))
    if not isinstance(model, StableDiffusion):
        raise UnsupportedModel(f"{spec.id} is of a family that cannot be taught yet.", field="model")
    model.network.to(memory_format=torch.channels_last)
    return model


def _prompts(order: Teach) -> tuple[str, ...]:
    """What the grids show: what is asked for, or else the trigger, or else the first caption."""
    return order.request.validation_prompts or (order.request.trigger or order.lessons[0].caption,)


def _without_trigger(request: CompleteFineTune) -> tuple[str, ...]:
    """What is drawn to see how far a model has drifted: nothing of one that draws no prompts."""
    return () if request.method == "image_conditional" else examination.PROMPTS_WITHOUT_TRIGGER


def _card(order: Teach, method: Method, before: Findings, losses: Sequence[float], seconds: float) -> Card:
    request = order.request
    after = examination.examine(method, _without_trigger(request))
    near = _nearest(order, method) if after.pictures else ()
    return Card(
        dataset_digest=request.dataset_digest,
        num_pictures=len(order.lessons),
        recipe=request.again,
        losses=_curve(losses),
        held_out=held_out_kind(len(order.lessons)),
        held_out_loss_before=before.held_out_loss,
        held_out_loss_after=after.held_out_loss,
        drift=examination.drift(before.pictures, after.pictures) if after.pictures else None,
        nearest_training_distance=near,
        memorised=examination.memorised(near) if near else None,
        measures=method.measures(),
        seconds=seconds,
        safelight_version=SAFELIGHT,
    )


def _nearest(order: Teach, method: Method) -> tuple[Nearest, ...]:
    """How near the samples of the last grid are to what was taught."""
    prompts, seeds = _prompts(order), sample_seeds(order.request)
    taught = [square(lesson.picture, order.request.resolution) for lesson in order.lessons]
    return examination.nearest(columns_of(method, prompts, seeds), seeds, prompts, taught)


def _curve(losses: Sequence[float]) -> tuple[tuple[int, float], ...]:
    """At most so many points, each the mean of the steps up to it."""
    stride = -(-len(losses) // MAX_POINTS)
    parts = [losses[start : start + stride] for start in range(0, len(losses), stride)]
    return tuple((min((place + 1) * stride, len(losses)), sum(part) / len(part)) for place, part in enumerate(parts))
