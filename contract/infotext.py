"""How a picture was made in AUTOMATIC1111's words, as the programs that read its pictures look for it in a file."""

import json
from collections.abc import Iterator

from contract.request import CompleteRequest
from contract.sampler_names import SAMPLER_NAMES

INFOTEXT_KEY = "parameters"
"""The keyword under which a PNG holds it."""


def infotext(request: CompleteRequest) -> str:
    """The text of one image: its prompts, and a line of what it was made with.

    Source: `create_infotext` of AUTOMATIC1111/stable-diffusion-webui, modules/processing.py.
    """
    negative = f"\nNegative prompt: {request.negative_prompt}" if request.negative_prompt else ""
    said = ", ".join(f"{name}: {_quoted(text)}" for name, text in _parameters(request))
    return f"{prompt_text(request)}{negative}\n{said}".strip()


def prompt_text(request: CompleteRequest) -> str:
    """The prompt, with adapters as marks at its end."""
    marks = [f"<lora:{adapter.id}:{adapter.scale:g}>" for adapter in request.adapters]
    return " ".join([request.prompt, *marks] if request.prompt else marks)


def _parameters(request: CompleteRequest) -> Iterator[tuple[str, str]]:
    name = SAMPLER_NAMES[request.scheduler]
    yield "Steps", str(request.num_inference_steps)
    yield "Sampler", name.sampler
    yield "Schedule type", name.schedule
    if request.guidance_scale is not None:
        yield "CFG scale", f"{request.guidance_scale:g}"
    if request.image_guidance_scale is not None:
        yield "Image CFG scale", f"{request.image_guidance_scale:g}"
    yield "Seed", str(request.seed)
    yield "Size", f"{request.width}x{request.height}"
    yield "Model", request.model
    if request.strength is not None:
        yield "Denoising strength", f"{request.strength:g}"


def _quoted(text: str) -> str:
    """Text that readers will not take for several parts."""
    return json.dumps(text, ensure_ascii=False) if any(mark in text for mark in ",:\n") else text
