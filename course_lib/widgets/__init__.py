"""Interactive views on top of `course_lib.figures`. Only notebooks import this package."""

from course_lib.widgets.explorer import FeatureMapExplorer, feature_map_explorer

__all__ = ["FeatureMapExplorer", "feature_map_explorer"]
