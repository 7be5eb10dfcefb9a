"""The scripts that Redis runs: each file is one atomic step, and says its arguments and its answer at the top."""

from importlib.resources import files
from typing import Literal, get_args

from contract.lines import LineName

ScriptName = Literal[
    "admit",
    "backlog",
    "cancel",
    "claim",
    "claim_deliveries",
    "count",
    "create_file",
    "delete",
    "expect",
    "foresee",
    "forget_file",
    "give_back",
    "join",
    "keep_dataset",
    "keep_keys",
    "leave",
    "publish",
    "publish_image",
    "reap",
    "record_attempt",
    "redeliver",
    "renew",
    "renew_signing",
    "report",
    "retire_dataset",
    "retire_file",
    "settle",
    "warn",
    "webhook_secret",
    "weigh",
]


SHARED = ("prelude", "outbox", "work", "lines", "moves", "datasets")
"""What stands in front of every script, in this order: each part uses those before it."""


def read_scripts(line: LineName = "generations") -> dict[ScriptName, str]:
    """The source of every script as it runs for a line, each with what they share in front."""
    folder = files(__name__)
    shared = "".join(folder.joinpath(f"{name}.lua").read_text() for name in SHARED)
    begin = f"local LINE = '{line}'\n{shared}"
    return {name: begin + folder.joinpath(f"{name}.lua").read_text() for name in get_args(ScriptName)}
