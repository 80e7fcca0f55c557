"""Interactive views on top of `course_lib.figures`. Only notebooks import this package."""

from course_lib.widgets.attention import AttentionExplorer, attention_explorer
from course_lib.widgets.explorer import FeatureMapExplorer, feature_map_explorer

__all__ = ["AttentionExplorer", "FeatureMapExplorer", "attention_explorer", "feature_map_explorer"]
