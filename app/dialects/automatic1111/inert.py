"""What requests of this dialect may say that has no meaning here: only with values that change nothing."""

import json
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

NO_SCRIPTS = "there are no scripts here"
ONE_SEED = "all noise comes from one seed here"
NO_CHURN = "samplers add no noise of their own accord here"
ONE_MODEL = "one model makes a picture from its first step to its last"

T = TypeVar("T")


def only(*accepted: object, because: str) -> AfterValidator:
    """A field that takes nothing but values which change nothing; others are refused, with the reason."""
    values = " or ".join(json.dumps(value) for value in accepted)

    def judge(value: T) -> T:
        if value not in accepted:
            raise PydanticCustomError(
                "changes_something", "only {values} is taken, because {reason}", {"values": values, "reason": because}
            )
        return value

    return AfterValidator(judge)


def _no_scripts(scripts: dict[str, Any] | None) -> dict[str, Any] | None:
    if scripts:
        names = ", ".join(json.dumps(name) for name in scripts)
        raise PydanticCustomError("no_script", "there is no script {names}", {"names": names})
    return scripts


class Inert(BaseModel):
    """The fields that change nothing."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    styles: Annotated[list[str] | None, only(None, [], because="there are no prompt styles here")] = Field(
        default=[], description="Names of saved prompts, of which there are none.", examples=[[]]
    )
    subseed: int | None = Field(
        default=-1, description="Without `subseed_strength`, it says nothing, so any is taken.", examples=[-1]
    )
    subseed_strength: Annotated[float | None, only(None, 0, because=ONE_SEED)] = Field(
        default=0, description="How far noise of a second seed is mixed in: 0, not at all.", examples=[0]
    )
    seed_resize_from_h: Annotated[int | None, only(None, 0, -1, because=ONE_SEED)] = Field(
        default=-1, description="Noise is drawn for the size that is asked for.", examples=[-1]
    )
    seed_resize_from_w: Annotated[int | None, only(None, 0, -1, because=ONE_SEED)] = Field(
        default=-1, description="Noise is drawn for the size that is asked for.", examples=[-1]
    )
    restore_faces: Annotated[bool | None, only(None, False, because="no model here restores faces")] = Field(
        default=None, description="Faces stay as they were drawn.", examples=[False]
    )
    tiling: Annotated[bool | None, only(None, False, because="pictures are not made to repeat here")] = Field(
        default=None, description="Whether the edges of a picture fit together.", examples=[False]
    )
    save_images: bool | None = Field(
        default=False,
        description="Every picture is kept for a while, as an artifact of its job, whatever is said here.",
        examples=[False],
    )
    do_not_save_samples: bool | None = Field(
        default=False, description="As `save_images`: it says nothing here.", examples=[False]
    )
    do_not_save_grid: bool | None = Field(
        default=False, description="No grids are made, whatever is said here.", examples=[False]
    )
    s_min_uncond: Annotated[float | None, only(None, 0, because="no step leaves guidance out here")] = Field(
        default=None, description="The noise below which guidance is left out: none.", examples=[0]
    )
    s_churn: Annotated[float | None, only(None, 0, because=NO_CHURN)] = Field(
        default=None, description="Noise that is added in each step: none.", examples=[0]
    )
    s_tmax: Annotated[float | None, only(None, 0, because=NO_CHURN)] = Field(
        default=None, description="Up to which noise `s_churn` counts; 0 is no bound.", examples=[0]
    )
    s_tmin: Annotated[float | None, only(None, 0, because=NO_CHURN)] = Field(
        default=None, description="From which noise on `s_churn` counts.", examples=[0]
    )
    s_noise: Annotated[float | None, only(None, 1, because=NO_CHURN)] = Field(
        default=None, description="How strong noise is that a step adds: 1, as it is drawn.", examples=[1]
    )
    refiner_checkpoint: Annotated[str | None, only(None, "", "None", because=ONE_MODEL)] = Field(
        default=None, description="A second model for the last steps: none.", examples=[None]
    )
    refiner_switch_at: float | None = Field(
        default=None, description="Without `refiner_checkpoint`, it says nothing, so any is taken.", examples=[None]
    )
    firstpass_image: Annotated[str | None, only(None, "", because="the first pass is made here")] = Field(
        default=None, description="A picture in the place of the first pass: none.", examples=[None]
    )
    comments: Annotated[dict[str, Any] | None, only(None, {}, because="comments are answered, not asked")] = Field(
        default={}, description="Nothing.", examples=[{}]
    )
    script_name: Annotated[str | None, only(None, "", because=NO_SCRIPTS)] = Field(
        default=None, description="A script to run: none.", examples=[None]
    )
    script_args: Annotated[list[Any] | None, only(None, [], because=NO_SCRIPTS)] = Field(
        default=[], description="What that script is told: nothing.", examples=[[]]
    )
    alwayson_scripts: Annotated[dict[str, Any] | None, AfterValidator(_no_scripts)] = Field(
        default={}, description="Extensions, such as ControlNet or ADetailer, to run: none.", examples=[{}]
    )
    infotext: Annotated[str | None, only(None, "", because="each field is to be said by itself")] = Field(
        default=None, description="A text from which fields that are not there are read: none.", examples=[None]
    )
    clip_skip: Annotated[int | None, only(None, 0, 1, because="every layer of the text encoder is used")] = Field(
        default=None,
        description="SD.Next's name for `CLIP_stop_at_last_layers`, which SillyTavern sends.",
        examples=[1],
    )
    url: str | None = Field(
        default=None, description="Where SillyTavern has found this service; it sends that along.", examples=[None]
    )
    auth: str | None = Field(
        default=None, description="What SillyTavern's server has logged in with; it is not looked at.", examples=[None]
    )
