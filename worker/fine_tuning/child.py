"""The child of one fine-tune: it is polite to whoever makes pictures, learns, and ends."""

import errno
import logging
import os
import signal
import threading
from multiprocessing.connection import Connection

from contract.errors import ArtifactStoreUnavailable, OutOfMemory, SafelightError, TrainingFailed
from contract.job import JobFailure
from contract.logs import configure_logs
from worker.fine_tuning.messages import Concluded, Failed, Teach
from worker.settings import WorkerSettings

logger = logging.getLogger(__name__)

NICE = 19
"""As polite as a process can be: it has what those who make pictures leave it."""


def serve(connection: Connection, settings: WorkerSettings) -> None:
    """Carries out the one order that comes, and tells its end. The end of the parent is the end of this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(NICE)
    configure_logs(settings.worker_log_level, settings.log_format)
    order: Teach = connection.recv()
    threading.Thread(target=_end_with_parent, args=(connection,), daemon=True).start()
    try:
        _teach(order, connection, settings)
    except SafelightError as error:
        connection.send(Failed(JobFailure.of(error)))
    except Exception as error:
        logger.exception("the teaching failed")
        connection.send(Failed(JobFailure.of(_known(error))))


def _teach(order: Teach, connection: Connection, settings: WorkerSettings) -> None:
    import torch

    from contract.catalogue import read_catalogue
    from worker.devices import choose_steady_kernels
    from worker.fine_tuning.teaching import conclude, teach

    torch.set_num_threads(settings.num_threads or os.cpu_count() or 1)
    choose_steady_kernels()
    catalogue = read_catalogue(settings.catalogue)
    spec = catalogue.find(order.request.model)
    if order.go_on:
        teach(order, spec, catalogue, connection.send)
    else:
        connection.send(Concluded(conclude(order, spec)))


def _known(error: Exception) -> SafelightError:
    """What the client is told of an error that nobody foresaw."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        return ArtifactStoreUnavailable("The disk of the process that teaches takes nothing more.")
    if isinstance(error, MemoryError):
        return OutOfMemory("There is not as much memory left as the teaching needs.")
    return TrainingFailed("The teaching raised something that it does not know.")


def _end_with_parent(connection: Connection) -> None:
    """The parent says nothing after its order; what comes is its end."""
    try:
        connection.recv()
    except (EOFError, OSError):
        os._exit(1)
