"""On a GPU, too, certified sizes keep their promise: pictures in company have the bits of pictures alone."""

from pathlib import Path

import pytest
import torch

from tests.tiny_models import build_stable_diffusion
from tests.worker.engines import Held, asked, pictures, run, spec_of
from worker.certifier import Certifier
from worker.devices import Placement, choose_steady_kernels
from worker.engine import Engine
from worker.loading import load_pipeline

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_company_changes_nothing_where_the_certificate_is_exact(dtype: torch.dtype, tmp_path: Path) -> None:
    choose_steady_kernels()
    placement = Placement(torch.device("cuda"), dtype)
    build_stable_diffusion(tmp_path / "tiny")
    pipeline = load_pipeline(spec_of(tmp_path / "tiny"), placement)
    requests = {str(seed): asked(seed=seed, guidance_scale=1.0 + seed % 2) for seed in range(7)}
    crowd = Engine(Held({"tiny": pipeline}), Certifier(placement, tmp_path / "certificates"))
    for name, request in requests.items():
        crowd.add(name, request)
    together = pictures(run(crowd))
    (lane,) = crowd.lanes
    assert lane.certificate is not None
    for name, request in requests.items():
        engine = Engine(Held({"tiny": pipeline}), Certifier(placement, tmp_path / "certificates"))
        engine.add(name, request)
        equal = (pictures(run(engine))[name] == together[name]).all()
        assert equal or lane.certificate.reproducibility == "tolerance"
