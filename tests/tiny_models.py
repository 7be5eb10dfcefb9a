"""Real diffusers models of random weights, small enough to be built anew by a test session, without any network."""

import json
from pathlib import Path

import torch
from diffusers import (
    AutoencoderDC,
    AutoencoderKL,
    DDIMScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

TOKENS = 16
"""The length L of every prompt, as CLIP and BERT read it."""

LONG_TOKENS = 24
"""The same for T5."""


def build_stable_diffusion(folder: Path, *, prediction_type: str = "epsilon", spacing: str = "leading") -> None:
    """Saves a Stable Diffusion pipeline: 64 × 64 pixels, latents (1, 4, 8, 8), CLIP text of width 32."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pipeline = StableDiffusionPipeline(
            vae=_vae(),
            text_encoder=CLIPTextModel(_text_config()),
            tokenizer=_tokenizer(),
            unet=_unet(cross_attention_dim=32),
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


def build_stable_diffusion_xl(folder: Path) -> None:
    """Saves an SDXL pipeline: 64 × 64 pixels, two text encoders of width 32, joined to 64."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        pipeline = StableDiffusionXLPipeline(
            vae=_vae(),
            text_encoder=CLIPTextModel(_text_config()),
            text_encoder_2=CLIPTextModelWithProjection(_text_config()),
            tokenizer=_tokenizer(),
            tokenizer_2=_tokenizer(),
            unet=_unet_xl(),
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
            "unet": _unet(cross_attention_dim=32),
            "vae": _deep_compression_vae(),
            "text_encoder": BertModel(_bert_config()),
            "tokenizer": BertTokenizer(vocab=_bert_vocabulary(), model_max_length=TOKENS),
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
            transformer=_sd3_transformer(),
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=_shifting_vae(),
            text_encoder=CLIPTextModelWithProjection(_text_config()),
            tokenizer=_tokenizer(),
            text_encoder_2=CLIPTextModelWithProjection(_text_config()),
            tokenizer_2=_tokenizer(),
            text_encoder_3=T5EncoderModel(_t5_config(80)) if with_t5 else None,
            tokenizer_3=_t5_tokenizer() if with_t5 else None,
        )
    pipeline.save_pretrained(folder, safe_serialization=True)


def build_flux(folder: Path, *, guidance_embeds: bool) -> None:
    """Saves a Flux pipeline: 64 × 64 pixels, latents (1, 4, 8, 8) in 16 patches."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        pipeline = FluxPipeline(
            transformer=_flux_transformer(guidance_embeds),
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=_shifting_vae(),
            text_encoder=CLIPTextModel(_text_config()),
            tokenizer=_tokenizer(),
            text_encoder_2=T5EncoderModel(_t5_config(32)),
            tokenizer_2=_t5_tokenizer(),
        )
    pipeline.save_pretrained(folder, safe_serialization=True)


def _unet(cross_attention_dim: int) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        layers_per_block=1,
        block_out_channels=(16, 32),
        norm_num_groups=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        attention_head_dim=(2, 4),
        cross_attention_dim=cross_attention_dim,
    )


def _unet_xl() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        layers_per_block=1,
        block_out_channels=(16, 32),
        norm_num_groups=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 2),
        projection_class_embeddings_input_dim=6 * 8 + 32,
        cross_attention_dim=64,
    )


def _sd3_transformer() -> SD3Transformer2DModel:
    return SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=80,
        caption_projection_dim=32,
        pooled_projection_dim=64,
        pos_embed_max_size=8,
        dual_attention_layers=(0,),
        qk_norm="rms_norm",
    )


def _flux_transformer(guidance_embeds: bool) -> FluxTransformer2DModel:
    return FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        guidance_embeds=guidance_embeds,
        axes_dims_rope=(4, 4, 8),
    )


def _shifting_vae() -> AutoencoderKL:
    return _vae(scaling_factor=1.5305, shift_factor=0.0609, use_quant_conv=False, use_post_quant_conv=False)


def _vae(**changes: object) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8, 16, 16),
        norm_num_groups=4,
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        sample_size=64,
        **changes,
    )


def _deep_compression_vae() -> AutoencoderDC:
    return AutoencoderDC(
        latent_channels=4,
        encoder_block_out_channels=(8, 8, 16, 16),
        decoder_block_out_channels=(8, 8, 16, 16),
        encoder_layers_per_block=(0, 1, 1, 1),
        decoder_layers_per_block=(0, 1, 1, 1),
        encoder_qkv_multiscales=((), (), (), ()),
        decoder_qkv_multiscales=((), (), (), ()),
        encoder_block_types="ResBlock",
        decoder_block_types="ResBlock",
        downsample_block_type="Conv",
        upsample_block_type="interpolate",
        scaling_factor=0.7,
    )


def _t5_config(width: int) -> T5Config:
    return T5Config(
        vocab_size=len(_t5_vocabulary()), d_model=width, d_kv=8, d_ff=37, num_layers=2, num_heads=4, dropout_rate=0.0
    )


def _t5_tokenizer() -> T5Tokenizer:
    return T5Tokenizer(vocab=_t5_vocabulary(), extra_ids=0, model_max_length=LONG_TOKENS)


def _t5_vocabulary() -> list[tuple[str, float]]:
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    return special + [(chr(code), -3.0) for code in range(ord("!"), ord("~") + 1)]


def _bert_config() -> BertConfig:
    return BertConfig(
        vocab_size=len(_bert_vocabulary()),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=37,
        max_position_embeddings=TOKENS,
        use_attention_mask=True,
    )


def _bert_vocabulary() -> dict[str, int]:
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    return {entry: number for number, entry in enumerate(entries)}


def _text_config() -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(_vocabulary()),
        hidden_size=32,
        projection_dim=32,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        max_position_embeddings=TOKENS,
        bos_token_id=_vocabulary()["<|startoftext|>"],
        eos_token_id=_vocabulary()["<|endoftext|>"],
        pad_token_id=_vocabulary()["<|endoftext|>"],
    )


def _tokenizer() -> CLIPTokenizer:
    return CLIPTokenizer(vocab=_vocabulary(), merges=[], model_max_length=TOKENS)


def _vocabulary() -> dict[str, int]:
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    entries = letters + [f"{letter}</w>" for letter in letters] + ["<|startoftext|>", "<|endoftext|>"]
    return {entry: number for number, entry in enumerate(entries)}
