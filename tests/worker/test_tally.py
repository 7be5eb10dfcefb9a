"""What a worker says of itself, from what its child says."""

from contract.costs import Cost
from tests.contract.test_certificates import SMALL
from worker.messages import Certified, Measured, Resident, Worked
from worker.tally import Tally

COST = Cost("tiny", 64, 64, 0.01, 0.02, 0.03)


def test_a_child_has_its_default_model_until_it_says_otherwise() -> None:
    tally = Tally("w")
    assert tally.pulse().resident == ()
    tally.begin("tiny")
    assert tally.pulse().resident == ("tiny",)
    tally.hear(Resident(("tiny", "other")))
    assert tally.pulse().resident == ("tiny", "other")
    tally.begin("tiny")
    assert tally.resident == ("tiny",)


def test_counts_are_over_all_children() -> None:
    tally = Tally("w")
    for _ in range(2):
        tally.begin("tiny")
        tally.hear(Worked(num_steps=3, num_forwards=2, num_rows=4))
    pulse = tally.pulse()
    assert (pulse.num_steps, pulse.num_forwards, pulse.num_rows) == (6, 4, 8)


def test_what_a_child_measured_is_known_to_the_next() -> None:
    tally = Tally("w")
    tally.hear(Measured((COST,)))
    tally.hear(Measured((Cost("other", 64, 64, 1, 1, 1),)))
    tally.begin("tiny")
    assert tally.costs.cost("tiny", 64, 64) == COST
    assert tally.costs.cost("other", 64, 64) is not None


def test_certificates_are_of_the_present_child() -> None:
    tally = Tally("w")
    tally.hear(Certified((SMALL,)))
    assert tally.certificates == (SMALL,)
    tally.begin("tiny")
    assert tally.certificates == ()
