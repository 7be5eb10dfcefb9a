"""A catalogue with one tiny model, for tests of whole processes."""

from pathlib import Path

from tests.tiny_models import build_stable_diffusion

CATALOGUE = """
default_model = "tiny"

[[models]]
id = "tiny"
family = "stable_diffusion"
source = { path = "tiny" }
owned_by = "tests"
licence = "MIT"
created = 0
defaults = { height = 64, width = 64, num_inference_steps = 4, guidance_scale = 3.0, scheduler = "euler" }

[models.limits]
size_multiple = 8
min_size = 16
max_size = 256
max_num_inference_steps = 10000
max_guidance_scale = 30.0
max_cost = 1000000000
"""


def build_catalogue(folder: Path) -> Path:
    """Writes the catalogue and its model into a folder, and returns the catalogue."""
    build_stable_diffusion(folder / "tiny")
    catalogue = folder / "models.toml"
    catalogue.write_text(CATALOGUE)
    return catalogue
