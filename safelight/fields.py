"""What can be asked for, as types: the fields of a request beside its prompt, as keywords or as JSON."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, NotRequired, TypedDict

from safelight.sources import Source

Scheduler = Literal[
    "euler",
    "euler_karras",
    "euler_trailing",
    "euler_ancestral",
    "euler_ancestral_trailing",
    "ddim",
    "ddim_trailing",
    "heun",
    "heun_karras",
    "heun_trailing",
    "dpmpp_2m",
    "dpmpp_2m_karras",
    "dpmpp_2m_trailing",
    "dpmpp_2m_sde",
    "dpmpp_2m_sde_karras",
    "dpmpp_2m_sde_trailing",
    "unipc",
    "unipc_karras",
    "unipc_trailing",
    "lcm",
    "tcd",
    "flow_match_euler",
    "flow_match_euler_trailing",
]
OutputFormat = Literal["png", "jpeg", "webp"]
PromptSyntax = Literal["plain", "weighted"]
MaskMode = Literal["blend", "strength"]
InpaintMethod = Literal["fast", "standard", "quality"]
Resize = Literal["stretch", "crop", "pad", "latents"]
GuidanceKind = Literal[
    "classifier_free", "cfg_pp", "adaptive_projected", "perturbed_attention", "classifier", "universal"
]
InterventionKind = Literal["mute_token", "scale_token", "set_guidance", "swap_prompt", "add_noise", "skip_block"]
TraceKind = Literal["attention", "latents", "guidance", "text", "autoencoder"]
Priority = Literal["low", "normal", "high"]
WebhookEvent = Literal["started", "image", "progress", "succeeded", "failed", "cancelled"]


class ClassifierFree(TypedDict):
    """Away from the negative prompt."""

    kind: Literal["classifier_free"]
    scale: float
    rescale: NotRequired[float]
    interval: NotRequired[Sequence[float]]


class ClassifierFreeOnManifold(TypedDict):
    """CFG++: gentle, for few steps."""

    kind: Literal["cfg_pp"]
    scale: float


class AdaptiveProjected(TypedDict):
    """APG: large scales without oversaturation."""

    kind: Literal["adaptive_projected"]
    scale: float
    eta: NotRequired[float]
    norm_threshold: NotRequired[float]
    momentum: NotRequired[float]
    interval: NotRequired[Sequence[float]]


class PerturbedAttention(TypedDict):
    """PAG: firmer structure, with or without a prompt."""

    kind: Literal["perturbed_attention"]
    scale: float
    interval: NotRequired[Sequence[float]]


class ByClassifier(TypedDict):
    """Towards a label of a classifier that reads noisy latents."""

    kind: Literal["classifier"]
    classifier: str
    label: str
    scale: float
    interval: NotRequired[Sequence[float]]


class Universal(TypedDict):
    """Towards a label of any classifier of pictures; slow."""

    kind: Literal["universal"]
    classifier: str
    label: str
    scale: float
    recurrence: NotRequired[int]
    interval: NotRequired[Sequence[float]]


Guidance = ClassifierFree | ClassifierFreeOnManifold | AdaptiveProjected | PerturbedAttention | ByClassifier | Universal


class AdapterUse(TypedDict):
    """Weights, or words, that are added to the model: of the catalogue by id, or of a file."""

    id: Source
    scale: NotRequired[float]


class ControlUse(TypedDict):
    """A picture to keep to, and the network that reads it."""

    id: str
    image: Source
    scale: NotRequired[float]
    interval: NotRequired[Sequence[float]]


class ImagePrompt(TypedDict):
    """A picture to be prompted with, and the network that reads it."""

    id: str
    image: Source
    scale: NotRequired[float]


class Expand(TypedDict, total=False):
    """How many pixels to paint beyond each side."""

    left: int
    top: int
    right: int
    bottom: int


class Webhook(TypedDict):
    """Where to be told of a job, and of which of its events."""

    url: str
    events: NotRequired[Sequence[WebhookEvent]]


class Steps(TypedDict):
    """The steps of an intervention: from 0, and up to the first that is not changed any more."""

    step_from: NotRequired[int | None]
    step_to: NotRequired[int | None]


class MuteToken(Steps):
    """Nothing in the picture looks at a token."""

    kind: Literal["mute_token"]
    token: int


class ScaleToken(Steps):
    """A token counts more or less."""

    kind: Literal["scale_token"]
    token: int
    factor: float


class SetGuidance(Steps):
    """Another scale of classifier-free guidance."""

    kind: Literal["set_guidance"]
    scale: float


class SwapPrompt(Steps):
    """Another prompt, or negative prompt."""

    kind: Literal["swap_prompt"]
    prompt: NotRequired[str | None]
    negative_prompt: NotRequired[str | None]


class AddNoise(Steps):
    """Noise, before each of the steps."""

    kind: Literal["add_noise"]
    strength: float
    seed: NotRequired[int | None]


class SkipBlock(Steps):
    """A block of the network passes on what it is given."""

    kind: Literal["skip_block"]
    block: str


Intervention = MuteToken | ScaleToken | SetGuidance | SwapPrompt | AddNoise | SkipBlock


class Branch(TypedDict):
    """The job that a run continues, and from which step."""

    job: str
    step: int


class TraceAsked(TypedDict, total=False):
    """What a run is to record of itself."""

    attention: bool
    latents: bool
    guidance: bool
    text: bool
    autoencoder: bool


class Common(TypedDict, total=False):
    """The fields that are in a complete request what they were in the one that was sent."""

    negative_prompt: str
    prompt_syntax: PromptSyntax
    num_images: int
    output_format: OutputFormat
    output_quality: int | None
    adapters: Sequence[AdapterUse]
    control: Sequence[ControlUse]
    image_prompt: ImagePrompt | None
    intervene: Sequence[Intervention]
    metadata: Mapping[str, str]
    image: Source | None
    mask: Source | None
    strength: float | None
    mask_mode: MaskMode | None
    mask_padding: int | None
    inpaint_method: InpaintMethod | None
    expand: Expand | None
    remove: bool
    variation: float | None
    upscale: Literal[2, 4] | None
    resize: Resize | None
    image_guidance_scale: float | None


class Fields(Common, total=False):
    """What can be asked beside the prompt. What is left out, or None, is the model's default."""

    model: str | None
    height: int | None
    width: int | None
    num_inference_steps: int | None
    guidance_scale: float | None
    guidance: Guidance | Sequence[Guidance] | None
    scheduler: Scheduler | None
    seed: int | None
    priority: Priority | None
    webhook: Webhook | None
    branch_from: Branch | None
    retention_seconds: int | None
    expires_at: datetime | None
    trace: TraceAsked | None


class DensePrediction(TypedDict):
    """A picture to be mapped, and by which model. What is left out, or None, is the model's default."""

    model: str
    image: Source
    seed: NotRequired[int | None]
    num_inference_steps: NotRequired[int | None]
    metadata: NotRequired[Mapping[str, str]]
    priority: NotRequired[Priority | None]
    webhook: NotRequired[Webhook | None]
    retention_seconds: NotRequired[int | None]
    expires_at: NotRequired[datetime | None]


class CompleteRequest(Common):
    """A request with nothing left open: `submit(**job.request)` makes the same pictures again."""

    prompt: str
    model: str
    height: int
    width: int
    num_inference_steps: int
    guidance_scale: float | None
    guidance: Sequence[Guidance]
    scheduler: Scheduler
    seed: int
