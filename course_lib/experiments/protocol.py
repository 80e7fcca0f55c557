"""What a published number is: which epoch it comes from, and how sure a gap between two of them is."""

import math
from collections.abc import Sequence
from typing import Literal

Report = Literal["last epoch", "best validation epoch", "best test epoch"]


def reported_error(validation: Sequence[float], test: Sequence[float], report: Report) -> float:
    """The test error that is reported for a run in which both errors were measured after every epoch.

    "best" is the epoch with the smallest validation or test error, the first one if several are equal. The best test
    epoch has looked at the answers: its error is the smallest of all, and too small for new images. This course never
    reports it. Notebook 10.
    """
    if report == "last epoch":
        return test[-1]
    selecting = validation if report == "best validation epoch" else test
    return test[min(range(len(test)), key=selecting.__getitem__)]


def gap_uncertainty(deviation_a: float, deviation_b: float, seeds: int) -> float:
    """The standard error of the difference of two means, each over this number of seeds:

        √(s_a²/n + s_b²/n)

    ``deviation_a`` and ``deviation_b`` are the standard deviations s over the seeds, as the papers print them. It
    accounts for the seeds only, not for the choice of the test images or for longer tuning of one network. Notebook 10.
    """
    return math.sqrt((deviation_a**2 + deviation_b**2) / seeds)
