"""Pictures from prompts, and the second pass in which AUTOMATIC1111 makes them larger: hires fix."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import Field

from app.dialects.automatic1111.asking import DIALECT, Asking
from app.dialects.automatic1111.inert import only
from app.dialects.automatic1111.settings import Choice
from contract.artifact import job_id_of
from contract.editing import DEFAULT_STRENGTH, Resize, Size
from contract.errors import InvalidRequest
from contract.request import CompleteRequest

FIRST_PASS = "first_pass"
"""The key in a job's metadata that says which job it goes on from."""

LATENT = "Latent"
UPSCALERS: Mapping[str, Resize] = MappingProxyType({LATENT: "latents", "Lanczos": "stretch", "None": "stretch"})
"""What a second pass can start from; `None` is Lanczos' kernel there too."""

OF_SECOND_PASS: Mapping[str, str] = MappingProxyType(
    {"prompt": "hr_prompt", "sampler_name": "hr_sampler_name", "scheduler": "hr_scheduler"}
)
"""What fields are called where the second pass has its own."""

SAME_CHECKPOINT, SAME_SAMPLER, SAME_SCHEDULER = "Use same checkpoint", "Use same sampler", "Use same scheduler"

AS_ASKED = "the first pass has the size that is asked for"


class TextToImage(Asking):
    """A request for pictures from a prompt. The fields `hr_…` and `denoising_strength` count with `enable_hr` only."""

    enable_hr: bool | None = Field(
        default=False,
        description="Make each picture once more in a larger size, over the first one; each is a job of its own.",
        examples=[True],
    )
    denoising_strength: float | None = Field(
        default=None,
        description="How far the second pass may leave the first one, above 0 and up to 1; null takes 0.75.",
        examples=[0.7],
    )
    hr_scale: float | None = Field(
        default=2.0, gt=0, le=8, description="How much larger, where no `hr_resize_…` says it.", examples=[2.0]
    )
    hr_upscaler: str | None = Field(
        default=None,
        description="What the second pass starts from: `Latent` is the first picture's latents, resampled, `Lanczos` "
        "its pixels. Null is `Latent`.",
        examples=["Latent", "Lanczos"],
    )
    hr_second_pass_steps: int | None = Field(
        default=0, ge=0, description="Steps that the second pass makes; 0 is as many as `steps`.", examples=[0]
    )
    hr_resize_x: int | None = Field(
        default=0, ge=0, description="The width in pixels; 0 follows from the height, or from `hr_scale`.", examples=[0]
    )
    hr_resize_y: int | None = Field(
        default=0, ge=0, description="The height in pixels; 0 follows from the width, or from `hr_scale`.", examples=[0]
    )
    hr_checkpoint_name: str | None = Field(
        default=None, description="The model of the second pass; null is the same one.", examples=[None]
    )
    hr_sampler_name: str | None = Field(
        default=None, description="The sampler of the second pass; null is the same one.", examples=["Euler"]
    )
    hr_scheduler: str | None = Field(
        default=None, description="The schedule of the second pass; null is the same one.", examples=["Karras"]
    )
    hr_prompt: str | None = Field(
        default="", description="The prompt of the second pass; empty is the same one.", examples=[""]
    )
    hr_negative_prompt: str | None = Field(
        default="", description="The negative prompt of the second pass; empty is the same one.", examples=[""]
    )
    firstphase_width: Annotated[int | None, only(None, 0, because=AS_ASKED)] = Field(
        default=0, description="An old way of asking for the size of the first pass: not taken.", examples=[0]
    )
    firstphase_height: Annotated[int | None, only(None, 0, because=AS_ASKED)] = Field(
        default=0, description="An old way of asking for the size of the first pass: not taken.", examples=[0]
    )
    hr_additional_modules: Annotated[list[Any] | None, only(None, [], because="a model has all of its parts")] = Field(
        default=[], description="Parts of Forge, which SillyTavern sends: none.", examples=[[]]
    )

    def second_pass(self, first: CompleteRequest, image_id: str, index: int, choice: Choice) -> dict[str, Any]:
        """The fields of our request that goes on from picture `index` of the first pass. Raises: as `native`.

        Source: `init_hr` and `sample_hr_pass` of AUTOMATIC1111/stable-diffusion-webui, modules/processing.py; all steps
                that are asked for are made, whatever the strength.
        """
        asked = self.model_copy(
            update={
                "prompt": self.hr_prompt or self.prompt,
                "negative_prompt": self.hr_negative_prompt or self.negative_prompt,
                "sampler_name": _other(self.hr_sampler_name, SAME_SAMPLER) or self.sampler_name,
                "scheduler": _other(self.hr_scheduler, SAME_SCHEDULER) or self.scheduler,
            }
        )
        strength = DEFAULT_STRENGTH if self.denoising_strength is None else self.denoising_strength
        steps = self.hr_second_pass_steps or first.num_inference_steps
        size = self._larger(Size(first.height, first.width))
        return asked.native("txt2img", choice) | {
            **size._asdict(),
            "image": image_id,
            "resize": self._resize(size, Size(first.height, first.width)),
            "strength": strength,
            "num_inference_steps": math.ceil(steps / strength) if strength > 0 else steps,
            "num_images": 1,
            "seed": first.seed_of(index),
            "metadata": {DIALECT: "txt2img", FIRST_PASS: job_id_of(image_id)},
        }

    @property
    def hr_checkpoint(self) -> str | None:
        """The model of the second pass, where it is another one."""
        return _other(self.hr_checkpoint_name, SAME_CHECKPOINT)

    @property
    def hr_names(self) -> Mapping[str, str]:
        """What this request calls the fields of its second pass."""
        return {
            "height": "hr_resize_y" if self.hr_resize_y else "hr_scale",
            "width": "hr_resize_x" if self.hr_resize_x else "hr_scale",
            "model": "hr_checkpoint_name",
            "negative_prompt": "hr_negative_prompt",
            "num_inference_steps": "hr_second_pass_steps",
            "prompt": "hr_prompt",
            "adapters": "hr_prompt",
            "scheduler": "hr_sampler_name",
            "strength": "denoising_strength",
        }

    def _larger(self, size: Size) -> Size:
        width, height = self.hr_resize_x or 0, self.hr_resize_y or 0
        if not width and not height:
            scale = self.hr_scale or 2.0
            return Size(int(size.height * scale), int(size.width * scale))
        return Size(height or width * size.height // size.width, width or height * size.width // size.height)

    def _resize(self, size: Size, before: Size) -> Resize:
        """How the first pass is brought to a size. Raises: InvalidRequest."""
        how = UPSCALERS.get(self.hr_upscaler or LATENT)
        if how is None:
            raise InvalidRequest(f"hr_upscaler can be {' or '.join(UPSCALERS)} here.", field="hr_upscaler")
        if not (self.hr_resize_x and self.hr_resize_y) or size.height * before.width == size.width * before.height:
            return how
        if how == "latents":
            raise InvalidRequest("With Latent, hr_resize_x and hr_resize_y must keep proportions.", field="hr_resize_x")
        return "crop"


def _other(name: str | None, same: str) -> str | None:
    """What is named for the second pass; None where it is to have the same as the first one."""
    return None if name in (None, "", same) else name
