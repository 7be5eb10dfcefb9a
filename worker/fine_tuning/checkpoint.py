"""All that a run needs to go on as if nothing had happened, in one file that is whole or not there."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

LEARNT, OPTIMIZER = "learnt.", "optimizer."


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What was learnt in `step` steps, what the optimiser remembers of each parameter, and every step's loss."""

    step: int
    learnt: Mapping[str, Tensor]
    remembered: Mapping[int, Mapping[str, Tensor]]
    losses: tuple[float, ...]

    def save(self, folder: Path) -> Path:
        """Writes it beside its place, and puts it there as a whole. Raises: OSError."""
        tensors = {f"{LEARNT}{name}": values for name, values in self.learnt.items()}
        for place, state in self.remembered.items():
            tensors |= {f"{OPTIMIZER}{place}.{name}": values for name, values in state.items()}
        contiguous = {name: values.detach().contiguous() for name, values in tensors.items()}
        said = {"step": str(self.step), "losses": json.dumps(self.losses)}
        path = folder / f"checkpoint-{self.step}.safetensors"
        beside = path.with_suffix(".partial")
        try:
            beside.write_bytes(safetensors.torch.save(contiguous, said))
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
        return path

    @classmethod
    def read(cls, path: Path) -> "Checkpoint":
        """What was saved. Raises: OSError, SafetensorError, ValueError, KeyError."""
        with safetensors.safe_open(path, framework="pt") as file:
            said = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        learnt = {name.removeprefix(LEARNT): one for name, one in tensors.items() if name.startswith(LEARNT)}
        remembered: dict[int, dict[str, Tensor]] = {}
        for name, values in tensors.items():
            if name.startswith(OPTIMIZER):
                place, _, kind = name.removeprefix(OPTIMIZER).partition(".")
                remembered.setdefault(int(place), {})[kind] = values
        return cls(int(said["step"]), learnt, remembered, tuple(json.loads(said["losses"])))


def memory_of(optimizer: torch.optim.Optimizer) -> dict[int, dict[str, Tensor]]:
    """What an optimiser remembers, by the place of each parameter; copies, as it goes on changing its own."""
    state = optimizer.state_dict()["state"]
    return {place: {name: values.clone() for name, values in one.items()} for place, one in state.items()}


def remember(optimizer: torch.optim.Optimizer, remembered: Mapping[int, Mapping[str, Tensor]]) -> None:
    """Gives an optimiser what it remembered, each tensor laid out in memory as its parameter is."""
    parameters: Sequence[Tensor] = [one for group in optimizer.param_groups for one in group["params"]]
    optimizer.load_state_dict(
        {
            "param_groups": optimizer.state_dict()["param_groups"],
            "state": {
                place: {name: _laid_out(values, parameters[place]) for name, values in one.items()}
                for place, one in remembered.items()
            },
        }
    )


def _laid_out(values: Tensor, parameter: Tensor) -> Tensor:
    return torch.empty_like(parameter).copy_(values) if values.shape == parameter.shape else values
