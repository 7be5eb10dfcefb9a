"""The kinds of guidance at work: from what a request asks to what each evaluation of an image takes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from contract.errors import UnsupportedClassifier, UnsupportedGuidance
from contract.guidance import (
    AdaptiveProjected,
    ByClassifier,
    ClassifierFree,
    ClassifierFreeOnManifold,
    Guidance,
    PerturbedAttention,
    Universal,
    price,
)
from contract.request import CompleteRequest
from worker import guidance
from worker.classifiers import Classifier, LatentsClassifier, PixelsClassifier
from worker.gradients import MAX_SHIFT, of_log_probability
from worker.schedules import Schedule
from worker.sigmas import Level
from worker.stages import Outputs, Part, Seen, Shifted
from worker.stepwise_pipeline import StepwisePipeline

Loaded = Mapping[str, Classifier]
"""The classifiers that a request names, by their ids."""


def guided(schedule: Schedule, asked: Sequence[Guidance], parts: Sequence[Part]) -> Schedule:
    """The schedule as guidance changes it. Raises: UnsupportedScheduler."""
    if any(isinstance(one, ClassifierFreeOnManifold) for one in asked):
        schedule = schedule.with_renoising()
    pulling = [part for part in parts if part.energy is not None]
    return schedule.with_recurrence(price(asked).recurrence, lambda here: any(part.acts(here) for part in pulling))


def parts_of(request: CompleteRequest, pipeline: StepwisePipeline, classifiers: Loaded) -> tuple[Part, ...]:
    """The kinds of guidance that a request names. Raises: UnsupportedGuidance, UnsupportedClassifier."""
    if pipeline.embeds_guidance:
        if request.guidance_scale is None:
            raise UnsupportedGuidance(
                f"{request.model} takes the guidance scale as an input, and no other guidance.", field="guidance"
            )
        return ()
    return tuple(part for one in request.guidance for part in _parts(one, pipeline, classifiers))


def _parts(one: Guidance, pipeline: StepwisePipeline, classifiers: Loaded) -> Iterator[Part]:
    match one:
        case ClassifierFree() if guidance.needs_guidance(one.scale):
            yield Part(one.interval, ("negative",), one.scale, Rescaling(one.rescale) if one.rescale else None)
        case ClassifierFreeOnManifold():
            yield Part(roles=("negative",), scale=one.scale)
        case AdaptiveProjected() if guidance.needs_guidance(one.scale):
            yield Part(one.interval, ("negative",), shifting=Projecting(one))
        case PerturbedAttention() if one.scale:
            yield Part(one.interval, ("perturbed",), mixing=Sharpening(one.scale))
        case ByClassifier() if one.scale:
            yield Part(one.interval, shifting=Nudging(_of_latents(classifiers[one.classifier]), one.label, one.scale))
        case Universal() if one.scale:
            classifier = _of_pixels(classifiers[one.classifier])
            yield Part(one.interval, energy=Unlikeliness(pipeline, classifier, one.label, one.scale))


def classifiers_of(request: CompleteRequest) -> frozenset[str]:
    """The classifiers that a request names."""
    return frozenset(one.classifier for one in request.guidance if isinstance(one, ByClassifier | Universal))


def _of_latents(classifier: Classifier) -> LatentsClassifier:
    if not isinstance(classifier, LatentsClassifier):
        raise UnsupportedClassifier("This classifier reads pictures, and no latents.", field="guidance")
    return classifier


def _of_pixels(classifier: Classifier) -> PixelsClassifier:
    if not isinstance(classifier, PixelsClassifier):
        raise UnsupportedClassifier("This classifier reads latents, and no pictures.", field="guidance")
    return classifier


@dataclass(frozen=True, slots=True)
class Rescaling:
    """Takes back some of the deviation that a large scale adds."""

    rescale: float

    def __call__(self, prediction: Tensor, outputs: Outputs) -> Tensor:
        return guidance.rescaled(prediction, outputs["prompt"], self.rescale)


@dataclass(frozen=True, slots=True)
class Sharpening:
    """Pushes away from what the network says without its sense of structure."""

    scale: float

    def __call__(self, prediction: Tensor, outputs: Outputs) -> Tensor:
        return guidance.perturbed_attention(prediction, outputs["prompt"], outputs["perturbed"], self.scale)


@dataclass(frozen=True, slots=True)
class Projecting:
    """Adaptive projected guidance, whose memory is the running sum of differences."""

    asked: AdaptiveProjected

    def __call__(self, seen: Seen) -> Shifted:
        conditional = seen.estimate(seen.outputs["prompt"])
        difference = conditional - seen.estimate(seen.outputs["negative"])
        running = guidance.averaged(difference, seen.memory, self.asked.momentum)
        one = self.asked
        return Shifted(
            guidance.adaptive_projected(conditional, running, one.scale, one.eta, one.norm_threshold), running
        )


@dataclass(frozen=True, slots=True)
class Nudging:
    """Follows a classifier of noisy latents, by a gradient of that classifier alone."""

    classifier: LatentsClassifier
    label: str
    scale: float

    def __call__(self, seen: Seen) -> Shifted:
        said = of_log_probability(self.classifier, self.label, seen.latents, seen.level)
        return Shifted(guidance.tilted(self.scale * said.gradient, seen.level, MAX_SHIFT), said=said)


@dataclass(frozen=True, slots=True)
class Unlikeliness:
    """How unlikely a label is for the picture that an estimate decodes to."""

    pipeline: StepwisePipeline
    classifier: PixelsClassifier
    label: str
    scale: float

    @property
    def max_shift(self) -> float:
        """As of other guidance."""
        return MAX_SHIFT

    def __call__(self, denoised: Tensor, level: Level) -> Tensor:
        picture = self.pipeline.decode_latents(denoised)
        return -self.scale * self.classifier.log_probability(picture, self.label).sum()
