"""Guidance: the ways of steering a picture that a request may name, which of them go together, and what each costs."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag

from contract.errors import GuidanceConflict


class Price(NamedTuple):
    """What one call of the network costs, and how often each call is made.

    `num_rows` are rows of the network; `num_gradients` pass back through the network and the autoencoder,
    `num_classifier_gradients` through a classifier of latents alone.
    """

    num_rows: int = 0
    num_gradients: int = 0
    num_classifier_gradients: int = 0
    recurrence: int = 1


Fraction = Annotated[float, Field(ge=0, le=1)]

ALWAYS = (0.0, 1.0)


def _rising(interval: tuple[float, float]) -> tuple[float, float]:
    if interval[0] >= interval[1]:
        raise ValueError("the first number must be less than the second")
    return interval


Interval = Annotated[
    tuple[Fraction, Fraction],
    Field(
        strict=False,
        description="From where to where on the way from noise, 0, to the picture, 1. A level of noise σ and signal α "
        "is at 1 - 2/π · atan(σ/α), whatever the scheduler and the number of steps.",
        examples=[[0.0, 1.0]],
    ),
    AfterValidator(_rising),
]
"""Where a kind acts. Source: Kynkäänniemi et al. 2024, arXiv:2404.07724, whose range of σ it is, on a finite scale."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Recurrence = Annotated[int, Field(ge=1, le=10)]


class Kind(BaseModel):
    """One way of guiding."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @property
    @abstractmethod
    def price(self) -> Price:
        """What it adds to each call of the network, where its interval has it act."""


class ClassifierFree(Kind):
    """Away from the negative prompt's prediction. Source: Ho & Salimans 2022, arXiv:2207.12598."""

    kind: Literal["classifier_free"] = Field(description="Away from the negative prompt.", examples=["classifier_free"])
    scale: float = Field(ge=0, description="How far; up to 1 it is off.", examples=[4.0])
    rescale: Fraction = Field(
        default=0.0,
        description="How much of the contrast that a large scale adds is taken back (Lin et al. 2023).",
        examples=[0.0],
    )
    interval: Interval = ALWAYS

    @property
    def price(self) -> Price:
        """One row more."""
        return Price(num_rows=1 if self.scale > 1 else 0)


class ClassifierFreeOnManifold(Kind):
    """CFG++: between both predictions, the noise the negative one's. Source: Chung et al. 2024, arXiv:2406.08070."""

    kind: Literal["cfg_pp"] = Field(description="CFG++: gentle, for few steps.", examples=["cfg_pp"])
    scale: Fraction = Field(
        description="Where between the negative prompt's estimate, 0, and the prompt's, 1.", examples=[0.6]
    )

    @property
    def price(self) -> Price:
        """One row more."""
        return Price(num_rows=1)


class AdaptiveProjected(Kind):
    """APG: as classifier-free, less what oversaturates. Source: Sadat et al. 2024, arXiv:2410.02416."""

    kind: Literal["adaptive_projected"] = Field(
        description="APG: large scales without oversaturation.", examples=["adaptive_projected"]
    )
    scale: float = Field(ge=1, description="How far; 1 is off.", examples=[8.0])
    eta: Fraction = Field(
        default=0.0, description="How much is kept of the part along the estimate, which saturates.", examples=[0.0]
    )
    norm_threshold: float = Field(
        default=0.0,
        ge=0,
        description="The greatest length of the difference between both estimates; 0 is no limit.",
        examples=[0.0],
    )
    momentum: float = Field(
        default=-0.5, ge=-1, le=0, description="How much past differences count, against the new one.", examples=[-0.5]
    )
    interval: Interval = ALWAYS

    @property
    def price(self) -> Price:
        """One row more."""
        return Price(num_rows=1 if self.scale > 1 else 0)


class PerturbedAttention(Kind):
    """PAG: away from a prediction without a sense of structure. Source: Ahn et al. 2024, arXiv:2403.17377."""

    kind: Literal["perturbed_attention"] = Field(
        description="PAG: firmer structure, with or without a prompt.", examples=["perturbed_attention"]
    )
    scale: float = Field(ge=0, description="How far; 0 is off.", examples=[3.0])
    interval: Interval = ALWAYS

    @property
    def price(self) -> Price:
        """One row more."""
        return Price(num_rows=1 if self.scale > 0 else 0)


