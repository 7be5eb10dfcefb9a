"""What requests for pictures are answered with: pictures in base64, what was asked, and what it came to."""

import base64
import json
from typing import Any

from pydantic import BaseModel, Field

from app.dialects.automatic1111.asking import Asking
from app.dialects.automatic1111.image_to_image import ImageToImage
from app.dialects.automatic1111.making import Made
from app.dialects.automatic1111.sent_pictures import EXAMPLE
from app.dialects.outcomes import pictures
from app.resources import Resources
from contract.infotext import infotext
from contract.job import Job
from contract.request import CompleteRequest
from contract.sampler_names import SAMPLER_NAMES

NOT_SAID_BACK = {"url", "auth", "include_init_images", "override_settings"}
"""What is not a part of the request, or says what is not to be said."""


class Pictures(BaseModel):
    """Finished pictures."""

    images: list[str] = Field(
        description="The pictures in base64, each the file that `GET /v1/artifacts/{artifact_id}` has too; a PNG says "
        "in its text `parameters` how it was made, JPEG and WebP in their EXIF comment.",
        examples=[[EXAMPLE]],
    )
    parameters: dict[str, Any] = Field(
        description="The request, with what it left open filled in, and without the pictures that it brought.",
        examples=[{"prompt": "a red apple", "seed": -1, "steps": 20}],
    )
    info: str = Field(
        description="A JSON object as text: `all_seeds`, `infotexts` and so on, and of ours `job_ids` and `warnings`.",
        examples=['{"prompt": "a red apple", "all_seeds": [7]}'],
    )


async def answer(asked: Asking, made: Made, resources: Resources) -> Pictures:
    """The answer. Raises: UnknownArtifact, StoreUnavailable."""
    files = [file for job in made.jobs for file in await pictures(job, resources)] if asked.send_images else []
    return Pictures(
        images=[base64.b64encode(file).decode() for file in files],
        parameters=_parameters(asked, made.first.request),
        info=json.dumps(_info(asked, made), ensure_ascii=False),
    )


def _parameters(asked: Asking, complete: CompleteRequest) -> dict[str, Any]:
    said = asked.model_dump(mode="json", exclude=NOT_SAID_BACK)
    if isinstance(asked, ImageToImage) and not asked.include_init_images:
        said |= {"init_images": None, "mask": None}
    overridden = asked.override_settings
    return said | {
        "override_settings": {} if overridden is None else overridden.model_dump(exclude_none=True),
        "sampler_name": asked.sampler_name or SAMPLER_NAMES[complete.scheduler].sampler,
        "steps": complete.num_inference_steps,
        "cfg_scale": complete.guidance_scale,
        "width": complete.width,
        "height": complete.height,
    }


def _info(asked: Asking, made: Made) -> dict[str, Any]:
    """Source: `Processed.js` of AUTOMATIC1111/stable-diffusion-webui, modules/processing.py."""
    complete = made.first.request
    each = [job.request.of_image(image.index) for job in made.jobs for image in job.images]
    name = SAMPLER_NAMES[complete.scheduler]
    return {
        "prompt": asked.prompt,
        "all_prompts": [asked.prompt] * len(each),
        "negative_prompt": asked.negative_prompt,
        "all_negative_prompts": [asked.negative_prompt] * len(each),
        "seed": complete.seed,
        "all_seeds": [request.seed for request in each],
        "subseed": asked.subseed,
        "all_subseeds": [asked.subseed] * len(each),
        "subseed_strength": 0,
        "width": complete.width,
        "height": complete.height,
        "sampler_name": name.sampler,
        "cfg_scale": complete.guidance_scale,
        "steps": complete.num_inference_steps,
        "batch_size": asked.batch_size,
        "restore_faces": False,
        "face_restoration_model": None,
        "sd_model_name": complete.model,
        "sd_model_hash": None,
        "sd_vae_name": None,
        "sd_vae_hash": None,
        "seed_resize_from_w": -1,
        "seed_resize_from_h": -1,
        "denoising_strength": each[0].strength,
        "extra_generation_params": {"Schedule type": name.schedule},
        "index_of_first_image": 0,
        "infotexts": [infotext(request) for request in each],
        "styles": [],
        "job_timestamp": made.first.created_at.strftime("%Y%m%d%H%M%S"),
        "clip_skip": 1,
        "is_using_inpainting_conditioning": False,
        "version": "Safelight",
        "job_ids": [job.id for job in _all(made)],
        "warnings": [warning for job in _all(made) for warning in job.warnings],
    }


def _all(made: Made) -> tuple[Job, ...]:
    return made.jobs if made.first in made.jobs else (made.first, *made.jobs)
