"""What there is, in the lists that clients fill their menus from; and what there is not, in empty lists."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.dependencies import ResourcesOf
from app.dialects.automatic1111 import extras
from app.dialects.automatic1111.route import Automatic1111Route
from app.dialects.automatic1111.samplers import ALIASES, AUTOMATIC, SCHEDULES, samplers_of
from app.dialects.automatic1111.settings import chosen
from app.dialects.automatic1111.text_to_image import LATENT
from contract.errors import StoreUnavailable

router = APIRouter(
    prefix="/sdapi/v1",
    tags=["automatic1111"],
    route_class=Automatic1111Route,
    responses=Automatic1111Route.documented(StoreUnavailable),
)

EMPTY = {
    "sd-vae": "autoencoders to choose from, of which there are none: a model has its own",
    "hypernetworks": "hypernetworks, of which there are none",
    "face-restorers": "models that restore faces, of which there are none",
    "realesrgan-models": "models that enlarge pictures, of which there are none",
    "prompt-styles": "saved prompts, of which there are none",
    "script-info": "what scripts take, of which there are none",
    "extensions": "extensions, of which there are none",
}
REFRESHED = ("checkpoints", "vae", "loras", "embeddings")


class ModelItem(BaseModel):
    """One model on offer."""

    title: str = Field(description="The name to ask for it.", examples=["safelight-emoji"])
    model_name: str = Field(description="The same.", examples=["safelight-emoji"])
    hash: str | None = Field(default=None, description="Always null.", examples=[None])
    sha256: str | None = Field(default=None, description="Always null.", examples=[None])
    filename: str = Field(
        description="The same name: where files are is nobody's business.", examples=["safelight-emoji"]
    )
    config: str | None = Field(default=None, description="Always null.", examples=[None])


class LoraItem(BaseModel):
    """One LoRA on offer."""

    name: str = Field(description="What `<lora:…>` in a prompt names.", examples=["gilded"])
    alias: str = Field(description="The same.", examples=["gilded"])
    path: str = Field(default="", description="Always empty.", examples=[""])
    metadata: dict[str, Any] = Field(description="The models that it fits.", examples=[{"models": ["safelight-emoji"]}])


class SamplerItem(BaseModel):
    """One sampler."""

    name: str = Field(description="What `sampler_name` takes.", examples=["DPM++ 2M"])
    aliases: list[str] = Field(description="What it takes too.", examples=[["k_dpmpp_2m"]])
    options: dict[str, str] = Field(
        description="The `scheduler` that is its `Automatic`, where it is not the model's own.",
        examples=[{"scheduler": "karras"}],
    )


class ScheduleItem(BaseModel):
    """One way of spacing noise levels."""

    name: str = Field(description="What `scheduler` takes.", examples=["karras"])
    label: str = Field(description="What it takes too.", examples=["Karras"])
    aliases: list[str] | None = Field(description="And these.", examples=[None])
    default_rho: float = Field(description="The exponent of Karras et al.; -1 where there is none.", examples=[7.0])
    need_inner_model: bool = Field(description="Whether the model has a say in it.", examples=[False])


class UpscalerItem(BaseModel):
    """One way of making pictures larger without a model."""

    name: str = Field(description="What `upscaler_1` takes.", examples=["Lanczos"])
    model_name: str | None = Field(default=None, description="Always null: it is a kernel.", examples=[None])
    model_path: str | None = Field(default=None, description="Always null.", examples=[None])
    model_url: str | None = Field(default=None, description="Always null.", examples=[None])
    scale: float = Field(default=4, description="A factor that menus show first.", examples=[4])


class NamedItem(BaseModel):
    """Something that has nothing but a name."""

    name: str = Field(description="The name.", examples=["Latent"])


class Embeddings(BaseModel):
    """Words that prompts may use beyond those of the model."""

    loaded: dict[str, Any] = Field(default_factory=dict, description="None: adapters are LoRAs here.", examples=[{}])
    skipped: dict[str, Any] = Field(default_factory=dict, description="None.", examples=[{}])


class Scripts(BaseModel):
    """The scripts by what they are for."""

    txt2img: list[str] = Field(default_factory=list, description="None.", examples=[[]])
    img2img: list[str] = Field(default_factory=list, description="None.", examples=[[]])


@router.get("/sd-models", response_description="All models.")
async def list_models(resources: ResourcesOf) -> list[ModelItem]:
    """List the models on offer."""
    return [ModelItem(title=spec.id, model_name=spec.id, filename=spec.id) for spec in resources.catalogue.models]


@router.get("/loras", response_description="All LoRAs.")
async def list_loras(resources: ResourcesOf) -> list[LoraItem]:
    """List the LoRAs on offer."""
    return [
        LoraItem(name=spec.id, alias=spec.id, metadata={"models": list(spec.models)})
        for spec in resources.catalogue.adapters
        if spec.kind == "lora"
    ]


@router.get("/samplers", response_description="The samplers of this caller's model.")
async def list_samplers(resources: ResourcesOf) -> list[SamplerItem]:
    """List the samplers that the model offers which requests take that name none."""
    names = samplers_of((await chosen(resources)).model)
    return [
        SamplerItem(
            name=name,
            aliases=list(ALIASES[name]),
            options={"scheduler": AUTOMATIC[name].lower()} if name in AUTOMATIC else {},
        )
        for name in names
    ]


@router.get("/schedulers", response_description="All schedules.")
async def list_schedules() -> list[ScheduleItem]:
    """List the ways of spacing noise levels; not every sampler has all of them."""
    return [
        ScheduleItem(
            name=schedule.names[0],
            label=schedule.label,
            aliases=list(schedule.names[1:]) or None,
            default_rho=schedule.rho,
            need_inner_model=schedule.rho < 0,
        )
        for schedule in SCHEDULES
    ]


@router.get("/upscalers", response_description="All kernels.")
async def list_upscalers() -> list[UpscalerItem]:
    """List the ways of making pictures larger without a model; of these, hires fix takes Lanczos."""
    return [UpscalerItem(name=name) for name in extras.UPSCALERS]


@router.get("/latent-upscale-modes", response_description="All ways.")
async def list_latent_upscale_modes() -> list[NamedItem]:
    """List the ways of making latents larger, for hires fix."""
    return [NamedItem(name=LATENT)]


@router.get("/embeddings", response_description="No words.")
async def list_embeddings() -> Embeddings:
    """List words that textual inversion has taught: none by this name. The native API has them as adapters."""
    return Embeddings()


@router.get("/scripts", response_description="No scripts.")
async def list_scripts() -> Scripts:
    """List the scripts, of which there are none."""
    return Scripts()


async def nothing() -> list[NamedItem]:
    """Nothing."""
    return []


async def refreshed() -> None:
    """Nothing to do."""


for path, what in EMPTY.items():
    router.add_api_route(
        f"/{path}",
        nothing,
        name=f"list_{path}",
        summary=f"List {path}",
        description=f"List {what}.",
        response_description="An empty list.",
    )

for path in REFRESHED:
    router.add_api_route(
        f"/refresh-{path}",
        refreshed,
        methods=["POST"],
        name=f"refresh_{path}",
        summary=f"Refresh {path}",
        description="Nothing needs it: the catalogue is read when the service starts, and lists are always as it is.",
        response_description="Nothing.",
    )
