"""`why` on runs with one thing wrong each, and on runs with nothing wrong."""

import healthy
import heldout
import misfits
import planted
import pytest

FAULTS = [*planted.FAULTS, *misfits.FAULTS, *heldout.FAULTS]
HEALTHY = healthy.HEALTHY | heldout.HEALTHY


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_a_fault_is_found_and_named_first(fault):
    run = fault.run()
    found = run.why().findings
    assert found, "nothing was found"
    first = found[0]
    assert first.kind == fault.kind, [finding.kind for finding in found]
    if fault.step is not None:
        assert first.step == fault.step
    if fault.layer is not None:
        assert first.layer == fault.layer
    assert set(fault.rows or ()) <= set(first.rows)
    assert {*fault.also} <= {finding.kind for finding in found}
    for finding in found:
        assert finding.evidence and finding.cause and finding.change
        assert run.first <= finding.at <= run.steps


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_run_gives_no_finding(name):
    diagnosis = HEALTHY[name]().why()
    assert diagnosis.ok, str(diagnosis)


def test_there_are_enough_of_each():
    assert len(FAULTS) >= 30 and len(HEALTHY) >= 10
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
