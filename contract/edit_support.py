"""Which edits a model can make, and what a request for one takes where it leaves something open."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from contract.canvas_sizes import Allowed, Asked, canvas_size, check_sizes
from contract.editing import Edit, Size
from contract.errors import InvalidRequest, UnsupportedEdit, UnsupportedScheduler
from contract.request import GenerationRequest

TrainedFor = Literal["pictures", "inpainting", "instructions", "maps"]
"""What a network was trained to make: pictures from prompts; what a mask hides, from 9 channels; changes of a picture
that it sees beside the latents, from 8 channels; maps of such a picture."""

FIELDS: Mapping[TrainedFor, frozenset[str]] = MappingProxyType(
    {
        "pictures": frozenset(Edit.model_fields) - {"image_guidance_scale"},
        "inpainting": frozenset({"image", "mask", "mask_padding", "expand", "resize", "strength"}),
        "instructions": frozenset({"image", "resize", "image_guidance_scale"}),
        "maps": frozenset({"image", "resize", "strength"}),
    }
)
"""The fields of an edit that such a network can follow."""

WITH_SELF_ATTENTION = ("stable_diffusion", "stable_diffusion_xl")
"""The families whose attention can be led around a mask."""

REMOVAL_SCALE = 4.0
"""How far the fill is pushed away from what was there. Source: Sun et al. 2024, arXiv:2412.12974, equation 7."""

IMAGE_GUIDANCE_SCALE = 1.5
"""Source: Brooks et al. 2022, arXiv:2211.09800, section 3.2.1."""


class Capabilities(NamedTuple):
    """What of a model decides on edits."""

    model_id: str
    family: str
    trained_for: TrainedFor
    sizes: Allowed
    scheduler: str


def edited(request: GenerationRequest, sizes: Mapping[str, Size], model: Capabilities) -> GenerationRequest:
    """The request with what follows from the picture that it changes; `sizes` are those that its fields name.

    Raises: InvalidRequest, UnsupportedEdit, InvalidMask, LimitExceeded.
    """
    check_prompt(request.prompt, request)
    if model.trained_for == "maps":
        check_map(request, model.model_id)
    request.check_edit()
    check_support(request, model)
    if "image" not in sizes:
        return request
    check_sizes(sizes)
    size = canvas_size(request, Asked(request.height, request.width), sizes["image"], model.sizes)
    filled = defaults(request, model.trained_for, request.scheduler or model.scheduler) | size._asdict()
    if request.guidance is None and request.guidance_scale is None:
        filled["guidance_scale"] = default_guidance_scale(request.prompt, request)
    return request.model_copy(update=filled)


def check_support(edit: Edit, model: Capabilities) -> None:
    """Refuses what a model cannot do. Raises: UnsupportedEdit."""
    model_id, family, trained_for, *_ = model
    given = edit.given
    if family == "diffusers" and given:
        raise UnsupportedEdit(f"{model_id} runs whole, and makes no edits.", field=min(given))
    for field in sorted(given - FIELDS[trained_for]):
        raise UnsupportedEdit(f"{model_id} was trained for {trained_for}, and has no use for {field}.", field=field)
    if trained_for != "pictures" and edit.image is None:
        raise UnsupportedEdit(f"{model_id} was trained for {trained_for}, and needs image.", field="image")
    if trained_for == "inpainting" and not edit.is_inpainting:
        raise UnsupportedEdit(f"{model_id} was trained for inpainting, and needs mask or expand.", field="mask")
    if edit.remove and family not in WITH_SELF_ATTENTION:
        raise UnsupportedEdit(f"{model_id} has no attention that could be led around a mask.", field="remove")


def check_map(request: GenerationRequest, model_id: str) -> None:
    """Refuses what says anything of a map but which picture it is of. Raises: UnsupportedEdit."""
    for field in ("prompt", "negative_prompt"):
        if getattr(request, field):
            raise UnsupportedEdit(f"{model_id} makes maps of pictures, and reads no {field}.", field=field)
    for field, only in (("strength", 1), ("resize", "stretch")):
        if getattr(request, field) not in (None, only):
            raise UnsupportedEdit(f"{model_id} makes maps of whole pictures; {field} can only be {only}.", field=field)


def check_scheduler(edit: Edit, scheduler: str) -> None:
    """Refuses schedulers whose steps cannot be made again, where they must be. Raises: UnsupportedScheduler."""
    if edit.num_resamplings > 1 and not can_repeat(scheduler):
        raise UnsupportedScheduler(
            "inpaint_method standard makes steps again, which euler, euler_ancestral and ddim can.", field="scheduler"
        )


def check_prompt(prompt: str, edit: Edit) -> None:
    """A prompt may not be there where it would be left out. Raises: InvalidRequest."""
    if prompt and edit.remove:
        raise InvalidRequest("prompt and remove cannot be combined; without remove, mask is repainted.", field="prompt")


def defaults(edit: Edit, trained_for: TrainedFor, scheduler: str) -> dict[str, object]:
    """What an edit takes where it leaves something open."""
    if edit.image is None:
        return {}
    if trained_for == "instructions":
        return {"image_guidance_scale": edit.image_guidance_scale or IMAGE_GUIDANCE_SCALE}
    if trained_for == "maps":
        return {"strength": 1.0}
    filled: dict[str, object] = {"strength": edit.effective_strength} if edit.variation is None else {}
    if trained_for == "pictures":
        filled |= {"mask_mode": edit.mask_mode or "blend"} if edit.mask is not None else {}
        if edit.is_inpainting and edit.mask_mode != "strength" and edit.inpaint_method is None:
            repeats = can_repeat(scheduler) and not edit.remove
            filled |= {"inpaint_method": "standard" if repeats else "fast"}
    return filled


def default_guidance_scale(prompt: str, edit: Edit) -> float | None:
    """The guidance scale of an edit without a prompt; None where it is the model's."""
    if edit.remove:
        return REMOVAL_SCALE
    return None if prompt or edit.image is None else 1.0


def can_repeat(scheduler: str) -> bool:
    """Whether a step of this scheduler depends on nothing but where it starts."""
    return scheduler.startswith(("euler", "ddim", "flow_match_euler"))
