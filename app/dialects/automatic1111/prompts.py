"""What AUTOMATIC1111 reads in a prompt that our own syntax has no word for: adapters, as `<lora:name:0.8>`."""

import re
from typing import Any, NamedTuple

from contract.errors import MalformedPrompt

_NETWORK = re.compile(r"<(lora|lyco|hypernet):([^>]*)>")


class Reading(NamedTuple):
    """A prompt without marks, and the adapters that they name."""

    text: str
    adapters: tuple[dict[str, Any], ...]


def read_prompt(prompt: str) -> Reading:
    """Takes the marks out of a prompt. Raises: MalformedPrompt.

    Source: `re_extra_net` of AUTOMATIC1111/stable-diffusion-webui, modules/extra_networks.py.
    """
    marks = [_adapter(*mark.groups()) for mark in _NETWORK.finditer(prompt)]
    return Reading(_NETWORK.sub("", prompt).strip() if marks else prompt, tuple(marks))


def _adapter(kind: str, arguments: str) -> dict[str, Any]:
    name, *numbers = arguments.split(":")
    mark = f"<{kind}:{arguments[:100]}>"
    if kind != "lora":
        raise MalformedPrompt(f"prompt: {mark} is no adapter that there could be here.", field="prompt")
    try:
        (scale,) = [float(number) for number in numbers] or [1.0]
    except ValueError as error:
        raise MalformedPrompt(f"prompt: {mark} has not one number behind its name.", field="prompt") from error
    return {"id": name, "scale": scale}
