"""What `trace.json` says: the form of the document, with each quantity's definition and unit.

Latents are alpha × clean + sigma × noise. A step is described by its first call of the network: schedulers that call it
more often do so at other levels as well.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from contract.request import Scheduler
from contract.traces import FileName

TOKEN = {"position": 2, "id": 2417, "text": "red", "is_special": False, "weight": 1.0}
LEVEL = {"step": 0, "timestep": 951.0, "alpha": 0.07, "sigma": 1.0, "snr": 0.005}
GUIDANCE = {"norm": 12.4, "relative_norm": 0.31, "cosine": 0.95}
NETWORK_BLOCK = {
    "name": "mid_block.attentions.0", "kind": "Transformer2DModel", "shape": [256, 4, 4], "num_parameters": 1182464,
    "mean_activation": [0.41], "height": 4, "width": 4, "offset": 0, "maxima": [1.7],
}  # fmt: skip
ATTENTION_BLOCK = {"name": "mid_block.attentions.0", "height": 4, "width": 4, "offset": 0, "scales": [0.9, 0.1, 0.3]}
SPRITE = {
    "file": "latents", "rows": ["noisy", "denoised"], "columns": 20, "tile_width": 16, "tile_height": 16,
    "matrix": [[0.1], [0.1], [0.1]], "offset": [0.5, 0.5, 0.5],
}  # fmt: skip
TILE = {"name": "round_trip", "x": 128, "y": 0, "width": 128, "height": 128}


class Part(BaseModel):
    """A part of the document."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TokenTraced(Part):
    """One position of the prompt as the text encoder read it."""

    position: int = Field(description="Its place, from 0; chunks follow one another.", examples=[2])
    id: int = Field(description="Its number in the tokenizer's vocabulary.", examples=[2417])
    text: str = Field(description="Its text, without the tokenizer's marks for the ends of words.", examples=["red"])
    is_special: bool = Field(
        description="Whether it is none of the prompt's own, but marks the start, the end or a gap.", examples=[False]
    )
    weight: float = Field(description="How much it counts; 1 unless the prompt says otherwise.", examples=[1.0])


class TextTraced(Part):
    """What the text encoder made of the tokens: one state for each of them."""

    norms: list[float] = Field(description="The Euclidean norm of each position's state.", examples=[[19.2, 18.7]])
    similarities: list[list[float]] = Field(
        description="The cosine between the states of every two positions, -1 to 1.",
        examples=[[[1.0, 0.4], [0.4, 1.0]]],
    )


class LevelTraced(Part):
    """The level of noise that a step starts from."""

    step: int = Field(description="Which step, from 0.", examples=[0])
    timestep: float = Field(description="What the network is told of the level.", examples=[951.0])
    alpha: float = Field(description="The factor of the clean latents.", examples=[0.07])
    sigma: float = Field(description="The factor of the noise, whose variance is 1.", examples=[1.0])
    snr: float = Field(description="Signal-to-noise ratio, alpha² / sigma²; it has no unit.", examples=[0.005])


class GuidanceTraced(Part):
    """How the prediction with the prompt differs from the one without, as the network gives them."""

    norm: float = Field(description="The Euclidean norm of the difference.", examples=[12.4])
    relative_norm: float = Field(description="The same over the norm of the prediction without.", examples=[0.31])
    cosine: float = Field(description="The cosine between the two predictions, -1 to 1.", examples=[0.95])


class ClassifierTraced(Part):
    """What a classifier of noisy latents says where it guides."""

    log_probability: float = Field(description="The natural logarithm of the label's probability.", examples=[-2.1])
    gradient_norm: float = Field(description="The Euclidean norm of its gradient by the latents.", examples=[0.8])


class StepTraced(Part):
    """What happened in one step."""

    step: int = Field(description="Which step, from 0.", examples=[0])
    sigma: float = Field(description="The factor of the noise where it starts.", examples=[1.0])
    snr: float = Field(description="Signal-to-noise ratio where it starts.", examples=[0.005])
    seconds: float = Field(
        description="From the making of the network's inputs to the estimate of the clean latents, over all of its "
        "calls; pictures that were made beside this one are in it.",
        examples=[0.031],
    )
    guidance: GuidanceTraced | None = Field(
        description="Null where there is no prediction without the prompt, or it was not asked for.",
        examples=[GUIDANCE],
    )
    classifier: ClassifierTraced | None = Field(
        description="Of the first classifier of latents that guides here; null where none does, or `guidance` was not "
        "asked for.",
        examples=[None],
    )


