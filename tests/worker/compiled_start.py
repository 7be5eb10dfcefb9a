"""One start of a worker's engine that compiles, as a process: `python -m tests.worker.compiled_start MODEL HOME`.

It writes as JSON what was compiled and what was found compiled, the certificate, and pictures alone and in company.
"""

import hashlib
import json
import sys
from pathlib import Path

import torch
from torch._dynamo.utils import counters

from contract.catalogue import Catalogue
from tests.worker.engines import asked, pictures, run, spec_of
from worker.child import engine_of, warm_up
from worker.images import Pixels
from worker.settings import WorkerSettings

REQUESTS = {str(seed): asked(seed=seed, num_inference_steps=2, guidance_scale=1.0 + seed % 2) for seed in range(3)}


def main(model: Path, home: Path) -> None:
    torch.set_num_threads(1)
    spec = spec_of(model)
    settings = WorkerSettings(home=home, compile=True, rows_per_forward=2)
    engine = engine_of(Catalogue(default_model=spec.id, models=(spec,)), settings)
    warm_up(engine, spec)
    warm = _counted()
    for name, request in REQUESTS.items():
        engine.add(name, request)
    together = pictures(run(engine))
    alone: dict[str, Pixels] = {}
    for name, request in REQUESTS.items():
        engine.add(name, request)
        alone |= pictures(run(engine))
    (lane,) = engine.lanes
    assert lane.certificate is not None
    said = {
        "warm": warm,
        "served": _counted(),
        "compiled": lane.certificate.setting.compiled,
        "reproducibility": lane.certificate.reproducibility,
        "together": {name: _digest(pixels) for name, pixels in together.items()},
        "alone": {name: _digest(pixels) for name, pixels in alone.items()},
    }
    sys.stdout.write(json.dumps(said))


def _counted() -> dict[str, int]:
    inductor = counters["inductor"]
    return {"made": inductor["fxgraph_cache_miss"], "found": inductor["fxgraph_cache_hit"]}


def _digest(pixels: Pixels) -> str:
    return hashlib.sha256(pixels.tobytes()).hexdigest()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
