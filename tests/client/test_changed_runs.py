"""Interventions and branches on the embedded model, through the clients: what a page shows of them holds."""

import io
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from safelight import AsyncSafelight, Block, Pictures, ServiceError
from tests.client.conftest import FAST
from tests.system.launched import Launched


@pytest.fixture
async def client(service: Launched) -> AsyncIterator[AsyncSafelight]:
    """One client: what they differ in is tried elsewhere."""
    async with AsyncSafelight(service.address) as client:
        yield client


APPLE: dict[str, Any] = FAST | {"num_inference_steps": 4, "seed": 7}
RED = 2
"""The place of "red" in "a red apple", whose first mark is at 0."""


def pixels(pictures: Pictures) -> bytes:
    with Image.open(io.BytesIO(pictures[0].content)) as picture:
        return np.asarray(picture).tobytes()


async def test_a_muted_word_and_a_skipped_block_change_the_picture(client: AsyncSafelight) -> None:
    plain = await client.generate("a red apple", **APPLE)
    muted = await client.generate("a red apple", intervene=[{"kind": "mute_token", "token": RED}], **APPLE)
    skipped = await client.generate("a red apple", intervene=[{"kind": "skip_block", "block": "mid_block"}], **APPLE)
    assert len({pixels(one) for one in (plain, muted, skipped)}) == 3
    (said,) = muted.job.request["intervene"]
    assert said == {"kind": "mute_token", "token": RED, "step_from": 0, "step_to": 4}


async def test_a_picture_with_interventions_is_made_again_to_the_byte(client: AsyncSafelight) -> None:
    changes: Any = [{"kind": "add_noise", "strength": 0.3}, {"kind": "set_guidance", "scale": 1.0, "step_from": 2}]
    made = await client.generate("a red apple", intervene=changes, **APPLE)
    again = await client.wait(await client.replay(made[0].content))
    assert again.replay is not None
    assert (again.replay.agrees, again.replay.differences) == (True, ())


async def test_a_branch_with_nothing_changed_has_the_same_bytes(client: AsyncSafelight) -> None:
    made = await client.generate("a red apple", metadata={"order": "42"}, **APPLE)
    same = await client.generate(branch_from={"job": made.job.id, "step": 2}, no_store=True)
    assert same[0].content == made[0].content
    assert same.job.branch_from == {"job": made.job.id, "step": 2}


async def test_a_branch_is_the_other_request_from_its_step_on(client: AsyncSafelight) -> None:
    made = await client.generate("a red apple", **APPLE)
    late = await client.generate("a blue fox", branch_from={"job": made.job.id, "step": 3})
    early = await client.generate("a blue fox", branch_from={"job": made.job.id, "step": 0})
    other = await client.generate("a blue fox", **APPLE)
    assert pixels(early) == pixels(other)
    assert len({pixels(one) for one in (made, late, other)}) == 3
    replayed = await client.pictures(await client.submit(no_store=True, **late.job.request))
    assert replayed[0].content == late[0].content


async def test_a_branch_may_be_recorded_and_is_the_same_picture(client: AsyncSafelight) -> None:
    made = await client.generate("a red apple", **APPLE)
    asked: Any = {"branch_from": {"job": made.job.id, "step": 2}, "intervene": [{"kind": "mute_token", "token": RED}]}
    plain = await client.generate(**asked)
    recorded = await client.generate(trace={"attention": True, "guidance": True}, **asked)
    assert recorded[0].content == plain[0].content
    assert recorded.job.trace is not None
    assert plain.job.trace is None
    assert recorded.job.branch_from == plain.job.branch_from


async def test_an_architecture_names_the_blocks_that_can_be_skipped(client: AsyncSafelight) -> None:
    drawn = await client.architecture("safelight-emoji")
    assert [part.name for part in drawn.parts] == ["text_encoder", "denoiser", "autoencoder"]
    denoiser = drawn.parts[1]
    assert denoiser.input["latents"] == (8, 16, 16)
    assert denoiser.flops is not None
    assert denoiser.flops > 10**8
    names = {block.name for block in each(denoiser.blocks) if block.can_skip}
    assert {"mid_block", "up_blocks.1.attentions.0"} <= names


def each(blocks: tuple[Block, ...]) -> list[Block]:
    return [one for block in blocks for one in (block, *each(block.blocks))]


async def test_a_token_behind_the_prompt_fails_the_job_by_name(client: AsyncSafelight) -> None:
    with pytest.raises(ServiceError) as raised:
        await client.generate("a red apple", intervene=[{"kind": "mute_token", "token": 40}], **APPLE)
    assert (raised.value.code, raised.value.field) == ("invalid_request", "intervene.0.token")
