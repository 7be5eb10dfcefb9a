"""What can be said on the command line, and which fields of a request that is."""

import argparse
import re
from pathlib import Path
from typing import Any, NoReturn, cast, get_args

from safelight.fields import AdapterUse, Fields, Scheduler

DESCRIPTION = "Makes pictures of a prompt, and prints where they are."
EPILOG = """\
exit codes:
  0  the pictures are there
  1  the job failed, or the service could not do it
  2  what was asked cannot be asked for
  130  Ctrl-C, which cancels the job

examples:
  python -m app.cli "a red apple" -o apple.png
  python -m app.cli "a fox" -n 4 --steps 30 --seed 7 --watch
  python -m app.cli "a cat" --edit dog.png --strength 0.6 -o cat.png
  python -m app.cli "a rocket" --json | jq .images
"""
WEIGHTS_SUFFIX = ".safetensors"


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        """Ends the process with 2."""
        self.exit(2, f"safelight: usage: {message} (--help says what there is)\n")


def parser() -> Parser:
    """Every option; one that is a field of a request is named so in the result."""
    parser = Parser(
        prog="python -m app.cli",
        usage="%(prog)s PROMPT [-o FILE] [option …]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("prompt", metavar="PROMPT", nargs="?", help="what the picture shows")
    _add_picture(parser.add_argument_group("the picture; what is left out is the model's default"))
    _add_editing(parser.add_argument_group("beginning with another picture"))
    _add_output(parser.add_argument_group("what comes out"))
    _add_service(parser.add_argument_group("the service"))
    return parser


def fields_of(arguments: argparse.Namespace) -> Fields:
    """The fields of the request that were said."""
    said: dict[str, Any] = {name: getattr(arguments, name, None) for name in Fields.__annotations__}
    if arguments.size is not None:
        said["width"], said["height"] = arguments.size
    return cast(Fields, {name: value for name, value in said.items() if value is not None})


def _add_picture(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--negative", metavar="TEXT", dest="negative_prompt", help="what it must not show")
    group.add_argument("--model", metavar="ID", help="a model of GET /v1/models")
    group.add_argument("--size", metavar="WxH", type=_size, help="width and height in pixels, such as 128x128")
    group.add_argument("--steps", metavar="N", dest="num_inference_steps", type=int, help="denoising steps")
    group.add_argument("--guidance", metavar="SCALE", dest="guidance_scale", type=float, help="1 is off")
    schedulers = get_args(Scheduler)
    group.add_argument("--scheduler", metavar="NAME", choices=schedulers, help=f"one of {', '.join(schedulers)}")
    group.add_argument("--seed", metavar="N", type=int, help="where the noise comes from; the same makes the same")
    group.add_argument("-n", metavar="N", dest="num_images", type=int, help="how many pictures")
    group.add_argument(
        "--adapter",
        metavar="ID[:SCALE]",
        dest="adapters",
        action="append",
        type=_adapter,
        help=f"an adapter of GET /v1/adapters, or a {WEIGHTS_SUFFIX} file; may be said several times",
    )


def _add_editing(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--edit", metavar="IMAGE", dest="image", help="a file, or the id of a picture (art_…)")
    group.add_argument("--mask", metavar="MASK", help="where it is repainted: white is, black is kept")
    group.add_argument("--strength", metavar="S", type=float, help="how far it may be left, from 0 to 1")


def _add_output(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-o",
        metavar="FILE",
        dest="output",
        type=Path,
        help="a name that ends with .png, .jpg or .webp; several pictures are numbered, apple-0.png, apple-1.png, …; "
        "without it, a free name in this folder, after the prompt",
    )
    group.add_argument("--force", action="store_true", help="replace files that are there already")
    group.add_argument(
        "--watch",
        action="store_true",
        help="show the picture as it sharpens: in the terminal if it has colours, else in the output file",
    )
    group.add_argument(
        "--json", action="store_true", help="print the job as JSON and nothing else; saves pictures only with -o"
    )


def _add_service(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--address", metavar="URL", help="default: SAFELIGHT_ADDRESS, else http://127.0.0.1:8000")
    group.add_argument("--key", metavar="KEY", help="an API key; default: SAFELIGHT_API_KEY")
    group.add_argument("--cancel", metavar="JOB", help="make nothing, and cancel this job")


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]{1,6})[x×]([0-9]{1,6})", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not WIDTHxHEIGHT, such as 128x128")
    return int(found.group(1)), int(found.group(2))


def _adapter(text: str) -> AdapterUse:
    name, colon, scale = text.rpartition(":")
    if not colon:
        return {"id": _named(text)}
    try:
        return {"id": _named(name), "scale": float(scale)}
    except ValueError:
        raise argparse.ArgumentTypeError(f"{scale!r}, behind the colon of {text!r}, is no number") from None


def _named(text: str) -> str | Path:
    return Path(text) if text.endswith(WEIGHTS_SUFFIX) else text
