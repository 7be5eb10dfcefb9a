"""Real diffusers pipelines of random weights that our engine cannot step through; each is watched in another way."""

from pathlib import Path

import torch
from diffusers import (
    DDIMScheduler,
    LatentConsistencyModelPipeline,
    LCMScheduler,
    LDMTextToImagePipeline,
    PixArtAlphaPipeline,
    PixArtTransformer2DModel,
)
from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import LDMBertConfig, LDMBertModel
from transformers import BertTokenizer, CLIPTextModel, T5EncoderModel

from tests.tiny_parts import bert_vocabulary, t5_config, t5_tokenizer, text_config, tokenizer, unet, vae


def build_latent_consistency_model(folder: Path) -> None:
    """Saves a pipeline with `callback_on_step_end`, whose network takes the guidance scale as an input."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        pipeline = LatentConsistencyModelPipeline(
            vae=vae(),
            text_encoder=CLIPTextModel(text_config()),
            tokenizer=tokenizer(),
            unet=unet(cross_attention_dim=32, time_cond_proj_dim=32),
            scheduler=LCMScheduler(clip_sample=False, set_alpha_to_one=False),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    pipeline.save_pretrained(folder, safe_serialization=True)


def build_pixart(folder: Path) -> None:
    """Saves a pipeline with the older `callback`, which draws at 256 × 256 pixels and then resizes."""
    with torch.random.fork_rng():
        torch.manual_seed(6)
        pipeline = PixArtAlphaPipeline(
            tokenizer=t5_tokenizer(),
            text_encoder=T5EncoderModel(t5_config(32)),
            vae=vae(),
            transformer=_pixart_transformer(),
            scheduler=DDIMScheduler(),
        )
    pipeline.save_pretrained(folder, safe_serialization=True)


def build_latent_diffusion(folder: Path) -> None:
    """Saves a pipeline without any callback, one of whose classes is in a module of diffusers' pipelines."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        pipeline = LDMTextToImagePipeline(
            vqvae=vae(),
            bert=LDMBertModel(_ldm_bert_config()),
            tokenizer=BertTokenizer(vocab=bert_vocabulary(), model_max_length=77),
            unet=unet(cross_attention_dim=32),
            scheduler=DDIMScheduler(),
        )
    pipeline.save_pretrained(folder, safe_serialization=True)


def _pixart_transformer() -> PixArtTransformer2DModel:
    return PixArtTransformer2DModel(
        sample_size=32,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_channels=32,
        in_channels=4,
        cross_attention_dim=32,
        out_channels=8,
    )


def _ldm_bert_config() -> LDMBertConfig:
    return LDMBertConfig(
        vocab_size=len(bert_vocabulary()),
        d_model=32,
        encoder_layers=1,
        encoder_attention_heads=4,
        head_dim=8,
        encoder_ffn_dim=37,
        max_position_embeddings=77,
    )