class ByClassifier(Kind):
    """Towards what a classifier of noisy latents knows. Source: Dhariwal & Nichol 2021, arXiv:2105.05233."""

    kind: Literal["classifier"] = Field(
        description="Towards a label of a classifier of latents.", examples=["classifier"]
    )
    classifier: Name = Field(description="An id from `GET /v1/classifiers`.", examples=["emoji-groups"])
    label: Name = Field(description="One of its labels.", examples=["animals"])
    scale: float = Field(ge=0, description="How far; 1 is what Bayes' rule says.", examples=[3.0])
    interval: Interval = ALWAYS

    @property
    def price(self) -> Price:
        """One gradient of a small network."""
        return Price(num_classifier_gradients=1 if self.scale > 0 else 0)


class Universal(Kind):
    """Towards what a classifier of pictures knows. Source: Bansal et al. 2023, arXiv:2302.07121."""

    kind: Literal["universal"] = Field(
        description="Towards a label of any classifier of pictures; slow.", examples=["universal"]
    )
    classifier: Name = Field(description="An id from `GET /v1/classifiers`.", examples=["emoji-groups-pixels"])
    label: Name = Field(description="One of its labels.", examples=["animals"])
    scale: float = Field(ge=0, description="How far; 1 is what Bayes' rule says.", examples=[3.0])
    recurrence: Recurrence = Field(
        default=3, description="How many times each step is made, from new noise each time.", examples=[3]
    )
    interval: Interval = ALWAYS

    @property
    def price(self) -> Price:
        """One gradient through everything, and each step several times."""
        return Price(num_gradients=1 if self.scale > 0 else 0, recurrence=self.recurrence if self.scale > 0 else 1)


Guidance = Annotated[
    ClassifierFree | ClassifierFreeOnManifold | AdaptiveProjected | PerturbedAttention | ByClassifier | Universal,
    Field(discriminator="kind"),
]

GuidanceKind = Literal[
    "classifier_free", "cfg_pp", "adaptive_projected", "perturbed_attention", "classifier", "universal"
]
GUIDANCE_KINDS: tuple[GuidanceKind, ...] = get_args(GuidanceKind)

MAX_KINDS = 8

Several = Annotated[tuple[Guidance, ...], Field(strict=False, min_length=1, max_length=MAX_KINDS)]


def _form(value: Any) -> str:
    return "list" if isinstance(value, list | tuple) else "object"


GuidanceAsked = Annotated[
    Annotated[Guidance, Tag("object")] | Annotated[Several, Tag("list")],
    Discriminator(_form),
]
"""One kind, or a list of them, whose corrections add up."""

AWAY_FROM_NEGATIVE = (ClassifierFree, ClassifierFreeOnManifold, AdaptiveProjected)
"""Kinds that each mean to say how the prompt's and the negative prompt's predictions become one."""


def listed(asked: Guidance | tuple[Guidance, ...] | None) -> tuple[Guidance, ...] | None:
    """What was asked as a list."""
    return asked if asked is None or isinstance(asked, tuple) else (asked,)


def short_form(guidance: Sequence[Guidance]) -> float | None:
    """The scale that says all there is to say, where one does."""
    if len(guidance) == 1 and isinstance(guidance[0], ClassifierFree):
        only = guidance[0]
        return only.scale if only == plain(only.scale) else None
    return None


def plain(scale: float) -> ClassifierFree:
    """What `guidance_scale` is short for."""
    return ClassifierFree(kind="classifier_free", scale=scale)


def check_together(guidance: Sequence[Guidance]) -> None:
    """Refuses what cannot be combined. Raises: GuidanceConflict."""
    kinds = [one.kind for one in guidance]
    rivals = [one.kind for one in guidance if isinstance(one, AWAY_FROM_NEGATIVE)]
    repeated = [kind for kind, count in Counter(kinds).items() if count > 1 and kind != "classifier"]
    if "cfg_pp" in kinds and len(kinds) > 1:
        raise GuidanceConflict(
            "cfg_pp changes how noise is added again, and so goes with nothing else.", field="guidance"
        )
    if repeated:
        raise GuidanceConflict(f"{repeated[0]} can be given only once.", field="guidance")
    if len(rivals) > 1:
        raise GuidanceConflict(f"Only one of {' and '.join(rivals)} can be given.", field="guidance")


def price(guidance: Sequence[Guidance]) -> Price:
    """What one call of the network costs at most, the prompt's row included; intervals make some calls cheaper."""
    prices = [one.price for one in guidance]
    return Price(
        num_rows=1 + sum(each.num_rows for each in prices),
        num_gradients=sum(each.num_gradients for each in prices),
        num_classifier_gradients=sum(each.num_classifier_gradients for each in prices),
        recurrence=max(each.recurrence for each in prices),
    )
