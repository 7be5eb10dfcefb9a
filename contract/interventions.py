"""Interventions: what a request may change in some of the steps of its picture, and keep in the others."""

from typing import Annotated, Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_INTERVENTIONS = 16
MAX_TOKEN = 1023
MAX_SCALE = 30.0
MAX_STRENGTH = 4.0
LEAST_FACTOR, MOST_FACTOR = -2.0, 4.0

BlockName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$", max_length=200)]

TOKEN = "The token's place in the prompt as the text encoder reads it, from 0, its first mark included."


class Kind(BaseModel):
    """One change, in the steps from `step_from` to before `step_to`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    step_from: int | None = Field(
        default=None,
        ge=0,
        description="The first step that is changed, from 0; null is the first of all, or of the branch.",
        examples=[0],
    )
    step_to: int | None = Field(
        default=None,
        ge=1,
        description="The first step that is not changed any more; null is none, so that the last is changed too.",
        examples=[20],
    )

    def acts_in(self, step: int) -> bool:
        """Whether a step, from 0, is changed."""
        return (self.step_from or 0) <= step and (self.step_to is None or step < self.step_to)


class MuteToken(Kind):
    """As if nothing in the picture looked at a token. Source: Hertz et al. 2022, arXiv:2208.01626, section 3.2."""

    kind: Literal["mute_token"] = Field(description="Nothing in the picture looks at a token.", examples=["mute_token"])
    token: int = Field(ge=0, le=MAX_TOKEN, description=TOKEN, examples=[2])


class ScaleToken(Kind):
    """Attention to a token, multiplied. Source: Hertz et al. 2022, arXiv:2208.01626, section 3.2, re-weighting."""

    kind: Literal["scale_token"] = Field(description="A token counts more or less.", examples=["scale_token"])
    token: int = Field(ge=0, le=MAX_TOKEN, description=TOKEN, examples=[2])
    factor: float = Field(
        ge=LEAST_FACTOR,
        le=MOST_FACTOR,
        description="What attention to it is multiplied by: 1 changes nothing, 0 mutes it.",
        examples=[2.0],
    )


class SetGuidance(Kind):
    """Another scale of classifier-free guidance. Source: Ho & Salimans 2022, arXiv:2207.12598, equation 6."""

    kind: Literal["set_guidance"] = Field(
        description="Another scale of classifier-free guidance.", examples=["set_guidance"]
    )
    scale: float = Field(
        ge=-MAX_SCALE,
        le=MAX_SCALE,
        description="How far from the negative prompt's prediction, 0, to the prompt's, 1, and beyond; unlike "
        "`guidance_scale`, it means that below 1 as well.",
        examples=[1.0],
    )


class SwapPrompt(Kind):
    """Another prompt. Source: Balaji et al. 2022, arXiv:2211.01324, section 3, which switches prompts on the way."""

    kind: Literal["swap_prompt"] = Field(description="Another prompt, or negative prompt.", examples=["swap_prompt"])
    prompt: str | None = Field(
        default=None, max_length=2000, description="What the picture shows; null keeps it.", examples=["a blue apple"]
    )
    negative_prompt: str | None = Field(
        default=None, max_length=2000, description="What it must not show; null keeps it.", examples=[None]
    )


class AddNoise(Kind):
    """Noise beside the image's own. Source: Karras et al. 2022, arXiv:2206.00364, Algorithm 2, line 6."""

    kind: Literal["add_noise"] = Field(description="Noise, before each of the steps.", examples=["add_noise"])
    strength: float = Field(
        gt=0,
        le=MAX_STRENGTH,
        description="How much: its deviation over that of the noise which is there in that step.",
        examples=[0.5],
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        le=2**53 - 1,
        description="Where it comes from; each step has noise of its own. Null takes the request's seed.",
        examples=[7],
    )


class SkipBlock(Kind):
    """The network without one of its blocks. Source: Huang et al. 2016, arXiv:1603.09382, equation 2."""

    kind: Literal["skip_block"] = Field(
        description="A block of the network passes on what it is given.", examples=["skip_block"]
    )
    block: BlockName = Field(
        description="Its name in `GET /v1/models/{id}/architecture`, where it says `can_skip`.", examples=["mid_block"]
    )


Intervention = Annotated[
    MuteToken | ScaleToken | SetGuidance | SwapPrompt | AddNoise | SkipBlock, Field(discriminator="kind")
]

InterventionKind = Literal["mute_token", "scale_token", "set_guidance", "swap_prompt", "add_noise", "skip_block"]
INTERVENTION_KINDS: tuple[InterventionKind, ...] = get_args(InterventionKind)


class Moment(NamedTuple):
    """What holds in one step. `guidance_scale` is None where guidance is as the request says.

    `factors` are those of tokens that do not count 1, `skipped` names blocks.
    """

    prompt: str
    negative_prompt: str
    guidance_scale: float | None = None
    factors: tuple[tuple[int, float], ...] = ()
    skipped: tuple[str, ...] = ()


def in_force(moment: Moment, intervene: tuple[Intervention, ...], step: int) -> Moment:
    """What holds in a step, where `moment` would without interventions.

    Of two that say the same thing differently, the later one in the list holds; factors of one token are multiplied.
    """
    factors: dict[int, float] = {}
    skipped: set[str] = set()
    for one in intervene:
        if not one.acts_in(step):
            continue
        match one:
            case MuteToken():
                factors[one.token] = 0.0
            case ScaleToken():
                factors[one.token] = factors.get(one.token, 1.0) * one.factor
            case SetGuidance():
                moment = moment._replace(guidance_scale=one.scale)
            case SwapPrompt():
                moment = moment._replace(
                    prompt=moment.prompt if one.prompt is None else one.prompt,
                    negative_prompt=moment.negative_prompt if one.negative_prompt is None else one.negative_prompt,
                )
            case SkipBlock():
                skipped.add(one.block)
    heard = tuple(sorted((token, factor) for token, factor in factors.items() if factor != 1.0))
    return moment._replace(factors=heard, skipped=tuple(sorted(skipped)))
