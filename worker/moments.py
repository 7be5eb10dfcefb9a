"""What holds in each step of one image: what its rows are told, and what they ask of the network in that step alone."""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from contract.errors import InvalidRequest, UnsupportedIntervention
from contract.guidance import ALWAYS, ClassifierFree
from contract.interventions import AddNoise, MuteToken, ScaleToken, SetGuidance, SkipBlock
from contract.interventions import Moment as Asked
from contract.request import CompleteRequest
from worker.guiders import Rescaling
from worker.latents import draw_noise, seeded_generator
from worker.lexicon import Lexicon
from worker.prompt_cache import PromptCache, Wanted
from worker.sigmas import Level
from worker.skipping import Skipping, block_to_skip
from worker.stages import Part, Role
from worker.steering import Steering
from worker.stepwise_pipeline import PromptEmbeds, StepwisePipeline
from worker.token_attention import TokensScaled


@dataclass(frozen=True, eq=False, slots=True)
class Moment:
    """One step; steps in which the same holds share one.

    `embeds` has what each kind of row is told, `guidance_scale` what networks are told that take it as an input;
    `steering` is of all rows, `prompted` of those with the prompt.
    """

    embeds: Mapping[Role, PromptEmbeds]
    guidance_scale: float = 1.0
    steering: tuple[Steering, ...] = ()
    prompted: tuple[Steering, ...] = ()

    def steering_of(self, *, prompt: bool) -> tuple[Steering, ...]:
        """What a row asks of the network in this step."""
        return (*self.steering, *(self.prompted if prompt else ()))


def moments_of(
    request: CompleteRequest,
    pipeline: StepwisePipeline,
    prompts: PromptCache,
    lexicon: Lexicon,
    steps: Sequence[tuple[Asked, Collection[Role]]],
) -> tuple[Moment, ...]:
    """What holds in each of the steps of an image, of which these are what is asked and the roles of the rows.

    Raises: UnsupportedIntervention, InvalidRequest, naming the field; and as the pipeline where it reads prompts.
    """
    check_network(request, pipeline)
    asked = [(each, "negative" in roles) for each, roles in steps]
    wanted = dict.fromkeys(one for each, negative in asked for one in _wanted(each, negative, request))
    read = dict(zip(wanted, prompts.encode_prompts(pipeline, list(wanted), lexicon), strict=True))
    known = {pair: _moment(pair[0], [read[one] for one in _wanted(*pair, request)], request) for pair in set(asked)}
    moments = tuple(known[pair] for pair in asked)
    _check_tokens(request, moments)
    return moments


def asked_in(request: CompleteRequest, num_steps: int) -> list[Asked]:
    """What is asked of so many steps: some schedules round their number up, and then the last one lasts for two."""
    asked = request.moments
    return [asked[min(step, len(asked) - 1)] for step in range(num_steps)]


def _wanted(asked: Asked, negative: bool, request: CompleteRequest) -> Iterator[Wanted]:
    """The prompts of a step: its own, and the negative one where that has a row."""
    yield Wanted(asked.prompt, negative=request.remove)
    if negative:
        yield Wanted(asked.negative_prompt, negative=True)


def _moment(asked: Asked, read: Sequence[PromptEmbeds], request: CompleteRequest) -> Moment:
    prompt, *negative = read
    embeds: dict[Role, PromptEmbeds] = {"prompt": prompt, "perturbed": prompt, "nothing": (negative or read)[0]}
    scale = request.guidance_scale or 1.0 if asked.guidance_scale is None else asked.guidance_scale
    return Moment(
        embeds | ({"negative": negative[0]} if negative else {}),
        scale,
        (Skipping(asked.skipped),) if asked.skipped else (),
        (TokensScaled(asked.factors),) if asked.factors else (),
    )


class Scales:
    """The kinds of guidance of a request in steps whose scale of classifier-free guidance is set to something else."""

    def __init__(self, request: CompleteRequest, pipeline: StepwisePipeline, parts: Sequence[Part]) -> None:
        self._own = next((one for one in request.guidance if isinstance(one, ClassifierFree)), None)
        self._usual = tuple(parts)
        self._known: dict[float | None, tuple[Part, ...]] = {None: self._usual}
        self._embedded = pipeline.embeds_guidance

    def parts(self, scale: float | None) -> tuple[Part, ...]:
        """What is at work at a scale; equal ones are the same objects, so that evaluations share their stages."""
        if self._embedded:
            return self._usual
        if scale not in self._known:
            others = [part for part in self._usual if part.scale is None]
            self._known[scale] = (*others, *([] if scale == 1 else [self._part(scale)]))
        return self._known[scale]

    def _part(self, scale: float | None) -> Part:
        rescale = 0.0 if self._own is None else self._own.rescale
        return Part(ALWAYS, ("negative",), scale, Rescaling(rescale) if rescale else None)


def check_network(request: CompleteRequest, pipeline: StepwisePipeline) -> None:
    """Holds interventions against the network. Raises: UnsupportedIntervention, naming the field."""
    for index, one in enumerate(request.intervene):
        if isinstance(one, SkipBlock):
            try:
                block_to_skip(pipeline.network, one.block)
            except UnsupportedIntervention as error:
                raise UnsupportedIntervention(error.message, field=f"intervene.{index}.block") from error
        if isinstance(one, SetGuidance) and pipeline.embeds_guidance and one.scale < 0:
            raise UnsupportedIntervention(
                f"{request.model} takes the guidance scale as an input, and knows none below 0.",
                field=f"intervene.{index}.scale",
            )


def _check_tokens(request: CompleteRequest, moments: Sequence[Moment]) -> None:
    """Holds tokens against the prompts of their steps. Raises: InvalidRequest, naming the field."""
    for index, one in enumerate(request.intervene):
        if not isinstance(one, MuteToken | ScaleToken):
            continue
        for step in (step for step in range(len(moments)) if one.acts_in(step)):
            embeds = moments[step].embeds["prompt"]
            plain = request.prompt_syntax == "plain"
            num_tokens = embeds.num_tokens_used if plain else embeds.prompt_embeds.shape[1]
            if one.token >= num_tokens:
                raise InvalidRequest(
                    f"intervene.{index}.token is {one.token}, and the prompt of step {step} has {num_tokens} tokens, "
                    "its marks at both ends included.",
                    field=f"intervene.{index}.token",
                )


def disturbed(request: CompleteRequest, step: int, latents: Tensor, level: Level) -> Tensor:
    """Latents at the start of a step, with what noise is to be added there.

    Each step has noise of its own, so that a step is disturbed in the same way whichever others are.
    Shapes: latents (1, C, H, W), the level (); result like latents.
    Source: Karras et al. 2022, arXiv:2206.00364, Algorithm 2, line 6; the network is told the level without it.
    """
    for one in request.intervene:
        if isinstance(one, AddNoise) and one.acts_in(step):
            generator = seeded_generator(_seed(one.seed or 0, step))
            noise = draw_noise(tuple(latents.shape), generator, latents.device)
            latents = latents + one.strength * level.sigma.to(latents.device) * noise
    return latents


def _seed(seed: int, step: int) -> int:
    """Another one than that of the image's own noise. Units: below 2 to the power of 63."""
    return int.from_bytes(hashlib.sha256(f"noise {seed} {step}".encode()).digest()[:8]) >> 1
