"""A flood by one tenant hardly slows another's pictures down, whatever it asks for, and changes none of their bits."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median, quantiles

import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists, tuples

from tests.worker.engines import Held, alone, asked, pictures, timed
from tests.worker.test_turns import lane
from worker.batcher import first, select
from worker.engine import Engine
from worker.events import Event, Finished, Progressed
from worker.generation import Generation, start
from worker.lanes import _weights
from worker.pace import Pace
from worker.prompt_cache import PromptCache
from worker.shares import Shares
from worker.stepwise_pipeline import StepwisePipeline
from worker.turns import Turns

BUCKETS = (1, 2, 3, 4, 6, 8, 12)
CALM = asked(seed=1000)
NUM_STEPS = 4


SLOW = {size: 2 + size for size in BUCKETS}
"""Seconds of forwards where every row takes its time. They are far from the real ones, which hardly move them."""


def engine_with(pipeline: StepwisePipeline, seconds: Mapping[int, float]) -> Engine:
    """An engine whose forwards are said to take so many seconds."""
    return Engine(Held({"tiny": pipeline}), timed(seconds))


def flood(engine: Engine, number: int, **changes: object) -> None:
    """Images of one tenant, all but their seeds alike, the first of them already begun."""
    for seed in range(number):
        engine.add(f"flood-{seed}", asked(**{"num_inference_steps": 6, "seed": seed} | changes), tenant="flood")
    for _ in range(2):
        engine.step()


def until_finished(engine: Engine, generation_id: str) -> tuple[list[Event], list[int]]:
    """What was said until an image was finished, and the rows of each tick."""
    told: list[Event] = []
    rows: list[int] = []
    while not any(isinstance(event, Finished) and event.generation_id == generation_id for event in told):
        before = engine.counters.num_rows
        told += engine.step()
        rows.append(engine.counters.num_rows - before)
    return told, rows


def test_a_small_tenant_is_in_every_tick_and_ticks_are_small_while_it_is(pipeline: StepwisePipeline) -> None:
    one = engine_with(pipeline, SLOW)
    flood(one, 12)
    one.add("calm", CALM, tenant="calm")
    _, rows = until_finished(one, "calm")
    assert rows == [4] * NUM_STEPS


def test_the_flood_has_as_many_rows_meanwhile_and_all_of_them_afterwards(pipeline: StepwisePipeline) -> None:
    one = engine_with(pipeline, SLOW)
    flood(one, 12)
    one.add("calm", CALM, tenant="calm")
    told, _ = until_finished(one, "calm")
    steps = Counter(event.generation_id.split("-")[0] for event in told if isinstance(event, Progressed))
    assert steps == {"calm": NUM_STEPS, "flood": NUM_STEPS}


@pytest.mark.parametrize("stale", [{4: 30.0}, {4: 1.0}, {6: 3.0}, {12: 9.0}])
def test_a_stale_measurement_of_one_size_changes_little(pipeline: StepwisePipeline, stale: dict[int, float]) -> None:
    one = engine_with(pipeline, SLOW | stale)
    flood(one, 12)
    one.add("calm", CALM, tenant="calm")
    _, rows = until_finished(one, "calm")
    assert len(rows) == NUM_STEPS
    assert max(rows) <= 6


def test_where_a_larger_forward_takes_no_longer_the_flood_fills_it(pipeline: StepwisePipeline) -> None:
    one = engine_with(pipeline, dict.fromkeys(BUCKETS, 1.0))
    flood(one, 12)
    one.add("calm", CALM, tenant="calm")
    _, rows = until_finished(one, "calm")
    assert rows == [12] * NUM_STEPS


def test_no_bit_of_anybodys_picture_depends_on_it(pipeline: StepwisePipeline) -> None:
    one = engine_with(pipeline, {2: 1.0})
    flood(one, 3, num_inference_steps=3)
    one.add("calm", CALM, tenant="calm")
    made = dict(pictures(until_finished(one, "calm")[0]))
    while one.has_work:
        made |= pictures(one.step())
    assert (made["calm"] == alone(pipeline, CALM, 2)).all()
    for seed in range(3):
        expected = alone(pipeline, asked(seed=seed, num_inference_steps=3), 2)
        assert (made[f"flood-{seed}"] == expected).all()


def test_where_not_all_tenants_fit_they_take_turns(pipeline: StepwisePipeline) -> None:
    one = engine_with(pipeline, {1: 1.0, 2: 1.0, 4: 1.0})
    for tenant in range(5):
        for image in range(3):
            one.add(f"{tenant}-{image}", asked(seed=10 * tenant + image, num_inference_steps=20), tenant=str(tenant))
    one.step()
    steps: Counter[str] = Counter()
    for _ in range(25):
        steps.update(event.generation_id[0] for event in one.step() if isinstance(event, Progressed))
    assert set(steps.values()) == {10}


def test_a_picture_that_two_tenants_want_is_the_small_ones_too(pipeline: StepwisePipeline) -> None:
    one = engine_with(pipeline, SLOW)
    flood(one, 12)
    one.add("last", CALM, tenant="flood")
    one.add("calm", CALM, tenant="calm")
    _, rows = until_finished(one, "calm")
    assert len(rows) == NUM_STEPS


def test_a_picture_does_not_wait_until_all_of_the_floods_are_decoded(pipeline: StepwisePipeline) -> None:
    one = engine_with(pipeline, {16: 1.0})
    for seed in range(7):
        one.add(f"flood-{seed}", asked(seed=seed), tenant="flood")
    for _ in range(2):
        one.step()
    one.add("calm", asked(seed=1000, num_inference_steps=NUM_STEPS - 1), tenant="calm")
    told, _ = until_finished(one, "calm")
    assert sum(isinstance(event, Finished) for event in told) <= 2


def test_what_was_spent_for_one_tenant_alone_is_taken_off_its_rows(pipeline: StepwisePipeline) -> None:
    one = engine_with(pipeline, SLOW)
    flood(one, 12)
    one.add("calm", CALM, tenant="calm")
    (lane,) = one.lanes
    lane.owe(["flood"], 4 * lane.pace.seconds_per_row)
    _, rows = until_finished(one, "calm")
    assert rows == [2, 2, 4, 4]


def test_who_is_alone_owes_nothing(pipeline: StepwisePipeline) -> None:
    one = engine_with(pipeline, SLOW)
    flood(one, 12)
    (lane,) = one.lanes
    lane.owe(["flood"], 100 * lane.pace.seconds_per_row)
    for _ in range(2):
        before = one.counters.num_rows
        one.step()
        assert one.counters.num_rows - before == lane.pace.row_cap


def test_many_sizes_are_no_way_to_more_of_the_device() -> None:
    lanes = [lane(str(index), 0.1) for index in range(10)]
    tenants = {one: {"flood"} for one in lanes} | {lanes[0]: {"calm"}, lanes[1]: {"calm", "flood"}}
    turns = Turns()
    spent: Counter[bool] = Counter()
    for _ in range(1000):
        chosen = turns.next(_weights(tenants))
        spent["calm" in tenants[chosen]] += 1
    assert spent[True] == pytest.approx(1000 * (1 + 1 / 9) / 2, abs=10)


def test_one_tenants_lanes_are_all_alike() -> None:
    assert set(_weights({lane(str(index), 0.1): {"one"} for index in range(3)}).values()) == {1 / 3}


class Rush:
    """A worker that one tenant fills, on a clock of its own: forwards take what they are said to, and none is made."""

    def __init__(self, pipeline: StepwisePipeline, seed: int) -> None:
        self._draws = random.Random(seed)
        self._pipeline = pipeline
        self._prompts = PromptCache()
        self._number = 0
        self._pace = Pace({size: seconds_of(size) * self._draws.lognormvariate(0, 0.2) for size in BUCKETS})
        self._shares, self._decodes = Shares(), Shares()
        self.now = 0.0
        self.images: list[Generation] = []

    def add(self, tenant: str) -> Generation:
        self._number += 1
        request = asked(num_inference_steps=20, seed=self._number)
        image = start(str(self._number), request, self._pipeline, self._prompts)
        image.ids, image.accepted_at = {str(self._number): tenant}, self.now
        self.images.append(image)
        return image

    def step(self) -> None:
        """One tick, as the engine has them: a forward, and a picture decoded."""
        chosen = select([one for one in self.images if not one.is_denoised], self._pace, self._shares)
        size = self._pace.size_for(sum(one.num_rows for one in chosen))
        self._pace.note(size, seconds_of(size))
        self.now += seconds_of(size)
        for image in chosen:
            image.num_evaluations += 1
        if done := [one for one in self.images if one.is_denoised]:
            decoded = first(done, self._decodes)
            self._shares.owe(decoded.tenants, DECODE_SECONDS / self._pace.seconds_per_row)
            self.now += DECODE_SECONDS
            self.images.remove(decoded)

    def fill(self) -> None:
        while sum(one.num_rows for one in self.images if not one.is_denoised) < self._pace.row_cap + 2:
            self.add("flood")

    def seconds_of_a_picture(self) -> float:
        """What the other tenant's next picture takes, from some moment of the rush on."""
        for _ in range(self._draws.randrange(30)):
            self.fill()
            self.step()
        arrived_at = self.now - self._draws.random() * seconds_of(self._pace.row_cap)
        image = self.add("calm")
        while image in self.images:
            self.fill()
            self.step()
        return self.now - arrived_at


