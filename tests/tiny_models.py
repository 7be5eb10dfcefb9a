"""Real diffusers models of random weights, small enough to be built anew by a test session, without any network."""

import json
from pathlib import Path

import torch
from diffusers import (
    DDIMScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
)
from transformers import BertModel, BertTokenizer, CLIPTextModel, CLIPTextModelWithProjection, T5EncoderModel

from tests.tiny_parts import (
    TOKENS,
    bert_config,
    bert_vocabulary,
    deep_compression_vae,
    flux_transformer,
    sd3_transformer,
    shifting_vae,
    t5_config,
    t5_tokenizer,
    text_config,
    tokenizer,
    unet,
    unet_xl,
    vae,
)


def build_stable_diffusion(
    folder: Path, *, prediction_type: str = "epsilon", spacing: str = "leading", in_channels: int = 4
) -> None:
    """Saves a Stable Diffusion pipeline: 64 × 64 pixels, latents (1, 4, 8, 8), CLIP text of width 32.

    With 9 channels it is one for inpainting, with 8 one that follows instructions.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pipeline = StableDiffusionPipeline(
            vae=vae(),
            text_encoder=CLIPTextModel(text_config()),
            tokenizer=tokenizer(),
            unet=unet(cross_attention_dim=32, in_channels=in_channels, out_channels=4),
            scheduler=DDIMScheduler(
                beta_start=0.00085,
                beta_end=0.012,
                beta_schedule="scaled_linear",
                clip_sample=False,
                set_alpha_to_one=False,
                steps_offset=1,
                prediction_type=prediction_type,
                timestep_spacing=spacing,
                rescale_betas_zero_snr=spacing == "trailing",
            ),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    pipeline.save_pretrained(folder, safe_serialization=True)


def build_stable_diffusion_xl(folder: Path, *, in_channels: int = 4) -> None:
    """Saves an SDXL pipeline: 64 × 64 pixels, two text encoders of width 32, joined to 64.

    With 9 channels it is one for inpainting, with 8 one that follows instructions.
    """
    with torch.random.fork_rng():
        torch.manual_seed(1)
        pipeline = StableDiffusionXLPipeline(
            vae=vae(),
            text_encoder=CLIPTextModel(text_config()),
            text_encoder_2=CLIPTextModelWithProjection(text_config()),
            tokenizer=tokenizer(),
            tokenizer_2=tokenizer(),
            unet=unet_xl(in_channels=in_channels, out_channels=4),
            scheduler=EulerDiscreteScheduler(
                beta_start=0.00085,
                beta_end=0.012,
                beta_schedule="scaled_linear",
                steps_offset=1,
                timestep_spacing="leading",
            ),
            force_zeros_for_empty_prompt=True,
            add_watermarker=False,
        )
    pipeline.save_pretrained(folder, safe_serialization=True)


def build_embedded_layout(folder: Path) -> None:
    """Saves a model with the parts of the embedded one: BERT, AutoencoderDC, zero terminal signal, 64 × 64 pixels.

    Its text encoder heeds the attention mask. diffusers' own pipeline cannot save it, as it knows no AutoencoderDC.
    """
    with torch.random.fork_rng():
        torch.manual_seed(2)
        parts = {
            "unet": unet(cross_attention_dim=32),
            "vae": deep_compression_vae(),
            "text_encoder": BertModel(bert_config()),
            "tokenizer": BertTokenizer(vocab=bert_vocabulary(), model_max_length=TOKENS),
            "scheduler": DDIMScheduler(
                beta_start=0.00085,
                beta_end=0.012,
                beta_schedule="scaled_linear",
                clip_sample=False,
                prediction_type="v_prediction",
                timestep_spacing="trailing",
                rescale_betas_zero_snr=True,
            ),
        }
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    libraries = {name: [type(part).__module__.partition(".")[0], type(part).__name__] for name, part in parts.items()}
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"} | libraries))


def build_stable_diffusion_3(folder: Path, *, with_t5: bool = True) -> None:
    """Saves an SD3 pipeline: 64 × 64 pixels, latents (1, 4, 8, 8), conditioning of width 80."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        pipeline = StableDiffusion3Pipeline(
            transformer=sd3_transformer(),
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=shifting_vae(),
            text_encoder=CLIPTextModelWithProjection(text_config()),
            tokenizer=tokenizer(),
            text_encoder_2=CLIPTextModelWithProjection(text_config()),
            tokenizer_2=tokenizer(),
            text_encoder_3=T5EncoderModel(t5_config(80)) if with_t5 else None,
            tokenizer_3=t5_tokenizer() if with_t5 else None,
        )
    pipeline.save_pretrained(folder, safe_serialization=True)


def build_flux(folder: Path, *, guidance_embeds: bool) -> None:
    """Saves a Flux pipeline: 64 × 64 pixels, latents (1, 4, 8, 8) in 16 patches."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        pipeline = FluxPipeline(
            transformer=flux_transformer(guidance_embeds),
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=shifting_vae(),
            text_encoder=CLIPTextModel(text_config()),
            tokenizer=tokenizer(),
            text_encoder_2=T5EncoderModel(t5_config(32)),
            tokenizer_2=t5_tokenizer(),
        )
    pipeline.save_pretrained(folder, safe_serialization=True)
