"""From OpenAI's parameters to a request of ours: what each of them means here, and which of them say what cannot be."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from app.dialects.openai.bodies import REFUSED, SIZE, Asked, Drawing, ImageVariation, Quality
from contract.catalogue import Catalogue, ModelSpec
from contract.editing import Size
from contract.errors import InvalidRequest, LimitExceeded
from contract.request import GenerationRequest

STEPS: Mapping[Quality, float] = MappingProxyType(
    {"auto": 1, "low": 0.5, "medium": 1, "high": 2, "xhigh": 3, "max": 4, "standard": 1, "hd": 2}
)
"""How many denoising steps a quality makes, over those that are the model's default."""

SAID: Mapping[Quality, Quality] = MappingProxyType({"auto": "medium", "standard": "medium", "hd": "high"})
"""What answers call a quality that has two names."""

RESIZE = "crop"
"""How a picture that is sent is brought to the size of the result; one that has this size stays as it is."""

VARIATION = 0.5
"""How far variations go: in the middle between as close as can be and as far as can be."""


def drawn(asked: Drawing, catalogue: Catalogue, **pictures: str) -> GenerationRequest:
    """The request for pictures from a prompt; `pictures` are the fields that name those to begin with.

    Raises: UnknownModel, InvalidRequest, LimitExceeded.
    """
    _refuse(asked)
    model = _model(asked, catalogue)
    said = _common(asked, model) | {
        "prompt": asked.prompt,
        "negative_prompt": asked.negative_prompt,
        "guidance_scale": asked.guidance_scale,
        "num_inference_steps": _num_steps(asked, model),
        "output_format": asked.output_format,
        "output_quality": asked.output_compression,
    }
    return _request(said | pictures | ({"resize": RESIZE} if pictures else {}))


def varied(asked: ImageVariation, catalogue: Catalogue, image: str) -> GenerationRequest:
    """The request for pictures like one. Raises: UnknownModel, LimitExceeded."""
    return _request(
        _common(asked, _model(asked, catalogue))
        | {"num_inference_steps": asked.num_inference_steps}
        | {"image": image, "variation": VARIATION, "resize": RESIZE}
    )


def said_quality(asked: Asked) -> Quality | None:
    """What answers say of the quality; None where steps were asked for instead."""
    if asked.num_inference_steps is not None:
        return None
    quality: Quality = (asked.quality if isinstance(asked, Drawing) else None) or "auto"
    return SAID.get(quality, quality)


def _request(said: dict[str, Any]) -> GenerationRequest:
    return GenerationRequest.model_validate({name: value for name, value in said.items() if value is not None})


def _model(asked: Asked, catalogue: Catalogue) -> ModelSpec:
    return catalogue.find(catalogue.default_model if asked.model is None else asked.model)


def _common(asked: Asked, model: ModelSpec) -> dict[str, Any]:
    size = _size(asked.size, model)
    return {
        "model": asked.model,
        "num_images": asked.n,
        "height": size and size.height,
        "width": size and size.width,
        "seed": asked.seed,
        "metadata": asked.metadata,
    }


def _size(text: str | None, model: ModelSpec) -> Size | None:
    """The size that is asked for; None where the model's, or the picture's, will do. Raises: LimitExceeded."""
    found = SIZE.fullmatch(text or "auto")
    if found is None or found[1] is None:
        return None
    size = Size(height=int(found[2]), width=int(found[1]))
    allowed = model.capabilities.sizes
    if not allowed.has(size):
        raise LimitExceeded(f"size is {text}, and {model.id} draws {allowed} pixels on each side.", field="size")
    return size


def _num_steps(asked: Drawing, model: ModelSpec) -> int | None:
    """The denoising steps that are asked for; None where it is the model's default. Raises: InvalidRequest."""
    quality = asked.quality or "auto"
    if asked.num_inference_steps is not None:
        if quality not in ("auto", "standard"):
            raise InvalidRequest("quality and num_inference_steps both say how many steps are made.", field="quality")
        return asked.num_inference_steps
    factor = STEPS[quality]
    if factor == 1:
        return None
    return max(1, min(round(model.defaults.num_inference_steps * factor), model.limits.max_num_inference_steps))


def _refuse(asked: Drawing) -> None:
    """Raises: InvalidRequest, naming what cannot be done."""
    for field in sorted(asked.model_fields_set & REFUSED.keys()):
        if getattr(asked, field) is not None:
            raise InvalidRequest(f"{field} is not offered: {REFUSED[field]}.", field=field)
    if asked.background == "transparent":
        raise InvalidRequest("background can be opaque only; models here draw no transparency.", field="background")
    if asked.output_compression is not None and asked.output_format in (None, "png"):
        raise InvalidRequest(
            "output_compression needs output_format jpeg or webp; png keeps every pixel.", field="output_compression"
        )
    if asked.partial_images and not asked.stream:
        raise InvalidRequest("partial_images needs stream.", field="partial_images")
    if asked.stream and asked.response_format == "url":
        raise InvalidRequest("response_format can be b64_json only in a stream.", field="response_format")