class NetworkBlock(Part):
    """One block of the U-Net, as the row of the prompt passed through it. Activations are its outputs."""

    name: str = Field(description="Where it is in the network.", examples=["mid_block.attentions.0"])
    kind: str = Field(description="The name of its class.", examples=["Transformer2DModel"])
    shape: list[int] = Field(description="Channels, height and width of its output.", examples=[[256, 4, 4]])
    num_parameters: int = Field(description="How many numbers it has learnt.", examples=[1182464])
    mean_activation: list[float] = Field(
        description="The mean absolute value of its output, a number a step.", examples=[[0.41]]
    )
    height: int = Field(description="Of its maps in the file `activations`.", examples=[4])
    width: int = Field(description="Of its maps in the file `activations`.", examples=[4])
    offset: int = Field(description="Where its maps begin in the file `activations`, in bytes.", examples=[0])
    maxima: list[float] = Field(
        description="For each step, the mean absolute value over channels that 255 stands for.", examples=[[1.7]]
    )


class ActivationsTraced(Part):
    """A file of maps: the mean absolute value over channels of each block's output."""

    file: FileName = Field(description="Its name in the job's `trace.files`.", examples=["activations"])
    dtype: Literal["uint8"] = Field(default="uint8", description="One byte a number.", examples=["uint8"])
    steps: int = Field(description="How many steps it has.", examples=[20])


class AttentionBlock(Part):
    """Where one block looks, averaged over its heads and layers."""

    name: str = Field(description="Where it is in the network.", examples=["mid_block.attentions.0"])
    height: int = Field(description="Places of its maps.", examples=[4])
    width: int = Field(description="Places of its maps.", examples=[4])
    offset: int = Field(description="Where its maps begin in the file, in bytes.", examples=[0])
    scales: list[float] = Field(
        description="For each token, the probability that 255 stands for: the greatest in its maps.",
        examples=[[0.9, 0.1, 0.3]],
    )


class AttentionTraced(Part):
    """A file of maps: with which probability each place looks at each token. In C order (step, token, y, x) by block.

    It is softmax(Q Kᵀ / √d) over all positions, padding included (arXiv:1706.03762, equation 1).
    """

    file: FileName = Field(description="Its name in the job's `trace.files`.", examples=["attention"])
    dtype: Literal["uint8"] = Field(default="uint8", description="One byte a number.", examples=["uint8"])
    steps: int = Field(description="How many steps it has.", examples=[20])
    tokens: int = Field(description="How many tokens: those of the document's `tokens`.", examples=[5])
    blocks: list[AttentionBlock] = Field(
        description="Its blocks, as they follow one another.", examples=[[ATTENTION_BLOCK]]
    )


class SpriteTraced(Part):
    """A PNG of tiles, a column a step. Latents are shown by the linear map that fits this picture best."""

    file: FileName = Field(description="Its name in the job's `trace.files`.", examples=["latents"])
    rows: list[str] = Field(description="What each row of tiles is.", examples=[["noisy", "denoised"]])
    columns: int = Field(description="How many steps.", examples=[20])
    tile_width: int = Field(description="Pixels; a latent is one.", examples=[16])
    tile_height: int = Field(description="Pixels; a latent is one.", examples=[16])
    matrix: list[list[float]] = Field(
        description="From the channels of latents to red, green and blue from 0 to 1: three rows, by least squares.",
        examples=[[[0.1], [0.1], [0.1]]],
    )
    offset: list[float] = Field(description="What is added to that.", examples=[[0.5, 0.5, 0.5]])


class GuidanceSprite(SpriteTraced):
    """Two rows of what each prediction alone makes of the latents, and one of how far they are from each other."""

    scales: list[float] = Field(
        description="For each step, the mean absolute difference over channels that white stands for.", examples=[[0.6]]
    )


class TileTraced(Part):
    """One part of a picture of parts. Units: pixels."""

    name: str = Field(
        description="`picture`, `round_trip`, `difference` or `channel_` and a number.", examples=["picture"]
    )
    x: int = Field(description="From the left.", examples=[0])
    y: int = Field(description="From the top.", examples=[0])
    width: int = Field(description="Its width.", examples=[128])
    height: int = Field(description="Its height.", examples=[128])


