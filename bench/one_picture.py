"""How long one picture takes on an idle service, from POST to bytes: `python -m bench.one_picture --help`."""

import argparse
import json
import statistics
import time
import urllib.request
from typing import Any


def main() -> None:
    """Prints the seconds of each picture as JSON, and their median; exits with 1 when the median is over the limit."""
    parser = argparse.ArgumentParser(description="Time pictures of the default model against a running service.")
    parser.add_argument("--address", default="http://127.0.0.1:8000")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--steps", type=int, help="by default the model's")
    parser.add_argument("--limit-seconds", type=float, default=3.0)
    arguments = parser.parse_args()
    seconds = [one_picture(arguments.address, seed, arguments.steps) for seed in range(arguments.runs + 1)][1:]
    median = statistics.median(seconds)
    print(json.dumps({"seconds": [round(value, 3) for value in seconds], "median": round(median, 3)}))
    if median > arguments.limit_seconds:
        raise SystemExit(1)


def one_picture(address: str, seed: int, steps: int | None = None) -> float:
    """Seconds from the request to the bytes of its picture."""
    started_at = time.monotonic()
    asked = {"prompt": "a red apple", "seed": seed} | ({} if steps is None else {"num_inference_steps": steps})
    body = json.dumps(asked).encode()
    headers = {"content-type": "application/json", "prefer": "wait=60"}
    job = fetch_json(urllib.request.Request(f"{address}/v1/generations", body, headers))
    with urllib.request.urlopen(job["images"][0]["url"]) as picture:
        picture.read()
    return time.monotonic() - started_at


def fetch_json(request: urllib.request.Request) -> Any:
    """The JSON object that answers a request."""
    with urllib.request.urlopen(request) as response:
        return json.load(response)


if __name__ == "__main__":
    main()
