"""Tiny models on disk, built once a session; nothing here reaches for a network."""

import os

os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"

from pathlib import Path

import pytest
import torch

from tests.tiny_models import build_flux, build_stable_diffusion, build_stable_diffusion_3, build_stable_diffusion_xl
from tests.worker.engines import cpu_pipeline
from worker.stepwise_pipeline import StepwisePipeline


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def epsilon_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("epsilon")
    build_stable_diffusion(folder)
    return folder


@pytest.fixture(scope="session")
def v_prediction_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """v-prediction with zero terminal signal and trailing timesteps, like the embedded model."""
    folder = tmp_path_factory.mktemp("v_prediction")
    build_stable_diffusion(folder, prediction_type="v_prediction", spacing="trailing")
    return folder


@pytest.fixture(scope="session")
def xl_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("xl")
    build_stable_diffusion_xl(folder)
    return folder


@pytest.fixture(scope="session")
def sd3_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sd3")
    build_stable_diffusion_3(folder)
    return folder


@pytest.fixture(scope="session")
def flux_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flux")
    build_flux(folder, guidance_embeds=False)
    return folder


@pytest.fixture(scope="session")
def pipeline(epsilon_folder: Path) -> StepwisePipeline:
    return cpu_pipeline(epsilon_folder)


@pytest.fixture(scope="session")
def other_pipeline(v_prediction_folder: Path) -> StepwisePipeline:
    return cpu_pipeline(v_prediction_folder)
