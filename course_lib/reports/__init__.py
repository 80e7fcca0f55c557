"""What result files say: tables beside the published ones, hours, and which differences are real."""

from course_lib.reports.comparison import claims_markdown, compared, errors_of, smallest_p_value, trained_alike, verdict
from course_lib.reports.hours import hours_markdown, results_page
from course_lib.reports.results import markdown, one_line, results_folder
from course_lib.reports.significance import permutation_p_value

__all__ = [
    "claims_markdown",
    "compared",
    "errors_of",
    "hours_markdown",
    "markdown",
    "one_line",
    "permutation_p_value",
    "results_folder",
    "results_page",
    "smallest_p_value",
    "trained_alike",
    "verdict",
]
