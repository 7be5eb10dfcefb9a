"""Measured figures beside what was promised of them: as a table, as JSON, and as an exit status."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure, and the bounds that it should keep; without bounds it is only reported."""

    name: str
    value: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def met(self) -> bool:
        """Whether the figure keeps its bounds."""
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )

    @property
    def bounded(self) -> bool:
        """Whether anything is promised of the figure."""
        return self.at_most is not None or self.at_least is not None

    @property
    def target(self) -> str:
        """The bounds, for people."""
        bounds = [("≤", self.at_most), ("≥", self.at_least)]
        return ", ".join(f"{sign} {_short(bound)}" for sign, bound in bounds if bound is not None)


def report(measures: Sequence[Measure]) -> str:
    """The figures as a table in Markdown."""
    rows = [(m.name, f"{_short(m.value)} {m.unit}".rstrip(), m.target, _verdict(m)) for m in measures]
    lines = [("measure", "figure", "target", "met"), ("---", "---:", "---:", "---"), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def missed(measures: Sequence[Measure]) -> list[Measure]:
    """Those that do not keep their bounds."""
    return [measure for measure in measures if not measure.met]


def as_json(measures: Sequence[Measure]) -> str:
    """The figures for programs: one object, by name."""
    return json.dumps({measure.name: _fields(measure) for measure in measures}, ensure_ascii=False, indent=1)


def conclude(measures: Sequence[Measure]) -> None:
    """Prints JSON and the table; ends the process with status 1 when a figure misses its bounds."""
    print(f"{as_json(measures)}\n\n{report(measures)}")
    if missed(measures):
        raise SystemExit(1)


def _fields(measure: Measure) -> dict[str, Any]:
    fields: dict[str, Any] = {"value": measure.value, "unit": measure.unit}
    if measure.bounded:
        fields |= {"at_most": measure.at_most, "at_least": measure.at_least, "met": measure.met}
    return fields


def _verdict(measure: Measure) -> str:
    return ("yes" if measure.met else "**no**") if measure.bounded else ""


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
