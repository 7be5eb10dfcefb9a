"""The client that blocks: each call is the asynchronous one, over a transport that never suspends, run to its end."""

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, Unpack

import httpx

from safelight.calls import Calls
from safelight.settings import Patience, Settings
from safelight.transports import BlockingTransport

T = TypeVar("T")
P = ParamSpec("P")


def finished(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine that never suspends returns."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    raise AssertionError("A blocking call has suspended.")


def blocking(
    call: Callable[Concatenate[Calls, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate["Safelight", P], T]:
    """The call as a function."""

    @wraps(call)
    def blocked(self: "Safelight", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return finished(call(self._calls, *args, **kwargs))

    return blocked


def blocking_each(
    call: Callable[Concatenate[Calls, P], AsyncGenerator[T]],
) -> Callable[Concatenate["Safelight", P], Generator[T]]:
    """The call as a generator."""

    @wraps(call)
    def blocked(self: "Safelight", /, *args: P.args, **kwargs: P.kwargs) -> Generator[T]:
        items = call(self._calls, *args, **kwargs)
        try:
            while True:
                yield finished(_next(items))
        except StopAsyncIteration:
            return
        finally:
            finished(items.aclose())

    return blocked


async def _next(items: AsyncGenerator[T]) -> T:
    return await anext(items)


class Safelight:
    """Safelight over HTTP. What can be passed in is as for AsyncSafelight."""

    def __init__(
        self,
        address: str | None = None,
        *,
        api_key: str | None = None,
        http_client: httpx.Client | None = None,
        **patience: Unpack[Patience],
    ) -> None:
        settings = Settings.of(address, api_key, **patience)
        http = http_client or httpx.Client()
        self._own = http if http_client is None else None
        self._calls = Calls(BlockingTransport(http), settings)

    generate = blocking(Calls.generate)
    submit = blocking(Calls.submit)
    dense_prediction = blocking(Calls.dense_prediction)
    quote = blocking(Calls.quote)
    job = blocking(Calls.job)
    jobs = blocking_each(Calls.jobs)
    events = blocking_each(Calls.events)
    wait = blocking(Calls.wait)
    pictures = blocking(Calls.pictures)
    cancel = blocking(Calls.cancel)
    delete = blocking(Calls.delete)
    deliveries = blocking(Calls.deliveries)
    redeliver = blocking(Calls.redeliver)
    webhook_secret = blocking(Calls.webhook_secret)
    rotate_webhook_secret = blocking(Calls.rotate_webhook_secret)
    artifact = blocking(Calls.artifact)
    save = blocking(Calls.save)
    verify = blocking(Calls.verify)
    replay = blocking(Calls.replay)
    receipt_keys = blocking(Calls.receipt_keys)
    upload = blocking(Calls.upload)
    files = blocking_each(Calls.files)
    file = blocking(Calls.file)
    file_content = blocking(Calls.file_content)
    delete_file = blocking(Calls.delete_file)
    create_dataset = blocking(Calls.create_dataset)
    add_pictures = blocking(Calls.add_pictures)
    datasets = blocking_each(Calls.datasets)
    dataset = blocking(Calls.dataset)
    dataset_picture = blocking(Calls.dataset_picture)
    change_caption = blocking(Calls.change_caption)
    delete_picture = blocking(Calls.delete_picture)
    delete_dataset = blocking(Calls.delete_dataset)
    teach = blocking(Calls.teach)
    quote_teaching = blocking(Calls.quote_teaching)
    fine_tune = blocking(Calls.fine_tune)
    fine_tunes = blocking_each(Calls.fine_tunes)
    fine_tune_events = blocking_each(Calls.fine_tune_events)
    taught = blocking(Calls.taught)
    cancel_fine_tune = blocking(Calls.cancel_fine_tune)
    delete_fine_tune = blocking(Calls.delete_fine_tune)
    fine_tune_sample = blocking(Calls.fine_tune_sample)
    fine_tune_file = blocking(Calls.fine_tune_file)
    models = blocking(Calls.models)
    model = blocking(Calls.model)
    architecture = blocking(Calls.architecture)
    adapters = blocking(Calls.adapters)
    adapter = blocking(Calls.adapter)
    classifiers = blocking(Calls.classifiers)
    classifier = blocking(Calls.classifier)

    def close(self) -> None:
        """Closes the connections."""
        if self._own is not None:
            self._own.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
