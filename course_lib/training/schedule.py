"""What the learning rate is multiplied with in each step."""

from __future__ import annotations


def stepped_rate(
    step: int, steps_per_epoch: int, milestones: tuple[int, ...] = (), factor: float = 0.1, warmup_epochs: int = 0
) -> float:
    """Warm-up, then steps down: with W the steps of the warm-up,

        (step + 1) / W                        if step < W,
        factor^(milestones that are reached)  else.

    Steps and epochs count from 0; a milestone m is reached with the first step of epoch m. The warm-up moves no
    milestone. Notebook 11.
    """
    warmup = warmup_epochs * steps_per_epoch
    if step < warmup:
        return (step + 1) / warmup
    epoch = step // steps_per_epoch
    return factor ** sum(epoch >= milestone for milestone in milestones)
