"""What of interventions goes with which family of models, scheduler and guidance; and what a request leaves open."""

from collections.abc import Iterable

from contract import prompt_syntax
from contract.errors import InvalidRequest, LimitExceeded, UnsupportedIntervention
from contract.guidance import AWAY_FROM_NEGATIVE, ClassifierFree, Guidance
from contract.interventions import (
    INTERVENTION_KINDS,
    AddNoise,
    Intervention,
    InterventionKind,
    SetGuidance,
    SwapPrompt,
)
from contract.request import CompleteRequest

WITH_CROSS_ATTENTION = ("stable_diffusion", "stable_diffusion_xl")
"""Families whose network looks at the prompt in attentions of its own, one column a token."""

BY_TOKEN: tuple[InterventionKind, ...] = ("mute_token", "scale_token")

FORGETS_WHERE_IT_IS = ("unipc", "unipc_karras", "unipc_trailing")
"""Schedulers that begin each step where they compute that the last one should have led, whatever was added there."""


def intervention_kinds(family: str) -> tuple[InterventionKind, ...]:
    """The kinds that models of a family can be changed by, as far as a catalogue knows."""
    if family == "diffusers":
        return ()
    if family in WITH_CROSS_ATTENTION:
        return INTERVENTION_KINDS
    return tuple(kind for kind in INTERVENTION_KINDS if kind not in BY_TOKEN)


def intervened(complete: CompleteRequest, family: str, max_scale: float) -> CompleteRequest:
    """The request with its interventions complete, and held against what a model can do.

    Raises: UnsupportedIntervention, LimitExceeded, InvalidRequest, MalformedPrompt.
    """
    if not complete.intervene:
        return complete
    check_interventions(complete.intervene, complete, family, max_scale)
    return complete.model_copy(update={"intervene": tuple(_completed(one, complete) for one in complete.intervene)})


def check_interventions(
    intervene: Iterable[Intervention], complete: CompleteRequest, family: str, max_scale: float
) -> None:
    """Holds interventions against what a model can do. Raises: as `intervened`, by their places in this list."""
    for index, one in enumerate(intervene):
        _check(one, f"intervene.{index}.", complete, family, max_scale)


def _completed(one: Intervention, complete: CompleteRequest) -> Intervention:
    step_to = complete.num_steps if one.step_to is None else one.step_to
    filled: dict[str, object] = {"step_from": one.step_from or 0, "step_to": step_to}
    if isinstance(one, AddNoise) and one.seed is None:
        filled["seed"] = complete.seed
    return one.model_copy(update=filled)


def _check(one: Intervention, within: str, complete: CompleteRequest, family: str, max_scale: float) -> None:
    if one.kind not in intervention_kinds(family):
        raise UnsupportedIntervention(
            f"Models of the family {family} cannot be changed by {one.kind}.", field=f"{within}kind"
        )
    _check_steps(one, within, complete.num_steps)
    match one:
        case SetGuidance():
            _check_scale(one, within, complete.guidance, max_scale)
        case SwapPrompt():
            _check_prompts(one, within, complete)
        case AddNoise() if complete.scheduler in FORGETS_WHERE_IT_IS:
            raise UnsupportedIntervention(
                f"{complete.scheduler} corrects each step by where the last one began, and so would lose the noise.",
                field=f"{within}kind",
            )


def _check_steps(one: Intervention, within: str, num_steps: int) -> None:
    """Holds the steps of an intervention against those that are made. Raises: LimitExceeded, InvalidRequest."""
    first, end = one.step_from or 0, one.step_to
    if first >= num_steps:
        raise LimitExceeded(
            f"{within}step_from is {first}, and the last of the {num_steps} steps is {num_steps - 1}.",
            field=f"{within}step_from",
        )
    if end is not None and end > num_steps:
        raise LimitExceeded(f"{within}step_to is {end}, and there are {num_steps} steps.", field=f"{within}step_to")
    if end is not None and end <= first:
        raise InvalidRequest(
            f"{within}step_to is {end}, and must be more than step_from, {first}: it is the first step that is not "
            "changed any more.",
            field=f"{within}step_to",
        )


def _check_scale(one: SetGuidance, within: str, guidance: Iterable[Guidance], max_scale: float) -> None:
    refuse_rivals(guidance, f"{within}kind")
    if abs(one.scale) > max_scale:
        raise LimitExceeded(
            f"{within}scale is {one.scale}, and the model allows at most {max_scale}.", field=f"{within}scale"
        )


def refuse_rivals(guidance: Iterable[Guidance], field: str) -> None:
    """Refuses to set a scale beside guidance whose scale means something else. Raises: UnsupportedIntervention."""
    for one in guidance:
        if isinstance(one, AWAY_FROM_NEGATIVE) and not isinstance(one, ClassifierFree):
            raise UnsupportedIntervention(
                f"The scale of {one.kind} cannot be changed on the way, only that of classifier_free.", field=field
            )


def _check_prompts(one: SwapPrompt, within: str, complete: CompleteRequest) -> None:
    texts = {"prompt": one.prompt, "negative_prompt": one.negative_prompt}
    if one.prompt is None and one.negative_prompt is None:
        raise InvalidRequest("swap_prompt needs prompt or negative_prompt.", field=f"{within}prompt")
    if complete.remove:
        raise UnsupportedIntervention("Where something is removed, there is no prompt to swap.", field=f"{within}kind")
    if complete.prompt_syntax != "plain":
        for name, text in texts.items():
            prompt_syntax.parse(text or "", field=f"{within}{name}")
