"""The README says of every setting what the code says."""

import pytest
from pydantic_settings import BaseSettings

from app.settings import AppSettings
from launch.settings import LaunchSettings
from tests.system.conftest import ROOT
from worker.settings import WorkerSettings


def rows(settings: type[BaseSettings]) -> list[str]:
    """The README's rows for these settings."""
    return [
        f"| `SAFELIGHT_{name.upper()}` | {_shown(field.default)} | {field.description} |"
        for name, field in settings.model_fields.items()
    ]


def _shown(default: object) -> str:
    return "" if default in (None, "") else f"`{default}`"


@pytest.mark.parametrize("settings", [AppSettings, WorkerSettings, LaunchSettings])
def test_every_setting_is_in_the_readme(settings: type[BaseSettings]) -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert [row for row in rows(settings) if row not in lines] == []