class AutoencoderTraced(Part):
    """The picture, encoded and decoded again.

    The difference is absolute, eight times as bright. A channel is grey from its least value, black, to its greatest.
    """

    file: FileName = Field(description="Its name in the job's `trace.files`.", examples=["autoencoder"])
    psnr: float | None = Field(
        description="Peak signal-to-noise ratio of the round trip in decibels, of pixels from 0 to 255; null where "
        "both pictures are equal.",
        examples=[31.5],
    )
    compression: float = Field(description="Numbers in the picture over numbers in the latents.", examples=[24.0])
    shape: list[int] = Field(description="Channels, height and width of the latents.", examples=[[8, 16, 16]])
    tiles: list[TileTraced] = Field(description="What is where in the file.", examples=[[TILE]])


class SecondsTraced(Part):
    """What the parts took. Pictures that were made beside this one are in it."""

    text_encoder: float = Field(
        description="Reading the prompts; next to nothing where they were known.", examples=[0.01]
    )
    network: float = Field(description="All steps.", examples=[0.62])
    autoencoder: float = Field(description="Decoding the picture, without the round trip.", examples=[0.02])
    total: float = Field(description="From the reading of the prompts to the picture, waits included.", examples=[0.7])


class TraceDocument(Part):
    """One run, as it was recorded. Lists by step begin with the first step that this run made."""

    version: Literal[1] = Field(default=1, description="The form of the document.", examples=[1])
    model: str = Field(description="An id from `GET /v1/models`.", examples=["safelight-emoji"])
    family: str = Field(description="Its kind of pipeline.", examples=["stable_diffusion"])
    height: int = Field(description="Pixels that the network made.", examples=[128])
    width: int = Field(description="Pixels that the network made.", examples=[128])
    num_inference_steps: int = Field(description="Steps of the whole schedule.", examples=[20])
    seed: int = Field(description="Where the noise came from.", examples=[7])
    guidance_scale: float | None = Field(
        description="Weight of classifier-free guidance; null where `guidance` says more than that.", examples=[2.5]
    )
    scheduler: Scheduler = Field(description="Sampler and noise spacing.", examples=["ddim"])
    tokens: list[TokenTraced] = Field(
        description="The prompt's tokens up to its end, without padding; empty where neither `text` nor `attention` "
        "was asked for.",
        examples=[[TOKEN]],
    )
    truncated: bool = Field(description="Whether the prompt has more tokens than were read.", examples=[False])
    text: TextTraced | None = Field(
        description="Null unless it was asked for.", examples=[{"norms": [19.2], "similarities": [[1.0]]}]
    )
    schedule: list[LevelTraced] = Field(description="The level that each step starts from.", examples=[[LEVEL]])
    steps: list[StepTraced] = Field(
        description="Every step.",
        examples=[[{"step": 0, "sigma": 1.0, "snr": 0.005, "seconds": 0.03, "guidance": GUIDANCE, "classifier": None}]],
    )
    blocks: list[NetworkBlock] = Field(
        description="The blocks of the U-Net in their order; empty where `attention` was not asked for, or could not "
        "be recorded.",
        examples=[[NETWORK_BLOCK]],
    )
    activations: ActivationsTraced | None = Field(
        description="The maps of these blocks, in C order (step, y, x) block by block; null where there are none.",
        examples=[{"file": "activations", "dtype": "uint8", "steps": 20}],
    )
    attention: AttentionTraced | None = Field(
        description="Null unless it was asked for, and could be recorded.",
        examples=[{"file": "attention", "dtype": "uint8", "steps": 20, "tokens": 3, "blocks": [ATTENTION_BLOCK]}],
    )
    latents: SpriteTraced | None = Field(description="Null unless it was asked for.", examples=[SPRITE])
    guidance: GuidanceSprite | None = Field(
        description="Null unless it was asked for, and there is a prediction without the prompt.", examples=[None]
    )
    autoencoder: AutoencoderTraced | None = Field(description="Null unless it was asked for.", examples=[None])
    seconds: SecondsTraced = Field(
        description="What the parts took.",
        examples=[{"text_encoder": 0.01, "network": 0.62, "autoencoder": 0.02, "total": 0.7}],
    )
    notes: list[str] = Field(
        description="What you should know about it, such as what could not be recorded, in sentences.", examples=[[]]
    )
