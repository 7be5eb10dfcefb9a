"""What a model can be taught, and how: the request of a fine-tune, and what is said of its result."""

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from contract.datasets import DatasetPicture
from contract.maps import Task
from contract.request import MAX_SEED, MetadataKey, MetadataValue

Method = Literal["lora", "textual_inversion", "dreambooth", "full", "image_conditional"]
METHODS: tuple[Method, ...] = get_args(Method)

Objective = Literal["end_to_end", "diffusion"]

Layout = Literal["diffusers", "kohya", "embedding", "model"]
"""How a file of a result is laid out: whose names its tensors have, or that it is a part of a whole model."""

MAX_STEPS = 20_000
MAX_RANK = 64
MAX_VALIDATION_PROMPTS = 8

Caption = Annotated[str, StringConstraints(max_length=2000)]

Steps = Annotated[int, Field(ge=1, le=MAX_STEPS)]


def _named_as_one(value: object) -> object:
    """Refuses what is no number of steps by the name of the field, whichever form it was meant to have."""
    if value == "auto" or (type(value) is int and 1 <= value <= MAX_STEPS):
        return value
    raise PydanticCustomError("steps", "Steps are a whole number from 1 to {most}, or auto", {"most": MAX_STEPS})


StepsAsked = Annotated[Steps | Literal["auto"], BeforeValidator(_named_as_one)]

DATASET_ID = r"^ds_[0-9a-f]{32}$"


