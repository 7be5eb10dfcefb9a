"""Which scheduler of ours a sampler and a schedule of AUTOMATIC1111 are."""

import pytest

from contract.request import SCHEDULERS
from contract.sampler_names import SAMPLER_NAMES
from tests.dialects.automatic1111.conftest import PATHS, Ask, assert_refused
from tests.dialects.automatic1111.test_translation import of_both

MEANINGS: list[tuple[str | None, str | None, str]] = [
    ("Euler a", None, "euler_ancestral"),
    ("Euler a", "automatic", "euler_ancestral"),
    ("k_euler_a", "Automatic", "euler_ancestral"),
    ("Euler", "Automatic", "euler"),
    ("Euler", "uniform", "euler"),
    ("Euler", "normal", "euler"),
    ("Euler", "Karras", "euler_karras"),
    ("Euler Karras", None, "euler_karras"),
    ("Euler", "SGM Uniform", "euler_trailing"),
    ("Euler", "Simple", "euler_trailing"),
    ("Heun", "karras", "heun_karras"),
    ("DDIM", None, "ddim"),
    ("DDIM", "normal", "ddim"),
    ("UniPC", None, "unipc"),
    ("UniPC", "Karras", "unipc_karras"),
    ("DPM++ 2M", "Uniform", "dpmpp_2m"),
    ("DPM++ 2M", None, "dpmpp_2m_karras"),
    ("DPM++ 2M Karras", None, "dpmpp_2m_karras"),
    ("DPM++ 2M Karras", "Automatic", "dpmpp_2m_karras"),
    ("DPM++ 2M Karras", "Karras", "dpmpp_2m_karras"),
    ("DPM++ 2M SDE", "Automatic", "dpmpp_2m_sde_karras"),
    ("DPM++ 2M SDE Karras", None, "dpmpp_2m_sde_karras"),
    ("DPM++ 2M SDE", "sgm_uniform", "dpmpp_2m_sde_trailing"),
    (None, None, "ddim"),
    (None, "automatic", "ddim"),
    (None, "Karras", "euler_karras"),
]
MARKS = [
    *of_both("sampler_name", "mapped", "Euler, Euler a, Heun, DPM++ 2M, DPM++ 2M SDE, DDIM, UniPC, LCM, TCD."),
    *of_both("scheduler", "mapped", "Automatic, Uniform, Normal, Karras, SGM Uniform, Simple; others are refused."),
]


@pytest.mark.parametrize(("sampler", "schedule", "ours"), [pytest.param(*meaning, marks=MARKS) for meaning in MEANINGS])
async def test_a_sampler_and_a_schedule_are_one_of_ours(
    ask: Ask, sampler: str | None, schedule: str | None, ours: str
) -> None:
    answered = await ask(sampler_name=sampler, scheduler=schedule)
    assert answered.response.status_code == 200, answered.response.text
    assert answered.request["scheduler"] == ours


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize(
    "field",
    [
        pytest.param(
            "sampler_index", marks=of_both("sampler_index", "exact", "The old name of sampler_name, which wins.")
        )
    ],
)
async def test_the_old_name_counts_where_the_new_one_is_not(ask: Ask, kind: str, field: str) -> None:
    assert (await ask(kind, **{field: "Heun"})).request["scheduler"] == "heun"
    assert (await ask(kind, **{field: "Heun"}, sampler_name="Euler")).request["scheduler"] == "euler"


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize(
    ("sampler", "schedule", "status", "code", "field"),
    [
        ("Nope", None, 404, "unknown_sampler", "sampler_name"),
        ("DPM++ 3M SDE", None, 404, "unknown_sampler", "sampler_name"),
        ("Euler a", "Karras", 422, "unsupported_scheduler", "sampler_name"),
        ("DDIM", "Karras", 422, "unsupported_scheduler", "sampler_name"),
        ("LCM", None, 422, "unsupported_scheduler", "sampler_name"),
        ("Euler", "exponential", 422, "invalid_request", "scheduler"),
        ("DPM++ 2M Karras", "Uniform", 422, "invalid_request", "scheduler"),
    ],
)
async def test_what_we_have_not_is_refused(
    *, ask: Ask, kind: str, sampler: str, schedule: str | None, status: int, code: str, field: str
) -> None:
    assert_refused((await ask(kind, sampler_name=sampler, scheduler=schedule)).response, status, code, field)


@pytest.mark.parametrize(
    ("sampler", "eta"),
    [
        pytest.param(sampler, eta, marks=of_both("eta", "mapped", "What the sampler does anyway, or it is refused."))
        for sampler, eta in (("Euler a", 1.0), ("Euler a", None), ("DDIM", 0), ("Euler", 1.0), ("UniPC", 0.3))
    ],
)
async def test_an_eta_that_changes_nothing_is_taken(ask: Ask, sampler: str, eta: float | None) -> None:
    assert (await ask(sampler_name=sampler, eta=eta)).response.status_code == 200


@pytest.mark.parametrize(("sampler", "eta"), [("DDIM", 1.0), ("Euler a", 0.5), ("DPM++ 2M SDE", 0), (None, 1.0)])
async def test_an_eta_that_changes_something_is_refused(ask: Ask, sampler: str | None, eta: float) -> None:
    assert_refused((await ask(sampler_name=sampler, eta=eta)).response, 422, "invalid_request", "eta")


async def test_every_scheduler_of_the_model_can_be_asked_for_by_its_name(ask: Ask) -> None:
    offered = (await ask(override_settings={})).jobs and [
        scheduler for scheduler in SCHEDULERS if not scheduler.startswith(("lcm", "tcd", "flow_match"))
    ]
    for scheduler in offered:
        name = SAMPLER_NAMES[scheduler]
        answered = await ask(sampler_name=name.sampler, scheduler=name.schedule)
        assert answered.request["scheduler"] == scheduler
