"""Static figures: colour-blind safe, with alt text, the same bytes every time. Each function returns a `Picture`."""

from course_lib.figures.picture import Picture, panels

__all__ = ["Picture", "panels"]
