"""What becomes of a picture on its way out: it is looked at, changed if it must be, written and signed."""

import logging
from collections.abc import Mapping
from functools import partial

from contract.catalogue import Catalogue
from contract.errors import GenerationFailed, SafelightError
from contract.job import JobFailure
from contract.receipt_keys import private_key
from contract.request import CompleteRequest
from worker.checkers import load_checker
from worker.devices import choose_placement
from worker.events import Picture
from worker.images import Pixels, encode_preview
from worker.manifests import manifest_writer
from worker.messages import Failed, ImageFinished, Previewed, TracePart
from worker.notary import Notary
from worker.phases import Phases
from worker.rows import Rows
from worker.screening import Screening
from worker.settings import WorkerSettings
from worker.trace_files import TraceFiles

logger = logging.getLogger(__name__)


class Finishing:
    """For the one thread that writes files. Promise: what leaves it may be seen by anybody whose job it is."""

    def __init__(self, screening: Screening, notary: Notary, rows: Rows) -> None:
        self._screening = screening
        self._notary = notary
        self._rows = rows

    def withholds_previews(self, model_id: str) -> bool:
        """Whether nobody may see a picture of this model before it is finished."""
        return self._screening.withholds_previews(model_id)

    def preview(self, execution_id: str, index: int, step: int, pixels: Pixels) -> Previewed:
        """A picture on its way."""
        return Previewed(execution_id, index, step, encode_preview(pixels))

    def image(
        self,
        execution_id: str,
        index: int,
        picture: Picture,
        *,
        request: CompleteRequest,
        inputs: Mapping[str, bytes],
        phases: Phases,
    ) -> ImageFinished | Failed:
        """The file of one image, or why there is none."""
        height, width = picture.pixels.shape[:2]
        try:
            shown, finding = self._screening.screened(picture, request.model)
            changes = ("blur",) if finding is not None and finding.blurred else ()
            content = self._notary.file(picture, shown, request, inputs, changes)
            phases.end("encode file")
        except SafelightError as error:
            return Failed(execution_id, JobFailure.of(error))
        except Exception as error:
            execution = {"execution_id": execution_id}
            logger.error("%s: image %d cannot be encoded", execution_id, index, exc_info=error, extra=execution)
            failure = GenerationFailed(f"The picture could not be encoded as {request.output_format}.")
            return Failed(execution_id, JobFailure.of(failure))
        trace = self._trace(execution_id, picture, request.model)
        return ImageFinished(execution_id, index, width, height, content, tuple(phases.ended), finding, trace)

    def _trace(self, execution_id: str, picture: Picture, model_id: str) -> tuple[TracePart, ...]:
        """The files of the trace of its run; none where none was asked for, or they cannot be written."""
        if picture.recording is None:
            return ()
        try:
            family = self._rows.find(model_id).family
            return TraceFiles(picture.recording, family, withheld=self.withholds_previews(model_id)).written()
        except Exception as error:
            execution = {"execution_id": execution_id}
            logger.error("%s: its trace cannot be written", execution_id, exc_info=error, extra=execution)
            return ()


def finishing_of(catalogue: Catalogue, settings: WorkerSettings, rows: Rows) -> Finishing:
    """What a worker with these settings does with finished pictures."""
    load = partial(load_checker, placement=choose_placement(compiled=False))
    notary = Notary(private_key(settings.receipt_key_file), catalogue, manifest_writer(settings))
    return Finishing(Screening(rows, load, settings.safety_policy), notary, rows)