class _Asked(BaseModel):
    """What all of them have: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class PriorPreservation(_Asked):
    """Pictures of the class that the base model makes itself, and goes on making while it learns one member of it."""

    weight: float = Field(
        default=1.0, gt=0, le=10, description="What these pictures count against those of the dataset.", examples=[1.0]
    )
    class_prompt: str = Field(
        min_length=1, max_length=2000, description="What they show: the class, without the trigger.", examples=["a cat"]
    )
    num_pictures: int = Field(default=16, ge=1, le=200, description="How many are made.", examples=[16])


class FineTuneRequest(_Asked):
    """What a client posts to teach a model; what is null takes what the method or the model has by default."""

    model: str | None = Field(
        default=None, description="An id from `GET /v1/models`; null takes the default model.", examples=[None]
    )
    dataset: str = Field(
        pattern=DATASET_ID,
        description="What it is taught from; changes to the dataset after this call are not seen.",
        examples=["ds_3f2b8c1d9e7a4f60b5c2d1e0a9f8b7c6"],
    )
    method: Method = Field(
        description="`lora`: small matrices beside the network's own; `textual_inversion`: a word for the text "
        "encoder; `dreambooth`: a LoRA that keeps the class of what it learns; `full`: all weights of the network; "
        "`image_conditional`: from a picture to a map of it.",
        examples=["lora"],
    )
    trigger: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="Put in front of each caption that does not have it; prompts with it show what was learnt.",
        examples=["zorbling"],
    )
    steps: StepsAsked = Field(
        default="auto", description="Steps of the optimiser; `auto` takes the method's usual number.", examples=["auto"]
    )
    rank: int = Field(
        default=8, ge=1, le=MAX_RANK, description="Of the matrices of `lora` and `dreambooth`.", examples=[8]
    )
    train_text_encoder: bool = Field(
        default=False, description="Whether `lora` and `dreambooth` change the text encoder too.", examples=[False]
    )
    num_vectors: int = Field(
        default=2, ge=1, le=16, description="Of how many tokens a word of `textual_inversion` is.", examples=[2]
    )
    learning_rate: float | None = Field(
        default=None, gt=0, le=1, description="Of the optimiser; null takes the method's.", examples=[None]
    )
    batch_size: int = Field(default=4, ge=1, le=64, description="Pictures in each step.", examples=[4])
    resolution: int | None = Field(
        default=None,
        ge=1,
        description="Pixels; pictures are scaled and cut to squares of it. Null takes the model's default size.",
        examples=[None],
    )
    caption_dropout: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="The share of captions that are left out at random, so that guidance goes on working.",
        examples=[0.1],
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        le=MAX_SEED,
        description="Where everything random comes from; null draws one, and the job says which.",
        examples=[7],
    )
    validation_prompts: tuple[Caption, ...] = Field(
        default=(),
        strict=False,
        max_length=MAX_VALIDATION_PROMPTS,
        description="What the sample grids show; empty takes the trigger or the first caption.",
        examples=[["zorbling on a beach"]],
    )
    sample_every: int | None = Field(
        default=None, ge=1, description="Steps from one sample grid to the next; null makes about eight.", examples=[50]
    )
    checkpoint_every: int | None = Field(
        default=None,
        ge=1,
        description="Steps from one checkpoint to the next; an interrupted run goes on from the last one.",
        examples=[50],
    )
    prior_preservation: PriorPreservation | None = Field(
        default=None,
        description="For `dreambooth`: what of the class is kept as it was.",
        examples=[{"class_prompt": "a cat"}],
    )
    task: Task | None = Field(
        default=None, description="For `image_conditional`: what the maps show.", examples=["depth"]
    )
    objective: Objective = Field(
        default="end_to_end",
        description="For `image_conditional`: whether the decoded map of one step is held against the true one, or "
        "noise against noise as in other training.",
        examples=["end_to_end"],
    )
    metadata: dict[MetadataKey, MetadataValue] = Field(
        default_factory=dict,
        max_length=16,
        description="Strings of your own, which come back with the job.",
        examples=[{"order": "42"}],
    )


class CompleteFineTune(FineTuneRequest):
    """A request with nothing left open, and the dataset as it was at that moment."""

    model: str
    steps: Steps
    learning_rate: float
    resolution: int
    seed: int
    sample_every: int
    checkpoint_every: int
    pictures: tuple[DatasetPicture, ...] = Field(strict=False, min_length=1)
    dataset_digest: str

    @property
    def total_steps(self) -> int:
        """Steps of the optimiser."""
        return self.steps

    def references(self) -> dict[str, str]:
        """The files that it names: none."""
        return {}

    @property
    def again(self) -> FineTuneRequest:
        """The request that becomes this one, while the dataset is what it was."""
        return FineTuneRequest.model_validate(self.model_dump(exclude={"pictures", "dataset_digest"}))

    def caption_of(self, picture: DatasetPicture) -> str:
        """What a picture is taught under: its own caption, with the trigger in front of it if it is not in it."""
        if self.trigger is None or self.trigger in picture.caption:
            return picture.caption
        return f"{self.trigger} {picture.caption}".rstrip()


class Nearest(BaseModel):
    """How near a sample comes to a picture that was taught.

    `among_training` is how near that picture's own augmentations come to it: a sample that is nearer is that picture.
    """

    model_config = ConfigDict(frozen=True)

    prompt: str = Field(description="What the sample shows.", examples=["zorbling on a beach"])
    seed: int = Field(description="The sample's seed.", examples=[7])
    distance: float = Field(description="To the nearest training picture.", examples=[0.31])
    among_training: float = Field(
        description="From that picture to slightly changed copies of itself.", examples=[0.08]
    )


class Card(BaseModel):
    """What is to be known of a result: what it was made from and how, and how it was found to be."""

    model_config = ConfigDict(frozen=True)

    dataset_digest: str = Field(description="Of the pictures and captions.", examples=["9f86d081884c7d65"])
    num_pictures: int = Field(description="How many there were.", examples=[8])
    recipe: FineTuneRequest = Field(
        description="The request, with nothing left open.",
        examples=[{"dataset": "ds_3f2b8c1d9e7a4f60b5c2d1e0a9f8b7c6", "method": "lora", "steps": 400, "seed": 7}],
    )
    losses: tuple[tuple[int, float], ...] = Field(
        default=(), max_length=200, description="Step and loss, smoothed.", examples=[[[1, 0.31], [2, 0.29]]]
    )
    held_out: Literal["pictures", "noise"] = Field(
        description="What the loss was measured on: `pictures` that were not taught, or other `noise` on those that "
        "were, where there were too few to leave some out.",
        examples=["noise"],
    )
    held_out_loss_before: float | None = Field(description="At fixed timesteps, of the base.", examples=[0.24])
    held_out_loss_after: float | None = Field(description="The same, of the result.", examples=[0.17])
    drift: float | None = Field(
        description="Mean absolute difference, of 1, that the result makes to pictures of prompts without the trigger.",
        examples=[0.02],
    )
    nearest_training_distance: tuple[Nearest, ...] = Field(
        default=(), description="Of each validation sample to the nearest picture that was taught.", examples=[[]]
    )
    memorised: float | None = Field(
        default=None, description="The share of samples that are copies of training pictures.", examples=[0.0]
    )
    measures: dict[str, float] = Field(
        default_factory=dict, description="What only this method is measured by.", examples=[{"mean_error": 0.04}]
    )
    seconds: float = Field(description="What the teaching took.", examples=[143.2])
    safelight_version: str = Field(description="Of the service that taught.", examples=["0.1.0"])
