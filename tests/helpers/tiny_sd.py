"""A Stable Diffusion 1.5 with ControlNet of some 100,000 random weights: the same parts, tiny."""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    PNDMScheduler,
    StableDiffusionControlNetPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

ENDS = ("<|startoftext|>", "<|endoftext|>")
TOKENS = 200  # a letter each
SIDE = 8  # of the latents: images of 64 pixels


def save_tiny_sd(folder: Path) -> None:
    """Write the folder of a pipeline whose ControlNet is heard."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        unet = _unet()
        controlnet = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4,) * 4)
        for name, weights in controlnet.named_parameters():
            if name.startswith(("controlnet_", "controlnet_cond_embedding.conv_out")):
                torch.nn.init.normal_(weights, std=0.5)  # a new one's are zero
        pipeline = StableDiffusionControlNetPipeline(
            vae=_vae(),
            text_encoder=_text_encoder(),
            tokenizer=_tokenizer(),
            unet=unet,
            controlnet=controlnet,
            scheduler=_scheduler(),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    pipeline.save_pretrained(folder, safe_serialization=True)


def _unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=SIDE,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=2,
        norm_num_groups=8,
    )


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 8, 16),
        latent_channels=4,
        norm_num_groups=4,
    )


def _text_encoder() -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(_vocabulary()),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=TOKENS,
            bos_token_id=len(_vocabulary()) - 2,
            eos_token_id=len(_vocabulary()) - 1,
        )
    )


def _vocabulary() -> dict[str, int]:
    letters = [chr(code) for code in range(33, 127)]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *ENDS]
    return {token: number for number, token in enumerate(tokens)}


def _tokenizer() -> CLIPTokenizer:
    return CLIPTokenizer(vocab=_vocabulary(), merges=[], model_max_length=TOKENS)


def _scheduler() -> PNDMScheduler:
    return PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        skip_prk_steps=True,
        steps_offset=1,
    )
