"""What each way of editing keeps, how well it fits, and what it takes: `python -m bench.editing`."""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np
from PIL import Image

from bench.editing_cases import Case, error, is_gone, lower, outside, pairs, png, right, seam, singles
from bench.guidance_judge import Judge, kept_judge
from bench.table import Measure, conclude
from contract.catalogue import Catalogue, read_catalogue
from contract.editing import Size
from contract.inputs import ImageReference
from contract.request import GenerationRequest
from training.classifier import at_spot
from training.configuration import read_configuration
from training.picture_classifier import renders_of
from worker.child import engine_of
from worker.engine import Engine
from worker.events import Failed, Finished
from worker.fills import harmonic
from worker.images import Pixels
from worker.settings import WorkerSettings

CONFIGURATION = Path("training/safelight-emoji.toml")
IMAGE, MASK = ImageReference("file_" + "1" * 32), ImageReference("file_" + "2" * 32)

METHODS: Mapping[str, Mapping[str, object]] = {
    "fast": {"inpaint_method": "fast"},
    "fast, 5 × the steps": {"inpaint_method": "fast", "num_inference_steps": 100},
    "standard": {"inpaint_method": "standard"},
    "quality": {"inpaint_method": "quality"},
}

REMOVALS: Mapping[str, Mapping[str, object]] = {
    "inpaint standard": {"inpaint_method": "standard"},
    "remove fast": {"remove": True, "inpaint_method": "fast"},
    "remove standard": {"remove": True, "inpaint_method": "standard"},
    "remove from noise": {"remove": True, "inpaint_method": "standard", "strength": 1.0},
}

MOST_SEAM_RATIO, LEAST_GAIN = 0.87, 0.16
"""What resampling brought to a model of digits: a seam of 1.51 for 1.73, and 0.71 read for 0.55."""

LEAST_GONE = 0.9
"""In how many pictures nothing may be left where something was removed from a plain background, as it is by default."""


@dataclass(frozen=True)
class Bench:
    """The embedded model, and a judge of these things that has seen real renders only."""

    engine: Engine
    catalogue: Catalogue
    judge: Judge
    things: Sequence[str]

    def edited(self, cases: Sequence[Case], **asked: object) -> tuple[list[Pixels], float]:
        """The pictures of all cases, and the seconds of each. Raises: RuntimeError, when one fails."""
        started_at = time.perf_counter()
        for index, case in enumerate(cases):
            fields = {"image": IMAGE, "mask": MASK, "seed": index, **asked}
            size = Size(*case.mask.shape)
            request = self.catalogue.resolve(GenerationRequest.model_validate(fields), {"image": size, "mask": size})
            self.engine.add(str(index), request, {IMAGE: png(case.picture), MASK: png(case.mask)})
        made: dict[str, Pixels] = {}
        while self.engine.has_work:
            for event in self.engine.step():
                if isinstance(event, Failed):
                    raise RuntimeError(event.error.message)
                if isinstance(event, Finished):
                    made[event.generation_id] = event.picture.pixels
        seconds = (time.perf_counter() - started_at) / len(cases)
        return [made[str(index)] for index in range(len(cases))], seconds

    def still_seen(self, pictures: Sequence[Pixels], cases: Sequence[Case]) -> float:
        """How often the judge sees on the right what was there."""
        return self._right([at_spot(Image.fromarray(pixels), "right") for pixels in pictures], cases)

    def recognised(self, pictures: Sequence[Pixels], cases: Sequence[Case]) -> float:
        """How often the judge takes a picture for what its case showed."""
        return self._right([Image.fromarray(pixels) for pixels in pictures], cases)

    def _right(self, images: Sequence[Image.Image], cases: Sequence[Case]) -> float:
        likeliest = self.judge.things(images).argmax(1).tolist()
        return fmean(self.things[row] == case.label for row, case in zip(likeliest, cases, strict=True))


