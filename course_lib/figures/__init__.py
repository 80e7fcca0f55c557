"""Static figures: color-blind safe, with alt text, the same bytes every time. Each function returns a `Picture`."""

from course_lib.figures.curves import accuracy_by_angle, learning_curves
from course_lib.figures.groups import (
    cayley_graph,
    cayley_table_figure,
    cosets_figure,
    lattice_points,
    symmetries_of_the_square,
)
from course_lib.figures.maps import act_on_ring, filter_bank_figure
from course_lib.figures.picture import Picture, panels

__all__ = [
    "Picture",
    "accuracy_by_angle",
    "act_on_ring",
    "cayley_graph",
    "cayley_table_figure",
    "cosets_figure",
    "filter_bank_figure",
    "lattice_points",
    "learning_curves",
    "panels",
    "symmetries_of_the_square",
]
