"""Branches: from a job's complete request, a step, and what is to be different from there to one complete request.

The part before the step is made again, to the same bits, so nothing of a job has to be kept for its branches.
"""

from collections.abc import Collection, Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from contract.catalogue import ModelSpec
from contract.errors import BranchConflict, InvalidRequest, LimitExceeded
from contract.guidance import short_form
from contract.intervention_limits import check_interventions, refuse_rivals
from contract.interventions import MAX_INTERVENTIONS, Intervention, Moment, SetGuidance, SwapPrompt, in_force
from contract.prompt_syntax import parse
from contract.request import CompleteRequest, GenerationRequest

CHANGED_ON_THE_WAY = frozenset({"prompt", "negative_prompt", "guidance_scale", "guidance", "intervene"})

CHANGED_AT_THE_END = frozenset({"output_format", "output_quality", "metadata"})
"""What changes no pixel that the network makes, and so may be said anew of a branch."""


class Branch(BaseModel):
    """The job that a run continues, and from where."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    job: str = Field(
        min_length=1,
        max_length=100,
        description="The job's id; what this request leaves open is that job's.",
        examples=["job_4fd1c36a0a3b4ef39e9f3f8a3f1c2d5e"],
    )
    step: int = Field(
        ge=0,
        description="The first step, from 0, in which something is different; those before it are made as they were.",
        examples=[10],
    )


def branched(parent: CompleteRequest, asked: GenerationRequest, step: int, spec: ModelSpec) -> GenerationRequest:
    """What `asked` leaves open from its parent, and what it says from a step on as interventions; `spec` is the model.

    With nothing said that is different, the parent's own request.
    Raises: BranchConflict, LimitExceeded, InvalidRequest, UnsupportedIntervention, MalformedPrompt, naming the field.
    """
    if step >= parent.num_steps:
        raise LimitExceeded(
            f"branch_from.step is {step}, and the last of the job's {parent.num_steps} steps is "
            f"{parent.num_steps - 1}.",
            field="branch_from.step",
        )
    said = asked.model_fields_set
    _refuse_others(parent, asked, said)
    kept, own = _interventions(parent, asked, step)
    check_interventions(own, parent, spec.family, spec.limits.max_guidance_scale)
    added = [*_prompts(parent, asked, kept, step), *_scale(parent, asked, kept, step), *own]
    if len(kept) + len(added) > MAX_INTERVENTIONS:
        raise LimitExceeded(
            f"The job's interventions and this branch's are {len(kept) + len(added)}, and at most {MAX_INTERVENTIONS} "
            "are allowed.",
            field="intervene",
        )
    anew = {name: getattr(asked, name) for name in said & CHANGED_AT_THE_END}
    if asked.output_format != parent.output_format and "output_format" in said:
        anew.setdefault("output_quality", None)
    return parent.again.model_copy(update=anew | {"intervene": (*kept, *added)})


def _refuse_others(parent: CompleteRequest, asked: GenerationRequest, said: Collection[str]) -> None:
    """Holds what cannot change on the way against the parent; null leaves it open. Raises: BranchConflict."""
    for name in sorted(set(said) - CHANGED_ON_THE_WAY - CHANGED_AT_THE_END):
        value = getattr(asked, name)
        if value is not None and value != getattr(parent, name):
            raise BranchConflict(
                f"{name} cannot change on the way: a branch has that of its job. Leave it out.", field=name
            )


def _interventions(
    parent: CompleteRequest, asked: GenerationRequest, step: int
) -> tuple[list[Intervention], list[Intervention]]:
    """The parent's that stay, and those that are asked for."""
    if "intervene" not in asked.model_fields_set:
        return list(parent.intervene), []
    own = [_from(one, step, index) for index, one in enumerate(asked.intervene)]
    return list(_until(parent.intervene, step)), own


def _until(intervene: Iterable[Intervention], step: int) -> Iterable[Intervention]:
    """What is left of interventions before a step."""
    for one in intervene:
        if (one.step_from or 0) < step:
            end = step if one.step_to is None else min(one.step_to, step)
            yield one.model_copy(update={"step_to": end})


def _from(one: Intervention, step: int, index: int) -> Intervention:
    """An intervention of a branch. Raises: InvalidRequest."""
    if one.step_from is not None and one.step_from < step:
        raise InvalidRequest(
            f"intervene.{index}.step_from is {one.step_from}, and the branch begins at step {step}.",
            field=f"intervene.{index}.step_from",
        )
    return one.model_copy(update={"step_from": step if one.step_from is None else one.step_from})


def _prompts(
    parent: CompleteRequest, asked: GenerationRequest, kept: list[Intervention], step: int
) -> Iterable[Intervention]:
    """The prompts of a branch, where they are not what would hold anyway."""
    different: dict[str, Any] = {
        name: getattr(asked, name)
        for name in ("prompt", "negative_prompt")
        if name in asked.model_fields_set
        and any(getattr(moment, name) != getattr(asked, name) for moment in _moments(parent, kept, step))
    }
    if parent.prompt_syntax == "weighted":
        for name, text in different.items():
            parse(text, field=name)
    if different:
        yield SwapPrompt(kind="swap_prompt", step_from=step, step_to=parent.num_steps, **different)


def _scale(
    parent: CompleteRequest, asked: GenerationRequest, kept: list[Intervention], step: int
) -> Iterable[Intervention]:
    """The guidance scale of a branch, where it is not what would hold anyway. Raises: BranchConflict, LimitExceeded."""
    guidance, scale = asked.guidance_listed, asked.guidance_scale
    if guidance is not None and guidance != parent.guidance:
        scale = short_form(guidance) if scale is None else scale
        if scale != short_form(guidance) or scale is None:
            raise BranchConflict(
                "guidance cannot change on the way, but for the scale of classifier_free alone.", field="guidance"
            )
    held = {
        parent.guidance_scale if m.guidance_scale is None else m.guidance_scale for m in _moments(parent, kept, step)
    }
    if scale is None or held == {scale}:
        return
    if scale < 1:
        raise LimitExceeded(
            "guidance_scale below 1 is as 1 is; say 1, or a set_guidance of intervene, which means it.",
            field="guidance_scale",
        )
    refuse_rivals(parent.guidance, "guidance_scale")
    yield SetGuidance(kind="set_guidance", step_from=step, step_to=parent.num_steps, scale=scale)


def _moments(parent: CompleteRequest, kept: list[Intervention], step: int) -> list[Moment]:
    """What would hold from a step on."""
    usual = Moment(parent.prompt, parent.negative_prompt)
    return [in_force(usual, tuple(kept), at) for at in range(step, parent.num_steps)]