DECODE_SECONDS = 0.045


def seconds_of(size: int) -> float:
    """What forwards of the shipped model take on one core, nearly."""
    return 0.022 + 0.0115 * size


def test_a_flood_at_most_doubles_what_a_picture_takes(pipeline: StepwisePipeline) -> None:
    """With certificates that were measured in company, and from any moment of the rush on."""
    alone = 20 * seconds_of(2) + DECODE_SECONDS
    rushes = [Rush(pipeline, seed) for seed in range(8)]
    ratios = [rush.seconds_of_a_picture() / alone for rush in rushes for _ in range(5)]
    assert quantiles(ratios, n=20)[-1] <= 2
    assert median(ratios) <= 1.75


def ticks(amounts: Iterable[Sequence[int]], capacity: int) -> list[dict[str, int]]:
    """What tenants are given that want so much, tick by tick, one unit after the other to whom is first."""
    shares = Shares()
    told = []
    for wanted in amounts:
        left = {str(tenant): amount for tenant, amount in enumerate(wanted) if amount}
        given, taken = shares.of(left), Counter[str]()
        for _ in range(min(capacity, sum(left.values()))):
            tenant = min((one for one in left if left[one]), key=given.__getitem__)
            given[tenant] += 1
            taken[tenant] += 1
            left[tenant] -= 1
        shares.give(taken, {tenant for tenant, amount in left.items() if amount})
        told.append(dict(taken))
    return told


@given(lists(tuples(integers(0, 6), integers(0, 6), integers(0, 6)), min_size=1, max_size=30), integers(1, 8))
def test_who_wants_more_is_given_as_much_as_anybody(amounts: list[tuple[int, ...]], capacity: int) -> None:
    """Nobody is given more than one unit beyond who is left wanting, and nobody's past counts against the others."""
    for wanted, taken in zip(amounts, ticks(amounts, capacity), strict=True):
        assert sum(taken.values()) == min(capacity, sum(wanted))
        for tenant, amount in enumerate(wanted):
            if taken.get(str(tenant), 0) < amount:
                assert max(taken.values()) <= taken.get(str(tenant), 0) + 2
