"""Which checkpoints are kept, how many, and when there is time for another one."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.errors import UsageError
from pellucid.storage import Pace, Recording, thinned
from pellucid.storage.recording import MOST


def longest(steps):
    """The longest replay between two neighbours."""
    return max((b - a for a, b in pairwise(steps)), default=0)


def best(steps, most):
    """The shortest longest replay that any choice of so many checkpoints with the first and the last has."""
    inner = steps[1:-1]
    return min(longest([steps[0], *chosen, steps[-1]]) for chosen in combinations(inner, min(len(inner), most - 2)))


spread = st.lists(st.integers(0, 60), min_size=2, max_size=10, unique=True)


@given(spread, st.integers(2, 8))
def test_first_and_last_stay_and_no_more_than_asked(steps, most):
    kept = thinned(steps, most)
    assert kept == sorted(kept)
    assert set(kept) <= set(steps)
    assert (kept[0], kept[-1]) == (min(steps), max(steps))
    assert len(kept) == min(len(steps), most)


@given(spread, st.integers(2, 8))
def test_what_is_lost_against_the_best_choice_is_bounded(steps, most):
    """Taking out one after the other is not the best choice, but its longest replay is at most twice as long.

    Of k checkpoints over a length w the one goes whose two gaps are least together, at most 2 · w / (k - 2), for each
    gap is in at most two of the k - 2 pairs. No choice of the k - 1 that are left has its longest gap below
    w / (k - 2), and none of fewer has a shorter one. A gap that was there at the beginning is in every choice.
    """
    steps = sorted(steps)
    assert longest(thinned(steps, most)) <= 2 * best(steps, most)


@given(st.integers(2, 12), st.integers(2, 400), st.integers(1, 50))
def test_a_long_run_thinned_as_it_goes_keeps_its_replays_short(most, checkpoints, every):
    """As the recorder does it: each new checkpoint, then the thinning."""
    kept = []
    for i in range(checkpoints):
        kept = thinned([*kept, i * every], most)
    assert (kept[0], kept[-1]) == (0, (checkpoints - 1) * every)
    if checkpoints > most > 2:
        # Every gap is as it came, or was made when most + 1 were there: see above.
        assert longest(kept) <= max(every, 2 * kept[-1] / (most - 1))


def test_fewer_than_asked_are_left_as_they_are():
    assert thinned([], 5) == []
    assert thinned([3], 5) == [3]
    assert thinned([7, 3], 1) == [3, 7]


@pytest.mark.parametrize(
    ("options", "size", "expected"),
    [
        ({}, 1, MOST),
        ({}, 2_000_000, 128),
        ({}, 200_000_000, 20),
        ({"budget": 0}, 1_000, 20),
        ({"budget": 0, "checkpoints": 2}, 1_000, 2),
        ({"budget": 10_000}, 100, 100),
        ({"checkpoints": 500}, 1, 500),
        ({}, 0, MOST),
    ],
)
def test_how_many_are_kept(options, size, expected):
    assert Recording(**options).most(size) == expected


@pytest.mark.parametrize("options", [{"share": -0.1}, {"share": 1.1}, {"checkpoints": 1}])
def test_options_out_of_range(options):
    with pytest.raises(UsageError, match=r"Recording\("):
        Recording(**options)


def test_a_checkpoint_waits_until_it_fits_into_the_share():
    pace = Pace(0.01)
    assert pace.allows(0)
    pace.took(0.006)  # the next is expected to take as long
    assert not pace.allows(1.9)
    assert pace.allows(2.1)
    pace.took(0.001)
    assert pace.cost == 0.003  # not forgotten at once


def test_no_share_no_checkpoints_after_the_first():
    pace = Pace(0.0)
    pace.took(0.001)
    assert not pace.allows(1e9)


@given(st.floats(0.001, 1), st.lists(st.floats(1e-6, 0.5), min_size=1, max_size=60))
def test_checkpoints_of_even_cost_stay_within_the_share(share, pauses):
    """Each is written whenever it is allowed; at that moment all of them together are within the share."""
    pace, elapsed, cost = Pace(share), 0.0, 0.01
    pace.took(cost)
    for pause in pauses:
        elapsed += pause
        if pace.allows(elapsed):
            pace.took(cost)
            assert pace.spent <= share * elapsed + 1e-12
