"""Models in and out: within a budget, never one in use, and what is out of memory is really gone."""

import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from contract.catalogue import Catalogue
from contract.errors import ModelUnavailable
from tests.tiny_models import build_embedded_layout
from tests.waiting import wait_until
from tests.worker.engines import CPU, spec_of
from worker.devices import Placement
from worker.loading import PipelineLoader, load_pipeline
from worker.residency import Residency, default_budget_bytes
from worker.stepwise_pipeline import StepwisePipeline
from worker.weights import expected_bytes

WATCH_SECONDS = 0.2
"""For how long a test looks on while something must not happen."""


class Loads:
    """Real loading, which remembers what was loaded without keeping it."""

    def __init__(self, load: Callable[[str], StepwisePipeline]) -> None:
        self._load = load
        self.names: list[str] = []
        self.alive: list[weakref.ref[StepwisePipeline]] = []

    def __call__(self, model_id: str) -> StepwisePipeline:
        pipeline = self._load(model_id)
        self.names.append(model_id)
        self.alive.append(weakref.ref(pipeline))
        return pipeline

    @property
    def bytes_alive(self) -> int:
        return sum(pipeline.num_bytes for ref in self.alive if (pipeline := ref()) is not None)


@pytest.fixture
def loader(epsilon_folder: Path) -> PipelineLoader:
    """A catalogue of four models of one size."""
    specs = tuple(spec_of(epsilon_folder).model_copy(update={"id": name}) for name in "abcd")
    return PipelineLoader(Catalogue(default_model="a", models=specs), CPU)


@pytest.fixture
def loads(loader: PipelineLoader) -> Loads:
    return Loads(loader.load)


@pytest.fixture
def size(pipeline: StepwisePipeline) -> int:
    return pipeline.num_bytes


def residency_of(loads: Loads, loader: PipelineLoader, budget_bytes: int) -> Residency:
    return Residency(loads, lambda pipeline: pipeline.num_bytes, budget_bytes, expected_bytes=loader.expected_bytes)


def use(residency: Residency, model_id: str) -> None:
    residency.acquire(model_id)
    residency.release(model_id)


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_the_least_recently_used_goes_first_and_what_goes_is_freed(
    loads: Loads, loader: PipelineLoader, size: int
) -> None:
    budget = 2 * size + size // 2
    residency = residency_of(loads, loader, budget)
    for model_id in "abacadb":
        use(residency, model_id)
        assert loads.bytes_alive == residency.resident_bytes <= budget
    assert loads.names == ["a", "b", "c", "d", "b"], "a was used between the others, and stayed until d and b"
    assert residency.resident == ("d", "b")
    assert [ref() is not None for ref in loads.alive] == [False, False, False, True, True]


def test_a_model_is_loaded_once_for_any_number_of_users(loads: Loads, loader: PipelineLoader, size: int) -> None:
    residency = residency_of(loads, loader, size)
    found: list[StepwisePipeline] = []
    threads = [in_thread(lambda: found.append(residency.acquire("a"))) for _ in range(8)]
    for thread in threads:
        thread.join(30)
    assert loads.names == ["a"]
    assert len({id(pipeline) for pipeline in found}) == 1


def test_a_model_in_use_is_never_removed_and_the_next_waits_for_it(
    loads: Loads, loader: PipelineLoader, size: int
) -> None:
    residency = residency_of(loads, loader, size)
    residency.acquire("a")
    residency.acquire("a")
    waiting = in_thread(lambda: residency.acquire("b"))
    waiting.join(WATCH_SECONDS)
    residency.release("a")
    waiting.join(WATCH_SECONDS)
    assert (waiting.is_alive(), residency.resident, loads.names) == (True, ("a",), ["a"])
    residency.release("a")
    waiting.join(30)
    assert (waiting.is_alive(), residency.resident) == (False, ("b",))
    assert loads.bytes_alive == size


def test_a_model_that_waits_for_room_is_not_overtaken(loads: Loads, loader: PipelineLoader, size: int) -> None:
    residency = residency_of(loads, loader, size)
    residency.acquire("a")
    order: list[str] = []

    def take(model_id: str) -> None:
        residency.acquire(model_id)
        order.append(model_id)
        residency.release(model_id)

    first = in_thread(lambda: take("b"))
    wait_until(lambda: residency._room_wanted, 10)
    second = in_thread(lambda: take("a"))
    second.join(WATCH_SECONDS)
    assert order == [], "another user of a would put b off for ever"
    residency.release("a")
    for thread in (first, second):
        thread.join(30)
    assert order == ["b", "a"]


