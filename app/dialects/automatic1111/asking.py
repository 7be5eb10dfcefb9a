"""What requests for pictures have in common, and what that is in a request of ours."""

import secrets
from typing import Any

from pydantic import Field, ValidationError

from app.dialects.automatic1111.inert import Inert
from app.dialects.automatic1111.prompts import read_prompt
from app.dialects.automatic1111.samplers import check_eta, scheduler_of
from app.dialects.automatic1111.settings import Choice, Settings
from app.error_responses import as_in_a_body, validation_error
from contract.catalogue import WEIGHS_WORDS
from contract.errors import InvalidRequest
from contract.request import MAX_SEED, GenerationRequest

DIALECT = "automatic1111"
"""The key in a job's metadata that says what it was asked for as."""

DRAWN_SEEDS = 2**32 - 1
"""Seeds that are drawn here are below this, as clients expect them to be."""

OF_THE_MODEL = "without it, or with null, what the model's row in the catalogue says"


class Asking(Inert):
    """The fields of both kinds of requests."""

    prompt: str | None = Field(
        default="",
        description="What the picture shows. Where the model can do so, it is read as AUTOMATIC1111 does, with "
        "`(word:1.3)`, `[word]` and `BREAK`. `<lora:name:0.8>` adds an adapter to the model for this request.",
        examples=["a (red:1.2) apple <lora:gilded:0.8>"],
    )
    negative_prompt: str | None = Field(
        default="", description="What the picture must not show, read in the same way.", examples=["a leaf"]
    )
    seed: int | None = Field(
        default=-1,
        ge=-1,
        le=MAX_SEED,
        description="The seed of the first picture; each further one has the next. -1 draws one.",
        examples=[7, -1],
    )
    sampler_name: str | None = Field(
        default=None,
        description="A name or an alias from `GET /sdapi/v1/samplers`, also with a schedule behind it, as in "
        f"`DPM++ 2M Karras`; {OF_THE_MODEL}.",
        examples=["Euler a"],
    )
    sampler_index: str | None = Field(
        default=None, description="The old name of `sampler_name`, which counts where both are.", examples=["Euler a"]
    )
    scheduler: str | None = Field(
        default=None,
        description="A schedule from `GET /sdapi/v1/schedulers`, by its name or its label. Without one, or with "
        "`Automatic`, it is the sampler's own.",
        examples=["Karras"],
    )
    eta: float | None = Field(
        default=None,
        description="How much noise a sampler adds: 1 for `Euler a` and `DPM++ 2M SDE`, 0 for `DDIM`; others are "
        "refused there, and other samplers have none, so any is taken.",
        examples=[1.0],
    )
    steps: int | None = Field(default=None, description=f"Denoising steps; {OF_THE_MODEL}.", examples=[20])
    cfg_scale: float | None = Field(
        default=None, description=f"Weight of classifier-free guidance, 1 = off; {OF_THE_MODEL}.", examples=[7.0]
    )
    width: int | None = Field(default=None, description=f"Pixels; {OF_THE_MODEL}.", examples=[128])
    height: int | None = Field(default=None, description=f"Pixels; {OF_THE_MODEL}.", examples=[128])
    batch_size: int | None = Field(
        default=1, ge=1, description="Pictures; with `n_iter`, so many times as many, at most 16.", examples=[1]
    )
    n_iter: int | None = Field(
        default=1, ge=1, description="How often `batch_size` pictures are made; all of them are one job.", examples=[1]
    )
    override_settings: Settings | None = Field(
        default=None,
        description="Settings for this request alone; nobody else's change.",
        examples=[{"sd_model_checkpoint": "safelight-emoji"}],
    )
    override_settings_restore_afterwards: bool | None = Field(
        default=True,
        description="Whether the settings are as before afterwards, which they are: false is refused where there are "
        "`override_settings`. `POST /sdapi/v1/options` keeps some for later requests.",
        examples=[True],
    )
    disable_extra_networks: bool | None = Field(
        default=False, description="Take `<lora:…>` out of the prompt, and use no adapters.", examples=[False]
    )
    send_images: bool | None = Field(
        default=True,
        description="Whether the answer has the pictures; their job has them in any case.",
        examples=[True],
    )
    force_task_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        description="A name of your own for this request, by which `progress`, `interrupt` and `skip` find it "
        "(`?id_task=…`) while other requests run. The latest request of a name counts.",
        examples=["task(0f3a)"],
    )

    def native(self, kind: str, choice: Choice) -> dict[str, Any]:
        """The fields of our request that follow. Raises: UnknownSampler, UnsupportedScheduler, InvalidRequest, …"""
        overridden = self.override_settings and self.override_settings.model_dump(exclude_none=True)
        if overridden and self.override_settings_restore_afterwards is False:
            raise InvalidRequest(
                "override_settings_restore_afterwards is false, and settings are those of one request here.",
                field="override_settings_restore_afterwards",
            )
        scheduler = scheduler_of(self.sampler_name or self.sampler_index, self.scheduler, choice.model)
        check_eta(self.eta, scheduler or choice.model.defaults.scheduler)
        reading = read_prompt(self.prompt or "")
        return {
            "prompt": reading.text,
            "negative_prompt": self.negative_prompt or "",
            "prompt_syntax": "weighted" if choice.model.family in WEIGHS_WORDS else "plain",
            "model": choice.model.id,
            "num_images": (self.batch_size or 1) * (self.n_iter or 1),
            "height": self.height,
            "width": self.width,
            "num_inference_steps": self.steps,
            "guidance_scale": self.cfg_scale,
            "scheduler": scheduler,
            "seed": secrets.randbelow(DRAWN_SEEDS) if self.seed in (None, -1) else self.seed,
            "output_format": choice.output_format,
            "adapters": () if self.disable_extra_networks else reading.adapters,
            "metadata": {DIALECT: kind},
        }


def request_of(fields: dict[str, Any]) -> GenerationRequest:
    """Our request with these fields. Raises: InvalidRequest."""
    try:
        return GenerationRequest.model_validate(fields)
    except ValidationError as error:
        raise validation_error(as_in_a_body(error)) from error