def main() -> None:
    """Prints the figures beside the targets; exits with 1 when one is missed."""
    parser = argparse.ArgumentParser(
        description="Hide the right or the lower half of real renders and have each method fill it without a prompt: "
        "is what was kept the same to the byte, does the seam show, does a judge still read what the picture showed? "
        "Then remove one of two things, and compare with the render without it. Needs `python -m training.fetch`."
    )
    parser.add_argument("--pictures", type=int, default=24, help="how many of each kind")
    parser.add_argument("--judge-steps", type=int, default=1000)
    parser.add_argument("--only", choices=["fill", "remove"], help="one half of it; both, if none is named")
    parser.add_argument("--out", type=Path, help="a folder for the figures as JSON and the pictures of some cases")
    arguments = parser.parse_args()
    configuration = read_configuration(CONFIGURATION)
    renders = renders_of(configuration)
    kept = configuration.work_folder / f"judge-{arguments.judge_steps}.pt"
    judge, things = kept_judge(renders, arguments.judge_steps, kept), renders.vocabulary.plain
    plain = {label: renders.drawings.usual[label] for label in things}
    measures: list[Measure] = []
    rows: list[list[Pixels]] = []
    with tempfile.TemporaryDirectory(prefix="sl-") as home:
        settings = WorkerSettings(home=Path(home))
        catalogue = read_catalogue(settings.catalogue)
        bench = Bench(engine_of(catalogue, settings), catalogue, judge, things)
        bench.edited(singles(plain, 1, right), inpaint_method="fast", num_inference_steps=1)
        if arguments.only != "remove":
            halves = [case for half in (right, lower) for case in singles(plain, arguments.pictures, half)]
            gather(measures, rows, fillings(bench, halves))
        if arguments.only != "fill":
            colours = list(renders.vocabulary.colours.values())
            gather(measures, rows, removals(bench, pairs(plain, colours, arguments.pictures)))
    if arguments.out is not None:
        keep(arguments.out, measures, rows)
    conclude(measures)


Figures = tuple[list[Measure], list[list[Pixels]]]
"""What was measured, and a column of pictures for each way."""


def gather(measures: list[Measure], rows: list[list[Pixels]], figures: Figures) -> None:
    """Adds figures, and every third case as a row of pictures."""
    found, columns = figures
    measures += found
    rows += [list(row) for row in zip(*columns, strict=True)][::3]


def fillings(bench: Bench, cases: Sequence[Case]) -> Figures:
    """What each method makes of hidden halves."""
    whole = [case.picture for case in cases]
    measures = [Measure("recognised, whole", bench.recognised(whole, cases))]
    blank = [np.where(case.mask[..., None] > 0, np.uint8(128), case.picture) for case in cases]
    measures.append(Measure("recognised, blank", bench.recognised(blank, cases)))
    columns, seams, read = [whole, blank], {}, {}
    for name, asked in METHODS.items():
        made, seconds = bench.edited(cases, **asked)
        read[name] = bench.recognised(made, cases)
        seams[name] = seam(made, cases)
        measures += [
            Measure(f"outside, {name}", outside(made, cases), "tones", at_most=0),
            Measure(f"seam, {name}", round(seams[name], 3)),
            Measure(f"recognised, {name}", round(read[name], 3)),
            Measure(f"seconds, {name}", round(seconds, 2), "s"),
        ]
        columns.append(made)
    measures += [
        Measure("seam, standard ÷ fast", round(seams["standard"] / seams["fast"], 3), at_most=MOST_SEAM_RATIO),
        Measure("recognised, standard - fast", round(read["standard"] - read["fast"], 3), at_least=LEAST_GAIN),
    ]
    return measures, columns


def removals(bench: Bench, cases: Sequence[Case]) -> Figures:
    """What is where one of two things was: as it was, after a plain fill, and after each way of painting it over."""

    def painted(asked: Mapping[str, object]) -> list[Pixels]:
        return bench.edited(cases, **asked)[0]

    ways: dict[str, Callable[[], list[Pixels]]] = {
        "as it was": lambda: [case.picture for case in cases],
        "harmonic fill": lambda: [harmonic(case.picture, case.mask) for case in cases],
    }
    ways |= {name: partial(painted, asked) for name, asked in REMOVALS.items()}
    measures, columns = [], []
    for name, way in ways.items():
        made = way()
        target = LEAST_GONE if name == "remove fast" else None
        measures += [
            Measure(f"gone, {name}", round(fmean(map(is_gone, made, cases)), 3), at_least=target),
            Measure(f"still seen, {name}", round(bench.still_seen(made, cases), 3)),
            Measure(f"off the truth, {name}", round(fmean(map(error, made, cases)), 2), "tones"),
            Measure(f"outside, {name}", outside(made, cases), "tones", at_most=0),
        ]
        columns.append(made)
    return measures, columns


def keep(folder: Path, measures: Sequence[Measure], rows: Sequence[Sequence[Pixels]]) -> None:
    """Writes the figures, and a picture of all rows."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = {measure.name: measure.value for measure in measures}
    (folder / "editing.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    sheet = np.concatenate([np.concatenate([*row, *[np.full_like(row[0], 255)] * (6 - len(row))], 1) for row in rows])
    Image.fromarray(sheet).save(folder / "editing.png")


if __name__ == "__main__":
    main()
