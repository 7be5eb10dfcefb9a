"""What a forward of each size takes in this setting: `GOMP_SPINCOUNT=1000 python -m bench.forwards --num-threads 2`."""

import argparse
import os
import tempfile
from pathlib import Path

import torch

from contract.catalogue import read_catalogue
from worker.certifier import describe
from worker.child import engine_of, warm_up
from worker.settings import WorkerSettings


def main() -> None:
    """Prints the certificate of the default model at its default size, measured now."""
    parser = argparse.ArgumentParser(description="Measure the default model's forwards, as a worker does at its start.")
    parser.add_argument("--num-threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.num_threads)
    with tempfile.TemporaryDirectory(prefix="sl-") as home:
        settings = WorkerSettings(home=Path(home))
        catalogue = read_catalogue(settings.catalogue)
        engine = engine_of(catalogue, settings)
        warm_up(engine, catalogue.find(catalogue.default_model))
    for lane in engine.lanes:
        if lane.certificate is not None:
            print(describe(lane.certificate))


if __name__ == "__main__":
    main()
