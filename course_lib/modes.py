"""Networks in eval mode for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def eval_mode(net: nn.Module) -> Iterator[None]:
    """Within, the network is in eval mode; then each module has the mode it had, even where they were mixed.

    In training mode two runs differ, by dropout masks, and each run changes the statistics of the batch norms.
    """
    modes = {module: module.training for module in net.modules()}
    net.eval()
    try:
        yield
    finally:
        net.train(modes[net])  # not by the flags alone: a layer may let go here of what it keeps in eval mode
        for module, mode in modes.items():
            module.training = mode
