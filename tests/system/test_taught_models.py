"""A real worker and models that somebody has taught: their files arrive, are held against digests, and are kept."""

from pathlib import Path

import psutil
import pytest
import torch

from contract.catalogue import read_catalogue
from contract.editing import Size
from contract.fine_tunes import FineTuneStore
from contract.request import GenerationRequest
from contract.taught_models import TaughtModels
from tests.pictures import opened
from tests.system.installation import Installation
from tests.system.test_inputs import stored
from tests.taught import taught
from worker.components import ModelFolder
from worker.devices import Placement
from worker.fine_tuning.image_conditional import widened


@pytest.fixture
def unet(tiny_catalogue: Path, tmp_path: Path) -> Path:
    """The tiny model's U-Net, which takes a picture too."""
    network = ModelFolder(tiny_catalogue.parent / "tiny", Placement(torch.device("cpu"), torch.float32)).unet()
    widened(network).save_pretrained(tmp_path / "unet", safe_serialization=True)
    return tmp_path / "unet"


async def mapped(installation: Installation, model: str) -> str:
    """The id of a job that maps a picture by this model."""
    catalogue = read_catalogue(Path(installation.environment["SAFELIGHT_CATALOGUE"]))
    models = TaughtModels(FineTuneStore(installation.connection, retention_seconds=3600), catalogue)
    file = await stored(installation)
    asked = GenerationRequest(model=model, image=file.id, seed=1)
    complete = (await models.row(model)).complete(asked, {"image": Size(64, 64)})
    return (await installation.jobs.admit(asked, complete, max_queued=100)).job.id


async def test_a_worker_draws_maps_with_a_model_that_was_taught(
    installation: Installation, worker: psutil.Process, unet: Path
) -> None:
    model = await taught(installation.connection, installation.artifacts, unet)
    first, again = [
        await installation.until(await mapped(installation, model), "succeeded", "failed") for _ in range(2)
    ]
    assert first.error is None, first.error
    assert worker.is_running()
    pixels = [opened(await installation.artifacts.get(job.images[0].storage_key)) for job in (first, again)]
    assert pixels[0].tobytes() == pixels[1].tobytes()
    red, green, blue = pixels[0].convert("RGB").split()
    assert red.tobytes() == green.tobytes() == blue.tobytes()
    kept = installation.home / "taught" / model / "unet"
    assert {file.name for file in kept.iterdir()} == {"config.json", "diffusion_pytorch_model.safetensors"}


async def test_files_that_are_not_what_was_taught_end_the_job_and_no_other(
    installation: Installation, worker: psutil.Process, unet: Path
) -> None:
    changed = await taught(installation.connection, installation.artifacts, unet)
    await installation.artifacts.put(f"{changed}/config.json", b"{} ")
    gone = await taught(installation.connection, installation.artifacts, unet)
    await installation.artifacts.delete(f"{gone}/diffusion_pytorch_model.safetensors")
    for model, code in ((changed, "model_unavailable"), (gone, "unknown_model")):
        failed = await installation.until(await mapped(installation, model), "succeeded", "failed")
        assert failed.error is not None
        assert failed.error.code == code
    assert (await installation.until(await installation.submit(), "succeeded")).images
    assert worker.is_running()
