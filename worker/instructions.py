"""How a network that follows instructions is held to the picture that it changes."""

from dataclasses import dataclass

from torch import Tensor

from worker.stages import Outputs


@dataclass(frozen=True, slots=True)
class Keeping:
    """Pushes the prediction towards the picture: away from that of a row that sees none.

    Source: Brooks et al. 2022, arXiv:2211.09800, equation 3, of which classifier-free guidance has done the other term.
    """

    scale: float

    def __call__(self, prediction: Tensor, outputs: Outputs) -> Tensor:
        """Shapes: prediction and each output (1, C, H, W); result likewise."""
        return prediction + (self.scale - 1.0) * (outputs["negative"] - outputs["nothing"])
