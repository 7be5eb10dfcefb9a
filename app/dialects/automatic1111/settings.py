"""Settings, which AUTOMATIC1111 has one set of for everybody: here, a request has its own, and else its caller's."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from app.dialects.automatic1111.inert import only
from app.dialects.automatic1111.route import in_their_words
from app.resources import Resources
from contract.catalogue import ModelSpec
from contract.errors import UnknownModel
from contract.request import OutputFormat

SamplesFormat = Literal["png", "jpg", "jpeg", "webp"]

FORMATS: Mapping[str, OutputFormat] = MappingProxyType({"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "webp": "webp"})
MODEL_NOTE, FORMAT_NOTE = "automatic1111:sd_model_checkpoint", "automatic1111:samples_format"

AS_IT_IS = "nothing else is done here"


class Settings(BaseModel):
    """The settings that there are; what is null, or not there, stays as it is."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    sd_model_checkpoint: str | None = Field(
        default=None, description="The title of a model from `GET /sdapi/v1/sd-models`.", examples=["safelight-emoji"]
    )
    samples_format: SamplesFormat | None = Field(
        default=None, description="How pictures are encoded; png keeps every pixel.", examples=["png"]
    )
    sd_checkpoint_hash: Annotated[str | None, only(None, because="models have names here")] = Field(
        default=None, description="Always null: models are named by their titles.", examples=[None]
    )
    sd_vae: Annotated[str | None, only(None, "Automatic", "None", "", because="a model has its own")] = Field(
        default=None, description="The autoencoder: the model's own.", examples=["Automatic"]
    )
    CLIP_stop_at_last_layers: Annotated[int | None, only(None, 1, because="every layer is used")] = Field(
        default=None, description="At which of its last layers the text encoder is read: 1.", examples=[1]
    )
    eta_noise_seed_delta: Annotated[int | None, only(None, 0, because="all noise comes from one seed")] = Field(
        default=None, description="What is added to the seed of later noise: 0.", examples=[0]
    )
    initial_noise_multiplier: Annotated[float | None, only(None, 1, because=AS_IT_IS)] = Field(
        default=None, description="How strong the first noise over a picture is: 1.", examples=[1]
    )
    img2img_fix_steps: Annotated[bool | None, only(None, False, because=AS_IT_IS)] = Field(
        default=None, description="Whether all steps are made at any `denoising_strength`.", examples=[False]
    )
    img2img_color_correction: Annotated[bool | None, only(None, False, because=AS_IT_IS)] = Field(
        default=None, description="Whether results get the colours of the picture before.", examples=[False]
    )
    return_grid: Annotated[bool | None, only(None, False, because="no grids are made here")] = Field(
        default=None, description="Whether all pictures are also answered as one.", examples=[False]
    )
    enable_pnginfo: Annotated[bool | None, only(None, True, because="every picture says how it was made")] = Field(
        default=None, description="Whether pictures say how they were made.", examples=[True]
    )


class Choice(NamedTuple):
    """What settings decide."""

    model: ModelSpec
    output_format: OutputFormat


async def chosen(resources: Resources, wishes: Settings | None = None) -> Choice:
    """What a request's own settings say, then its caller's, then the catalogue. Raises: UnknownModel."""
    asked = wishes or Settings()
    with in_their_words():
        model = await _model(asked, resources)
    samples_format = asked.samples_format or await resources.notes.get(FORMAT_NOTE) or "png"
    return Choice(model, FORMATS[samples_format])


async def _model(asked: Settings, resources: Resources) -> ModelSpec:
    """The model that is named; the caller's own, if it is still there; the catalogue's first."""
    catalogue = resources.catalogue
    if asked.sd_model_checkpoint is not None:
        return catalogue.find(asked.sd_model_checkpoint)
    try:
        return catalogue.find(await resources.notes.get(MODEL_NOTE) or catalogue.default_model)
    except UnknownModel:
        return catalogue.find(catalogue.default_model)


async def keep(wishes: Settings, resources: Resources) -> None:
    """Has later requests of this caller take these settings, until none has for long. Raises: UnknownModel."""
    if wishes.sd_model_checkpoint is not None:
        with in_their_words({"model": "sd_model_checkpoint"}):
            resources.catalogue.find(wishes.sd_model_checkpoint)
        await resources.notes.put(MODEL_NOTE, wishes.sd_model_checkpoint)
    if wishes.samples_format is not None:
        await resources.notes.put(FORMAT_NOTE, wishes.samples_format)


async def in_force(resources: Resources) -> Settings:
    """All settings of this caller."""
    choice = await chosen(resources)
    return Settings(
        sd_model_checkpoint=choice.model.id,
        samples_format=next(name for name, kind in FORMATS.items() if kind == choice.output_format),
        sd_vae="Automatic",
        CLIP_stop_at_last_layers=1,
        eta_noise_seed_delta=0,
        initial_noise_multiplier=1,
        img2img_fix_steps=False,
        img2img_color_correction=False,
        return_grid=False,
        enable_pnginfo=True,
    )
