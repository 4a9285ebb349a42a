"""Both kinds of end of an interval, and what is no number at all."""

from types import SimpleNamespace

import pytest

from pellucid.errors import UsageError
from pellucid.optim.interval import check


@pytest.mark.parametrize(
    ("interval", "inside", "outside"),
    [
        ("[0, 1]", [0, 1, 0.5], [-1e-9, 1.1]),
        ("[0, 1)", [0, 0.999], [1, 1.0]),
        ("(0, inf)", [1e-300, 1e300, 7], [0, -1, float("inf"), float("nan"), None, "1", True]),
    ],
)
def test_ends(interval, inside, outside):
    for value in inside:
        check(SimpleNamespace(x=value), x=interval)
    for value in outside:
        with pytest.raises(UsageError, match="x is"):
            check(SimpleNamespace(x=value), x=interval)
