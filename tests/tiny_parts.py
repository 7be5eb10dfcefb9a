"""The parts of tiny models: networks, text encoders and tokenizers, each as small as its class allows."""

from collections.abc import Mapping
from typing import Any

from diffusers import (
    AutoencoderDC,
    AutoencoderKL,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    UNet2DConditionModel,
)
from transformers import BertConfig, CLIPTextConfig, CLIPTokenizer, T5Config, T5Tokenizer

TOKENS = 16
"""The length L of every prompt, as CLIP and BERT read it."""

LONG_TOKENS = 24
"""The same for T5."""


SMALL_UNET: Mapping[str, Any] = {
    "sample_size": 8,
    "layers_per_block": 1,
    "block_out_channels": (16, 32),
    "norm_num_groups": 8,
    "attention_head_dim": (2, 4),
}
"""What the U-Nets have in common."""

SMALL_READER: Mapping[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "max_position_embeddings": TOKENS,
}
"""What CLIP and BERT have in common."""

VAE_CHANNELS = (8, 8, 16, 16)
"""Channels of the autoencoders, by level: four levels, so 8 pixels a latent."""


def unet(cross_attention_dim: int, **changes: object) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        **SMALL_UNET,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=cross_attention_dim,
        **changes,
    )


def smallest_unet() -> UNet2DConditionModel:
    """One level with one attention: what a compiler has the least work with."""
    return UNet2DConditionModel(
        sample_size=8,
        layers_per_block=1,
        block_out_channels=(16,),
        norm_num_groups=8,
        attention_head_dim=2,
        cross_attention_dim=32,
        down_block_types=("CrossAttnDownBlock2D",),
        up_block_types=("UpBlock2D",),
        mid_block_type=None,
    )


def unet_xl(**changes: object) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        **SMALL_UNET,
        **changes,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 2),
        projection_class_embeddings_input_dim=6 * 8 + 32,
        cross_attention_dim=64,
    )


def sd3_transformer() -> SD3Transformer2DModel:
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


def flux_transformer(guidance_embeds: bool) -> FluxTransformer2DModel:
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


def shifting_vae() -> AutoencoderKL:
    return vae(scaling_factor=1.5305, shift_factor=0.0609, use_quant_conv=False, use_post_quant_conv=False)


def vae(**changes: object) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=VAE_CHANNELS,
        norm_num_groups=4,
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        sample_size=64,
        **changes,
    )


def deep_compression_vae() -> AutoencoderDC:
    layers = (0, 1, 1, 1)
    no_attention: tuple[tuple[int, ...], ...] = ((),) * 4
    return AutoencoderDC(
        latent_channels=4,
        encoder_block_out_channels=VAE_CHANNELS,
        decoder_block_out_channels=VAE_CHANNELS,
        encoder_layers_per_block=layers,
        decoder_layers_per_block=layers,
        encoder_qkv_multiscales=no_attention,
        decoder_qkv_multiscales=no_attention,
        encoder_block_types="ResBlock",
        decoder_block_types="ResBlock",
        downsample_block_type="Conv",
        upsample_block_type="interpolate",
        scaling_factor=0.7,
    )


def t5_config(width: int) -> T5Config:
    return T5Config(
        vocab_size=len(t5_vocabulary()), d_model=width, d_kv=8, d_ff=37, num_layers=2, num_heads=4, dropout_rate=0.0
    )


def t5_tokenizer() -> T5Tokenizer:
    return T5Tokenizer(vocab=t5_vocabulary(), extra_ids=0, model_max_length=LONG_TOKENS)


def t5_vocabulary() -> list[tuple[str, float]]:
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    return special + [(chr(code), -3.0) for code in range(ord("!"), ord("~") + 1)]


def bert_config() -> BertConfig:
    return BertConfig(
        vocab_size=len(bert_vocabulary()),
        **SMALL_READER,
        use_attention_mask=True,
    )


def bert_vocabulary() -> dict[str, int]:
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    return {entry: number for number, entry in enumerate(entries)}


def text_config() -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(vocabulary()),
        **SMALL_READER,
        projection_dim=32,
        bos_token_id=vocabulary()["<|startoftext|>"],
        eos_token_id=vocabulary()["<|endoftext|>"],
        pad_token_id=vocabulary()["<|endoftext|>"],
    )


def tokenizer() -> CLIPTokenizer:
    return CLIPTokenizer(vocab=vocabulary(), merges=[], model_max_length=TOKENS)


def vocabulary() -> dict[str, int]:
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    entries = letters + [f"{letter}</w>" for letter in letters] + ["<|startoftext|>", "<|endoftext|>"]
    return {entry: number for number, entry in enumerate(entries)}
