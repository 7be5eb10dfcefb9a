"""The secrets of webhooks: one a receiver, the same for all who ask, and no more of them than a tenant may have."""

import asyncio

import pytest

from contract.errors import LimitExceeded
from contract.store_connection import StoreConnection
from contract.webhook_secrets import MAX_SECRETS, WebhookSecrets


async def test_all_who_ask_at_once_are_told_the_same(connection: StoreConnection) -> None:
    secrets = WebhookSecrets(connection, "acme")
    assert len({secret.key for secret in await asyncio.gather(*(secrets.read("a") for _ in range(20)))}) == 1


async def test_a_tenant_has_a_bounded_number_and_no_other_tenant_less(connection: StoreConnection) -> None:
    secrets = WebhookSecrets(connection, "acme")
    for start in range(0, MAX_SECRETS, 100):
        await asyncio.gather(*(secrets.read(str(number)) for number in range(start, start + 100)))
    for ask in (secrets.read("one more"), secrets.rotate("one more", overlap_seconds=0)):
        with pytest.raises(LimitExceeded, match=f"at most {MAX_SECRETS} receivers"):
            await ask
    first = await secrets.read("0")
    assert (await secrets.rotate("0", overlap_seconds=60)).keys[1:] == first.keys
    assert (await secrets.of("rival").read("one more")).key