def test_many_threads_stay_within_the_budget(loads: Loads, loader: PipelineLoader, size: int) -> None:
    budget = 2 * size
    residency = residency_of(loads, loader, budget)
    seen: list[int] = []

    def work(names: str) -> None:
        for model_id in names:
            residency.acquire(model_id)
            seen.append(residency.resident_bytes)
            residency.release(model_id)

    threads = [in_thread(lambda names=names: work(names)) for names in ("abcd", "dcba", "acbd")]
    for thread in threads:
        thread.join(60)
    assert len(seen) == 12
    assert max(seen) <= budget


def test_a_model_larger_than_the_budget_is_refused_before_it_is_loaded(
    loads: Loads, loader: PipelineLoader, size: int
) -> None:
    residency = residency_of(loads, loader, size // 2)
    with pytest.raises(ModelUnavailable, match=f"a takes .* bytes.*may take {size // 2}"):
        residency.acquire("a")
    assert loads.names == []


def test_a_model_of_unknown_size_is_refused_too(loads: Loads, size: int) -> None:
    residency = Residency(loads, lambda pipeline: pipeline.num_bytes, size - 1)
    with pytest.raises(ModelUnavailable):
        residency.acquire("a")
    assert residency.resident == ()
    assert loads.bytes_alive == 0


def test_a_model_that_cannot_be_loaded_leaves_the_others_alone(loads: Loads, loader: PipelineLoader, size: int) -> None:
    def load(model_id: str) -> StepwisePipeline:
        if model_id == "c":
            raise ModelUnavailable("Its file is damaged.")
        return loads(model_id)

    residency = Residency(load, lambda pipeline: pipeline.num_bytes, 2 * size)
    use(residency, "a")
    with pytest.raises(ModelUnavailable, match="damaged"):
        residency.acquire("c")
    use(residency, "b")
    assert residency.resident == ("a", "b")


def test_what_a_model_takes_is_foreseen(pipeline: StepwisePipeline, epsilon_folder: Path, tmp_path: Path) -> None:
    assert expected_bytes(epsilon_folder, CPU) == pytest.approx(pipeline.num_bytes, rel=0.001)
    half = Placement(torch.device("cpu"), torch.bfloat16)
    foreseen = load_pipeline(spec_of(epsilon_folder), half).num_bytes
    assert expected_bytes(epsilon_folder, half) == pytest.approx(foreseen, rel=0.001), "all but the autoencoder is half"
    assert expected_bytes(epsilon_folder, half, whole=True) == expected_bytes(epsilon_folder, CPU)
    build_embedded_layout(tmp_path)
    assert expected_bytes(tmp_path, CPU) > 0
    assert expected_bytes(tmp_path / "nowhere", CPU) == 0


def test_the_budget_is_half_of_the_memory() -> None:
    assert 2**28 < default_budget_bytes(CPU) < 2**45


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_memory_of_a_gpu_is_given_back(epsilon_folder: Path) -> None:
    gpu = Placement(
        torch.device("cuda"),
    )
    specs = tuple(spec_of(epsilon_folder).model_copy(update={"id": name}) for name in "ab")
    loader = PipelineLoader(Catalogue(default_model="a", models=specs), gpu)
    loads = Loads(loader.load)
    residency = residency_of(loads, loader, int(1.5 * expected_bytes(epsilon_folder, gpu)))
    use(residency, "a")
    after_one = torch.cuda.memory_allocated()
    for model_id in "babab":
        use(residency, model_id)
        assert torch.cuda.memory_allocated() == after_one


class Loaded:
    """A part of so many bytes."""

    def __init__(self, num_bytes: int) -> None:
        self.num_bytes = num_bytes


def test_what_is_loaded_beside_a_model_is_in_the_same_budget(loads: Loads, loader: PipelineLoader, size: int) -> None:
    residency = residency_of(loads, loader, 2 * size)
    residency.acquire("a")
    part = residency.acquire_part("part of a", lambda: Loaded(size // 2), 0, beside=["a"])
    assert residency.acquire_part("part of a", lambda: Loaded(0), 0, beside=["a"]) is part
    assert (residency.resident, residency.resident_bytes) == (("a",), size + size // 2)
    waiting = in_thread(lambda: residency.acquire("b"))
    waiting.join(WATCH_SECONDS)
    residency.release("part of a")
    waiting.join(WATCH_SECONDS)
    assert waiting.is_alive()
    residency.release("part of a")
    waiting.join(30)
    assert (residency.resident, residency.resident_bytes) == (("a", "b"), 2 * size)


def test_nobody_waits_for_what_it_holds_itself(loads: Loads, loader: PipelineLoader, size: int) -> None:
    residency = residency_of(loads, loader, size)
    residency.acquire("a")
    with pytest.raises(ModelUnavailable):
        residency.acquire_part("part of a", lambda: Loaded(1), 1, beside=["a"])
