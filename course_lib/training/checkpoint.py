"""The state of a run on disk: enough to go on as if nothing had happened."""

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Generator, nn
from torch.optim import Optimizer

from course_lib.errors import BadValue
from course_lib.files import write_whole
from course_lib.training.config import History, TrainConfig
from course_lib.training.environment import from_first, is_first
from course_lib.training.randomness import random_states, restore_random_states


class WrongCheckpoint(BadValue):
    """The file is damaged, or belongs to another run."""


@dataclass
class Checkpoint:
    """A file with everything that the rest of a run depends on, written anew after each epoch.

    Weights, optimizer and the states of all random generators; the history, which is also the position. The file is
    whole at every instant: a run killed at any time goes on from its last finished epoch, on the same device to the
    same weights, bit for bit.

    Args:
        identity: what else must be the same when the run goes on, for example the checksum of the data.
        session: about this process, for example the commit; kept in ``sessions`` for every process that took part.
        on_save: called with the history whenever the file has been written.
    """

    path: Path | str
    identity: Mapping[str, Any] = field(default_factory=dict)
    session: Mapping[str, Any] = field(default_factory=dict)
    sessions: list[dict[str, Any]] = field(default_factory=list)
    on_save: Callable[[History], None] | None = None

    def save(self, net: nn.Module, optimizer: Optimizer, generator: Generator, history: History) -> None:
        """Replace the file. Raises OSError if that fails; the file of the epoch before is then still there.

        Of several processes that train together, the first writes.
        """
        if not is_first():
            return
        buffer = BytesIO()
        about = {"history": asdict(history), "identity": dict(self.identity), "sessions": self.sessions}
        # As text: `torch.load` with weights_only=True takes few types.
        torch.save({"about": json.dumps(about), **training_state(net, optimizer, generator)}, buffer)
        write_whole(self.path, buffer.getvalue())
        if self.on_save:
            self.on_save(history)

    def restore(self, net: nn.Module, optimizer: Optimizer, generator: Generator, config: TrainConfig) -> History:
        """Put everything back to the last finished epoch and return its history; without a file, an empty one.

        Raises WrongCheckpoint if the file is damaged, the run another, or the first of several processes sees another.
        """
        history = self._restore(net, optimizer, generator, config)
        if history.epochs_done != from_first(history.epochs_done):
            raise WrongCheckpoint(
                f"{self.path} has {history.epochs_done} epochs here, and not as many for the first process; "
                "all machines must share one folder of results"
            )
        return history

    def _restore(self, net: nn.Module, optimizer: Optimizer, generator: Generator, config: TrainConfig) -> History:
        if not os.path.lexists(self.path):  # a link to a disk that is not there is no fresh start
            self.sessions = [{"first_epoch": 1, **self.session}]
            return History(config)
        try:
            state, about = _read(Path(self.path))
            stored = History.from_stored(about["history"])
            self._require_same_run(about, stored, config)
            restore_training_state(state, net, optimizer, generator)
            self.sessions = [*about["sessions"], {"first_epoch": stored.epochs_done + 1, **self.session}]
        except WrongCheckpoint:
            raise
        except Exception as error:  # torch, zipfile and NumPy raise many kinds: a bad archive, a missing record
            why = " ".join(str(error).split()) or type(error).__name__
            why = f"there is no {why}" if isinstance(error, KeyError) else why
            raise WrongCheckpoint(f"{self.path} is damaged ({why[:200]}); remove it to start again") from error
        return stored

    def _require_same_run(self, about: dict[str, Any], history: History, config: TrainConfig) -> None:
        stored = {**asdict(history.config), **about["identity"]}
        wanted = {**asdict(config), **self.identity}
        for key in stored | wanted:
            if stored.get(key) != wanted.get(key):
                raise WrongCheckpoint(
                    f"{self.path} belongs to a run with {key} {stored.get(key)!r}, this one has {wanted.get(key)!r}; "
                    "remove the file to start again, or write this run's elsewhere"
                )


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The state, and what is told about it; an error of any kind if the file is not as `Checkpoint.save` wrote it."""
    if not path.is_file():
        raise ValueError("it is no file")
    with zipfile.ZipFile(path) as archive:  # torch does not look at the checksums of its own archive
        if bad := archive.testzip():
            raise ValueError(f"the checksum of its part {bad} is wrong")
    state = torch.load(path, map_location="cpu", weights_only=True)
    return state, json.loads(state["about"])


def training_state(net: nn.Module, optimizer: Optimizer, generator: Generator) -> dict[str, Any]:
    """All that the next epochs depend on, besides data and config: the weights and statistics of the ``net``, what the
    ``optimizer`` remembers, and under ``random`` the states of all random generators.

    The tensors are those of the net, not copies: write them to a file before the training goes on. Notebook 11.
    """
    device = next(net.parameters()).device
    return {
        "net": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "random": random_states(device, generator),
    }


def restore_training_state(
    state: Mapping[str, Any], net: nn.Module, optimizer: Optimizer, generator: Generator
) -> None:
    """Put net, optimizer and all random generators back to what `training_state` has seen."""
    net.load_state_dict(state["net"])
    optimizer.load_state_dict(state["optimizer"])
    restore_random_states(state["random"], next(net.parameters()).device, generator)


def weights_checksum(net: nn.Module) -> str:
    """SHA-256 over the names and bytes of all parameters and buffers: equal for equal networks, bit for bit.

    The names of the group's elements, which layers keep beside their weights (`WeightsOfGroup`), are left out: results
    from before they were kept have the same checksum.
    """
    digest = hashlib.sha256()
    for name, value in net.state_dict().items():
        if name.rpartition(".")[2] != "elements":
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
