"""A result that is kept for as long as what it was made from stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from operator import is_
from typing import Any

from torch import Tensor


class KeptTensor:
    """A tensor made from others. It is made anew if one of them is another tensor than last time, or was changed.

    It holds the others, not their addresses alone: a new tensor may lie where a freed one lay. A change through
    ``.data`` is not seen. Copies and files begin empty.
    """

    def __init__(self) -> None:
        self.forget()

    def __reduce__(self) -> tuple[type[KeptTensor], tuple[()]]:
        return KeptTensor, ()

    def forget(self) -> None:
        self._kept: tuple[tuple[Tensor, ...], list[tuple[Any, ...]], Tensor] | None = None

    def get(self, sources: tuple[Tensor, ...], make: Callable[[], Tensor]) -> Tensor:
        """``make()``, or what it gave last time."""
        try:
            states = [(s._version, s.data_ptr(), s.dtype, s.device) for s in sources]
        except RuntimeError:  # tensors of `torch.vmap` have no address, those of `torch.inference_mode` no version
            return make()
        kept = self._kept  # read and written as one: the replicas of `nn.DataParallel` share this object
        if kept and len(kept[0]) == len(sources) and all(map(is_, kept[0], sources)) and kept[1] == states:
            return kept[2]
        value = make()
        self._kept = sources, states, value
        return value
