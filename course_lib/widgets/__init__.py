"""Interactive views on top of `course_lib.figures`. Only notebooks import this package."""

from course_lib.widgets.attention import AttentionExplorer, attention_explorer
from course_lib.widgets.explorer import FeatureMapExplorer, feature_map_explorer
from course_lib.widgets.filter import TurningFilter, turning_filter
from course_lib.widgets.kernels import KernelExplorer, kernel_explorer
from course_lib.widgets.progress import ProgressPage, progress_page
from course_lib.widgets.ring import TurningRing, turning_ring

__all__ = [
    "AttentionExplorer",
    "FeatureMapExplorer",
    "KernelExplorer",
    "ProgressPage",
    "TurningFilter",
    "TurningRing",
    "attention_explorer",
    "feature_map_explorer",
    "kernel_explorer",
    "progress_page",
    "turning_filter",
    "turning_ring",
]
