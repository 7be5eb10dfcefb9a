"""`python -m app.cli`: a prompt in, pictures out; its exit code says how it went, one line what went wrong."""

import json
import sys
from argparse import Namespace
from collections.abc import Sequence

from app.cli.arguments import Parser, fields_of, parser
from app.cli.making import Interrupted, Order, make
from app.cli.outputs import UnusableOutput, format_of, outputs
from app.cli.screen import Screen
from safelight import Job, Safelight, SafelightError, ServiceError

FAILED, MISUSED, INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what the arguments say, and returns the exit code."""
    options = parser()
    asked = options.parse_args(arguments)
    try:
        screen = Screen()
        order = None if asked.cancel else _order(asked, options, screen)
        with Safelight(asked.address, api_key=asked.key) as client:
            if order is None:
                print(client.cancel(asked.cancel).status)
            else:
                _show(make(client, order, screen), order, as_json=asked.json)
    except Interrupted as interrupted:
        print(f"safelight: {interrupted}", file=sys.stderr)
        return INTERRUPTED
    except KeyboardInterrupt:
        return INTERRUPTED
    except SafelightError as error:
        return _failed(error, as_json=asked.json)
    except ValueError as error:
        options.error(str(error))
    except OSError as error:
        print(f"safelight: {error}", file=sys.stderr)
        return FAILED
    return 0


def _order(asked: Namespace, options: Parser, screen: Screen) -> Order:
    """Raises: UnusableOutput."""
    if asked.prompt is None and asked.image is None:
        options.error("say what to make: a PROMPT, or --edit")
    fields = fields_of(asked)
    if asked.output is not None:
        fields["output_format"] = format_of(asked.output)
    prompt = asked.prompt or ""
    is_saved = asked.output is not None or not asked.json
    paths = outputs(asked.output, prompt, fields.get("num_images", 1), force=asked.force) if is_saved else []
    if asked.watch and not paths and not screen.has_colours:
        raise UnusableOutput("--watch has nowhere to show the picture: say -o, or use a terminal with colours")
    return Order(prompt, fields, paths, asked.watch)


def _show(job: Job, order: Order, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(job.as_json(), ensure_ascii=False))
    else:
        print(*order.paths, sep="\n")


def _failed(error: SafelightError, *, as_json: bool) -> int:
    job = error.job if isinstance(error, ServiceError) else None
    if as_json and job is not None:
        print(json.dumps(job.as_json(), ensure_ascii=False))
    said = (part for part in (error.code, error.field, error.message) if part)
    print("safelight:", " ".join(": ".join(said).split()), file=sys.stderr)
    return MISUSED if job is None and error.field is not None else FAILED


if __name__ == "__main__":
    sys.exit(main())
