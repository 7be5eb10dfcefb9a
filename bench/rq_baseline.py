"""B1: a plain diffusers pipeline behind RQ's SimpleWorker, one at a time: `python -m bench.rq_baseline SOCKET`."""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from redis import Redis
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

from bench.installation import ROOT, end, start, until
from contract.catalogue import read_catalogue
from contract.request import CompleteRequest
from launch.embedded_store import server_command

QUEUE = "pictures"


def main() -> None:
    """Works the queue until it is empty."""
    parser = argparse.ArgumentParser(description="Work one queue of a store with RQ's SimpleWorker, then end.")
    parser.add_argument("socket")
    parser.add_argument("--num-threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(arguments.num_threads)
    redis = Redis(unix_socket_path=arguments.socket)
    queue = Queue(QUEUE, connection=redis, serializer=JSONSerializer)
    SimpleWorker([queue], connection=redis, serializer=JSONSerializer, log_job_description=False).work(
        burst=True, logging_level="WARNING"
    )


def render(request: str, folder: str, name: str) -> None:
    """The job: one picture, as a file with Pillow's defaults."""
    complete = CompleteRequest.model_validate_json(request)
    (picture,) = _pipeline(complete.model).draw([complete])
    picture.save(Path(folder) / f"{name}.png")


@lru_cache
def _pipeline(model_id: str) -> Any:
    from bench.diffusers_pipeline import BarePipeline

    return BarePipeline(read_catalogue(ROOT / "models.toml").find(model_id))


def seconds_for(requests: Sequence[CompleteRequest]) -> float:
    """From the start of the first job to the end of the last, the loading of the model left out."""
    with tempfile.TemporaryDirectory(prefix="sl-") as folder:
        socket = Path(folder) / "store" / "valkey.sock"
        store = start(server_command(socket), {}, Path(folder) / "store.txt")
        try:
            until(socket.exists)
            redis = Redis(unix_socket_path=str(socket))
            queue = Queue(QUEUE, connection=redis, serializer=JSONSerializer)
            first = requests[0].model_copy(update={"num_inference_steps": 1})
            jobs = [
                queue.enqueue(render, request.model_dump_json(), folder, str(index), result_ttl=3600, job_timeout=3600)
                for index, request in enumerate([first, *requests])
            ]
            subprocess.run([sys.executable, "-m", "bench.rq_baseline", str(socket)], cwd=ROOT, check=True)
            for job in jobs:
                job.refresh()
            started_at, ended_at = jobs[1].started_at, jobs[-1].ended_at
            if started_at is None or ended_at is None:
                raise RuntimeError("The queue was not worked to its end.")
            return (ended_at - started_at).total_seconds()
        finally:
            end(store)


if __name__ == "__main__":
    main()
