"""From a file with a receipt to the request and the terms of a job that makes it again."""

from collections.abc import Sequence
from typing import Any

from app.resources import Resources
from app.verification import PROVEN, WHY, Examined
from contract.certificates import ModelCertificate
from contract.errors import UnprovenReceipt
from contract.receipts import Difference, Receipt, differences
from contract.replays import Replay
from contract.request import GenerationRequest
from contract.versions import SAFELIGHT


def proven(examined: Examined) -> Receipt:
    """The receipt of a file, if it was signed here. Raises: UnprovenReceipt."""
    if examined.receipt is None or examined.verdict not in PROVEN:
        raise UnprovenReceipt(f"{WHY[examined.verdict]} So nobody knows how to make the picture again.", field="file")
    return examined.receipt


def request_of(receipt: Receipt) -> GenerationRequest:
    """The request that makes the picture again."""
    return receipt.request.again


async def replay(examined: Examined, receipt: Receipt, resources: Resources) -> Replay:
    """What the job is held against, and what is known to be different by now."""
    asked = receipt.request
    certificates = await resources.certificates.of_model(asked.model)
    here = [one for one in certificates if (one.height, one.width) == (asked.height, asked.width)]
    return Replay(
        of=examined.sha256,
        signed_sha256=examined.signed_sha256,
        made=receipt.made,
        foreseen=_foreseen(receipt, here),
    )


def _foreseen(receipt: Receipt, certificates: Sequence[ModelCertificate]) -> tuple[Difference, ...]:
    """What differs at the worker that is most like the one that made the picture, as far as workers have said."""
    compared = [_compared(receipt, certificate) for certificate in certificates]
    return min(compared, key=len) if compared else _compared(receipt, None)


def _compared(receipt: Receipt, certificate: ModelCertificate | None) -> tuple[Difference, ...]:
    now: dict[str, Any] = {"versions": {"safelight": SAFELIGHT}}
    if certificate is not None and receipt.certificate is not None:
        said = certificate.model_dump(mode="json")
        now["versions"]["torch"] = certificate.torch
        now["weights_sha256"] = certificate.weights_sha256
        now["certificate"] = {name: said[name] for name in receipt.certificate if name in said}
    then = receipt.model_dump(mode="json", include=set(now))
    then["versions"] = {name: receipt.versions.get(name) for name in now["versions"]}
    return differences(then, now)
