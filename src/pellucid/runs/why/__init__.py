"""What went wrong in a run, if anything: found by replaying it, so that nothing has to be switched on before."""

from pellucid.runs.why.diagnosis import diagnose
from pellucid.runs.why.finding import Diagnosis, Finding

__all__ = ["Diagnosis", "Finding", "diagnose"]
