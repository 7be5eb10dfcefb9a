"""What of guidance goes with which family of models, and with which schedulers."""

from contract.errors import InvalidRequest, LimitExceeded, UnsupportedGuidance, UnsupportedScheduler
from contract.guidance import GUIDANCE_KINDS, GuidanceKind, check_together, short_form
from contract.request import CompleteRequest, GenerationRequest, Scheduler

RENOISING_SCHEDULERS: tuple[Scheduler, ...] = (
    "euler",
    "euler_karras",
    "euler_trailing",
    "euler_ancestral",
    "euler_ancestral_trailing",
    "ddim",
    "ddim_trailing",
    "flow_match_euler",
    "flow_match_euler_trailing",
)
"""Those whose steps depend on nothing but where they start, and add noise that can be another estimate's."""

SHAPED_BY_SELF_ATTENTION = ("stable_diffusion", "stable_diffusion_xl")
"""Families whose network has a middle with a self-attention of its own, which can be perturbed."""

SAYS_WHAT_IT_SHOWS: tuple[GuidanceKind, ...] = ("classifier", "universal")
"""Kinds that make a prompt dispensable."""


def guidance_kinds(family: str) -> tuple[GuidanceKind, ...]:
    """The kinds that models of a family can be guided by, as far as a catalogue knows."""
    if family == "diffusers":
        return ("classifier_free",)
    if family in SHAPED_BY_SELF_ATTENTION:
        return GUIDANCE_KINDS
    return tuple(kind for kind in GUIDANCE_KINDS if kind != "perturbed_attention")


def check_guidance(asked: GenerationRequest, complete: CompleteRequest, family: str, max_scale: float) -> None:
    """Holds guidance against what a model can do; `asked` is how the client put it, for the names of fields.

    Raises: GuidanceConflict, UnsupportedGuidance, UnsupportedScheduler, LimitExceeded, InvalidRequest.
    """
    _check_forms(asked)
    check_together(complete.guidance)
    for index, one in enumerate(complete.guidance):
        if one.kind not in guidance_kinds(family):
            raise UnsupportedGuidance(
                f"Models of the family {family} cannot be guided by {one.kind}.", field="guidance"
            )
        field = "guidance_scale" if asked.guidance is None else f"{asked.within_guidance(index)}scale"
        if one.scale > max_scale:
            raise LimitExceeded(f"{field} is {one.scale}, and the model allows at most {max_scale}.", field=field)
    if family == "diffusers" and complete.guidance_scale is None:
        raise UnsupportedGuidance(f"Models of the family {family} take nothing but a guidance_scale.", field="guidance")
    _check_scheduler(complete)
    if (
        not complete.prompt
        and complete.image is None
        and not any(one.kind in SAYS_WHAT_IT_SHOWS for one in complete.guidance)
    ):
        raise InvalidRequest("prompt is required where nothing else says what the picture shows.", field="prompt")


def _check_forms(asked: GenerationRequest) -> None:
    guidance = asked.guidance_listed
    if guidance is None or asked.guidance_scale is None or short_form(guidance) == asked.guidance_scale:
        return
    raise InvalidRequest("guidance and guidance_scale say different things; leave one of them out.", field="guidance")


def _check_scheduler(complete: CompleteRequest) -> None:
    if complete.scheduler in RENOISING_SCHEDULERS:
        return
    offered = ", ".join(RENOISING_SCHEDULERS)
    for one in complete.guidance:
        if one.kind == "cfg_pp" or one.price.recurrence > 1:
            what = "cfg_pp" if one.kind == "cfg_pp" else "recurrence"
            raise UnsupportedScheduler(f"{what} goes with the schedulers {offered}.", field="scheduler")
