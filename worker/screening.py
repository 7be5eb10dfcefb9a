"""What a finished picture goes through before anybody sees it: its model's checker, and the deployment's policy."""

import logging
from collections.abc import Callable
from weakref import WeakKeyDictionary

import numpy as np
from PIL import Image

from contract.classifier_specs import CheckerSpec
from contract.errors import GenerationFailed, PictureRefused
from contract.safety import Finding, SafetyPolicy
from worker.checkers import Checker
from worker.events import Picture
from worker.images import Pixels
from worker.rows import Rows

logger = logging.getLogger(__name__)

BLURRED_SIDE = 8
"""Pixels of the longer side of what is left of a blurred picture."""

Load = Callable[[CheckerSpec], Checker]


class Screening:
    """For the one thread that writes files, so that denoising goes on meanwhile.

    Promise: a picture whose checker cannot be asked is not shown. One picture has one finding, however often it is
             given out.
    """

    def __init__(self, rows: Rows, load: Load, policy: SafetyPolicy) -> None:
        self._rows = rows
        self._load = load
        self._policy = policy
        self._checkers: dict[str, Checker] = {}
        self._findings: WeakKeyDictionary[Picture, Finding] = WeakKeyDictionary()

    def withholds_previews(self, model_id: str) -> bool:
        """Whether nobody may see a picture of this model before it is finished."""
        return self._policy != "allow" and self._rows.checker_of(model_id) is not None

    def screened(self, picture: Picture, model_id: str) -> tuple[Pixels, Finding | None]:
        """What may be shown of a picture, and what was found; None where nothing looks.

        Raises: PictureRefused, ModelUnavailable, GenerationFailed.
        """
        spec = self._rows.checker_of(model_id)
        if spec is None:
            return picture.pixels, None
        finding = self._finding(picture, spec)
        if not finding.flagged or self._policy == "allow":
            return picture.pixels, finding
        if self._policy == "refuse":
            raise PictureRefused(
                f"The picture was made and is not shown: {spec.id} found {finding.label} in it, with {finding.score}."
            )
        return blurred(picture.pixels), finding.model_copy(update={"blurred": True})

    def _finding(self, picture: Picture, spec: CheckerSpec) -> Finding:
        if picture not in self._findings:
            if spec.id not in self._checkers:
                self._checkers[spec.id] = self._load(spec)
            try:
                self._findings[picture] = self._checkers[spec.id].find(picture.pixels)
            except Exception as error:
                logger.error("the checker %s failed", spec.id, exc_info=error)
                raise GenerationFailed(f"The picture was made, and its checker {spec.id} failed.") from error
        return self._findings[picture]


def blurred(pixels: Pixels) -> Pixels:
    """Some patches of colour in the picture's size, whatever was in it."""
    picture = Image.fromarray(pixels)
    width, height = picture.size
    scale = BLURRED_SIDE / max(width, height)
    small = picture.resize((max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.BOX)
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))
