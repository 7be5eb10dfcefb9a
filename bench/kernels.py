"""What the device can do at most, and what the network asks of it."""

import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from worker.generation import Generation
from worker.stepping import rows_of
from worker.stepwise_pipeline import Conditioning, StepwisePipeline

SIDE = 2048


def gemm_flops_per_second(dtype: torch.dtype, device: torch.device) -> float:
    """The most that a product of two large matrices reaches here, in this number format."""
    left, right = (torch.randn(SIDE, SIDE, dtype=dtype, device=device) for _ in range(2))
    seconds = []
    for _ in range(8):
        started_at = time.perf_counter()
        torch.mm(left, right)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - started_at)
    return float(2 * SIDE**3 / min(seconds))


def network_flops_per_row(generation: Generation, pipeline: StepwisePipeline) -> float:
    """Floating point operations of one row of one evaluation, counted as it runs."""
    row = rows_of([generation])[0]
    embeds = row.embeds
    conditioning = Conditioning(embeds.prompt_embeds, embeds.pooled_prompt_embeds, torch.tensor([row.guidance_scale]))
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        pipeline.denoise(row.model_input, row.timestep.view(1), conditioning)
    return float(counter.get_total_flops())
