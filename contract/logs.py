"""How log lines look, for people or as JSON, and which request and job they say that they belong to."""

import logging
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager
from typing import Any, Literal

from structlog import contextvars, stdlib
from structlog.processors import EventRenamer, JSONRenderer, TimeStamper, format_exc_info
from structlog.typing import EventDict, Processor

LogFormat = Literal["text", "json"]

IDS = ("request_id", "job_id", "execution_id", "trace_id")
"""By these a line is found; lines for people have them at their end."""

ACCESS = ("method", "path", "status", "seconds")
"""What the line of a request says beside them."""


def bound(**ids: str | None) -> AbstractContextManager[None]:
    """Whatever is logged inside of `with bound(request_id=…)` says so."""
    return contextvars.bound_contextvars(**_known(ids))


def configure_logs(level: str, log_format: LogFormat) -> None:
    """Writes every line of this process, the libraries' too, to standard error in this form.

    A line has its words, its time, and the fields that are named here; nothing else that somebody passes along.
    """
    handler = logging.StreamHandler()
    written: Processor = JSONRenderer(ensure_ascii=False) if log_format == "json" else _for_people
    handler.setFormatter(
        stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                contextvars.merge_contextvars,
                stdlib.ExtraAdder(allow=(*IDS, *ACCESS)),
                stdlib.add_logger_name,
                stdlib.add_log_level,
                TimeStamper(fmt="iso", key="time"),
            ],
            processors=[
                stdlib.ProcessorFormatter.remove_processors_meta,
                format_exc_info,
                EventRenamer("message"),
                written,
            ],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler])


def _for_people(_logger: Any, _method: str, event: EventDict) -> str:
    said = event["message"]
    ids = "".join(f" {name}={event[name]}" for name in IDS if str(event.get(name, "")) not in said)
    line = f"{event['time']} {event['logger']} {event['level'].upper()} {said}{ids}"
    return f"{line}\n{event['exception']}" if "exception" in event else line


def _known(ids: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in ids.items() if value}


class Named(logging.LoggerAdapter[logging.Logger]):
    """A logger whose lines all say whose they are."""

    def __init__(self, logger: logging.Logger, ids: Mapping[str, str | None]) -> None:
        super().__init__(logger)
        self._ids = _known(ids)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """The ids beside what the line says itself."""
        return msg, {**kwargs, "extra": {**self._ids, **kwargs.get("extra", {})}}
