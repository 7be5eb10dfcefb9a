"""Costs and the predictions that follow from them, on stated numbers."""

from dataclasses import replace

import pytest

from contract.costs import KEPT_SECONDS, KEY, Cost, Costs, CostTable, Forecast
from contract.store_connection import StoreConnection
from tests.conftest import complete_request

SMALL = Cost("tiny", 64, 64, seconds_per_row=0.01, seconds_per_forward_alone=0.05, seconds_per_decode=0.2)
LARGE = replace(SMALL, height=128, width=128, seconds_per_row=0.08, seconds_per_forward_alone=0.4)


def forecast(*costs: Cost, **changes: object) -> Forecast:
    found = CostTable(costs).forecast(complete_request(**changes))
    assert found is not None
    return found


def test_work_is_rows_and_decodes() -> None:
    guided = forecast(SMALL, num_inference_steps=10, guidance_scale=3.0)
    assert guided.work_seconds == pytest.approx(10 * 2 * 0.01 + 0.2)
    assert forecast(SMALL, num_inference_steps=10, guidance_scale=1.0).work_seconds == pytest.approx(10 * 0.01 + 0.2)
    assert forecast(SMALL, num_inference_steps=10, num_images=3).work_seconds == pytest.approx(3 * guided.work_seconds)


def test_heun_evaluates_twice_but_in_its_last_step() -> None:
    heun = forecast(SMALL, num_inference_steps=10, scheduler="heun_karras", guidance_scale=1.0)
    assert heun.work_seconds == pytest.approx(19 * 0.01 + 0.2)


def test_alone_a_job_takes_its_forwards_and_with_many_images_its_rows() -> None:
    assert forecast(SMALL, num_inference_steps=10).own_seconds == pytest.approx(10 * 0.05 + 0.2)
    many = forecast(SMALL, num_inference_steps=10, num_images=16)
    assert many.own_seconds == pytest.approx(10 * 32 * 0.01 + 16 * 0.2)


def test_in_company_a_job_has_the_rows_of_all_in_each_of_its_forwards() -> None:
    company = [complete_request(guidance_scale=1.0)] * 4 + [complete_request(height=128, width=128)]
    found = CostTable([SMALL, LARGE]).forecast(complete_request(num_inference_steps=10), company)
    assert found is not None
    assert found.own_seconds == pytest.approx(10 * (2 * 0.01 + 4 * 0.01 + 2 * 0.08) + 0.2)
    assert found.work_seconds == forecast(SMALL, num_inference_steps=10).work_seconds


def test_a_model_that_was_never_measured_is_not_guessed_at() -> None:
    assert CostTable([SMALL]).forecast(complete_request(model="other")) is None
    assert CostTable().forecast(complete_request()) is None


def test_one_measured_size_is_scaled_by_pixels() -> None:
    found = CostTable([SMALL]).cost("tiny", 64, 128)
    assert found is not None
    assert found.seconds_per_row == pytest.approx(0.02)
    assert found.seconds_per_decode == pytest.approx(0.4)


def test_several_measured_sizes_are_scaled_by_their_own_power() -> None:
    """Four times the pixels take eight times as long: the power is 1.5."""
    table = CostTable([SMALL, LARGE])
    found = table.cost("tiny", 256, 256)
    assert found is not None
    assert found.seconds_per_row == pytest.approx(0.64)
    for known in (SMALL, LARGE):
        again = table.cost("tiny", known.height, known.width)
        assert again is not None
        assert again.seconds_per_row == pytest.approx(known.seconds_per_row), "a measured size is as it was measured"


def test_a_size_with_as_many_pixels_as_a_measured_one_costs_as_much() -> None:
    found = CostTable([SMALL, LARGE]).cost("tiny", 32, 128)
    assert found is not None
    assert found.seconds_per_row == pytest.approx(SMALL.seconds_per_row)


async def test_what_a_worker_says_is_read(connection: StoreConnection) -> None:
    await Costs(connection).report("w1", [SMALL, LARGE])
    table = await Costs(connection).read()
    assert set(table.costs.values()) == {SMALL, LARGE}
    await Costs(connection).report("w1", [SMALL])
    assert set((await Costs(connection).read()).costs.values()) == {SMALL}


async def test_workers_that_differ_are_averaged(connection: StoreConnection) -> None:
    await Costs(connection).report("w1", [SMALL])
    await Costs(connection).report("w2", [replace(SMALL, seconds_per_row=0.03)])
    (cost,) = (await Costs(connection).read()).costs.values()
    assert cost.seconds_per_row == pytest.approx(0.02)


async def test_old_words_yield_to_new_ones_and_are_forgotten_in_the_end(connection: StoreConnection) -> None:
    async def age(worker: str, seconds: float) -> None:
        said = await connection.redis.hget(KEY, worker)
        number = said.partition('"said_at": ')[2].partition(",")[0]
        await connection.redis.hset(KEY, worker, said.replace(number, str(float(number) - seconds)))

    await Costs(connection).report("old", [replace(SMALL, seconds_per_row=9.0)])
    await age("old", 3600)
    (alone,) = (await Costs(connection).read()).costs.values()
    assert alone.seconds_per_row == 9.0, "nobody knows better"
    await Costs(connection).report("new", [SMALL])
    assert set((await Costs(connection).read()).costs.values()) == {SMALL}
    await age("old", KEPT_SECONDS)
    await Costs(connection).read()
    assert await connection.redis.hkeys(KEY) == ["new"]


async def test_an_api_process_asks_at_most_once_a_second(connection: StoreConnection) -> None:
    costs = Costs(connection)
    before = await costs.read()
    await Costs(connection).report("w1", [SMALL])
    assert await costs.read() is before
