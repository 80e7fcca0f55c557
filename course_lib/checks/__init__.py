"""Is a network equivariant, and if not, why? Measure it (notebook 03), or have it diagnosed (notebook 05)."""

from course_lib.checks.diagnosis import Diagnosis, diagnose
from course_lib.checks.examination import Finding
from course_lib.checks.measuring import (
    OUTPUT,
    TOLERANCE,
    Deviation,
    EquivarianceReport,
    action_of,
    assert_equivariant,
    disk_mask,
    equivariance_error,
    error_by_depth,
    layer_outputs,
    orbit_agreement,
    relative_error,
)
from course_lib.checks.unequal import make_unequal

__all__ = [
    "OUTPUT",
    "TOLERANCE",
    "Deviation",
    "Diagnosis",
    "EquivarianceReport",
    "Finding",
    "action_of",
    "assert_equivariant",
    "diagnose",
    "disk_mask",
    "equivariance_error",
    "error_by_depth",
    "layer_outputs",
    "make_unequal",
    "orbit_agreement",
    "relative_error",
]
