"""How log lines look, in a process of their own: configuring them is for the whole process."""

import json
import subprocess
import sys

from contract.logs import LogFormat

PREAMBLE = """
import logging
from contract.logs import Named, bound, configure_logs
configure_logs("info", "{log_format}")
logger = logging.getLogger("somebody")
"""


def lines(code: str, log_format: LogFormat) -> list[str]:
    """What a process with this code writes to standard error."""
    script = PREAMBLE.format(log_format=log_format) + code
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    ).stderr.splitlines()


CODE = """
logger.debug("not this")
with bound(request_id="r1"):
    logger.warning("%s went wrong", "it", extra={"status": 503, "prompt": "canary"})
    Named(logger, {"job_id": "j1", "request_id": None}).info("j1: hello", extra={"execution_id": "e1"})
logger.info("outside")
try:
    raise ValueError("a reason")
except ValueError:
    logger.exception("caught")
"""


def test_as_json_every_line_is_one_object_with_its_ids() -> None:
    found = [json.loads(line) for line in lines(CODE, "json")]
    assert [one["message"] for one in found] == ["it went wrong", "j1: hello", "outside", "caught"]
    warned, hello, outside, caught = found
    assert (warned["request_id"], warned["status"], warned["level"], warned["logger"]) == (
        "r1",
        503,
        "warning",
        "somebody",
    )
    assert (hello["job_id"], hello["request_id"], hello["execution_id"]) == ("j1", "r1", "e1")
    assert not {"request_id", "job_id"} & set(outside)
    assert "ValueError: a reason" in caught["exception"]
    assert all(one["time"].endswith("Z") for one in found)
    assert "canary" not in str(found)


def test_for_people_the_ids_come_last_and_once() -> None:
    found = lines(CODE, "text")
    assert found[0].endswith("Z somebody WARNING it went wrong request_id=r1")
    assert found[1].endswith("somebody INFO j1: hello request_id=r1 execution_id=e1")
    assert found[2].endswith("somebody INFO outside")
    assert found[4].startswith("Traceback")
