"""`python -m tests.operations.chart`: renders the chart with Helm's own engine, and keeps what came of it.

Helm is in no package that every machine gets: `pip install helm-python-sdk kubernetes-validate` (75 and 22 MB) beside
the rest. What is kept says of which files it was made, so that a test can tell without Helm whether it still holds.
"""

import hashlib

import yaml

from tests.system.installation import ROOT

CHART = ROOT / "docs" / "operations" / "helm"
RENDERED = ROOT / "docs" / "operations" / "rendered-chart.yaml"

VALUES = {
    "artifacts": {"url": "s3://pictures/safelight", "credentialsSecret": "s3"},
    "autoscaling": {"enabled": True},
    "teacher": {"enabled": True},
}
"""Of an installation that uses everything."""

MADE_OF = "# Of files with the digest "


def digest() -> str:
    """Changes whenever something of the chart does."""
    files = sorted(path for path in CHART.rglob("*") if path.is_file())
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


def rendered() -> str:
    """The chart as Helm renders it. Raises: ModuleNotFoundError, where Helm is not there."""
    import helm_python

    with helm_python.Chart.load(str(CHART)) as chart:
        found = chart.render(VALUES, name="safelight", namespace="pictures")
    texts = [text.strip() for name, text in sorted(found.items()) if text.strip()]
    return "\n---\n".join(texts) + "\n"


def main() -> None:
    """Renders, and writes it down."""
    head = "# The chart with VALUES of tests/operations/chart.py, as `python -m tests.operations.chart` renders it.\n"
    RENDERED.write_text(f"{head}{MADE_OF}{digest()}\n{rendered()}")


def objects() -> list[dict[str, object]]:
    """What is kept."""
    return [one for one in yaml.safe_load_all(RENDERED.read_text()) if one]


if __name__ == "__main__":
    main()
