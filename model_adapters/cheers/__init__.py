"""CHEERS: one model that understands and draws images (AI9Stars/Cheers).

Names are imported when they are first used, so importing this package does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model_adapters.cheers.components import COMPONENTS, watch_components
    from model_adapters.cheers.config import CheersConfig, ConfigError
    from model_adapters.cheers.decoding import Decoding, TextResult, generate_text
    from model_adapters.cheers.generation import (
        ImageResult,
        InterleavedResult,
        edit_image,
        generate_image,
        generate_interleaved,
        image_noise,
    )
    from model_adapters.cheers.images import to_image, to_pixels
    from model_adapters.cheers.initialisation import fresh_model, meta_model
    from model_adapters.cheers.likelihood import LogLikelihood, loglikelihood
    from model_adapters.cheers.loading import Checkpoint, from_pretrained, save_pretrained
    from model_adapters.cheers.model import CheersModel
    from model_adapters.cheers.processor import CheersProcessor
    from model_adapters.cheers.prompt import Prompt, PromptForm
    from model_adapters.cheers.reconstruction import reconstruct
    from model_adapters.cheers.sampler import ImageSettings, Step
    from model_adapters.cheers.session import Ablations, ContextLengthError
    from model_adapters.cheers.tokenizer import CheersTokenizer
    from model_adapters.cheers.training import TrainingImages, TrainingOutput, training_forward

_HOMES = {
    "COMPONENTS": "components",
    "watch_components": "components",
    "CheersConfig": "config",
    "ConfigError": "config",
    "Decoding": "decoding",
    "TextResult": "decoding",
    "generate_text": "decoding",
    "ImageResult": "generation",
    "InterleavedResult": "generation",
    "edit_image": "generation",
    "generate_image": "generation",
    "generate_interleaved": "generation",
    "image_noise": "generation",
    "to_image": "images",
    "to_pixels": "images",
    "fresh_model": "initialisation",
    "meta_model": "initialisation",
    "LogLikelihood": "likelihood",
    "loglikelihood": "likelihood",
    "Checkpoint": "loading",
    "from_pretrained": "loading",
    "save_pretrained": "loading",
    "CheersModel": "model",
    "CheersProcessor": "processor",
    "Prompt": "prompt",
    "PromptForm": "prompt",
    "reconstruct": "reconstruction",
    "ImageSettings": "sampler",
    "Step": "sampler",
    "Ablations": "session",
    "ContextLengthError": "session",
    "CheersTokenizer": "tokenizer",
    "TrainingImages": "training",
    "TrainingOutput": "training",
    "training_forward": "training",
}

__all__ = [
    "COMPONENTS",
    "Ablations",
    "Checkpoint",
    "CheersConfig",
    "CheersModel",
    "CheersProcessor",
    "CheersTokenizer",
    "ConfigError",
    "ContextLengthError",
    "Decoding",
    "ImageResult",
    "ImageSettings",
    "InterleavedResult",
    "LogLikelihood",
    "Prompt",
    "PromptForm",
    "Step",
    "TextResult",
    "TrainingImages",
    "TrainingOutput",
    "edit_image",
    "fresh_model",
    "from_pretrained",
    "generate_image",
    "generate_interleaved",
    "generate_text",
    "image_noise",
    "loglikelihood",
    "meta_model",
    "reconstruct",
    "save_pretrained",
    "to_image",
    "to_pixels",
    "training_forward",
    "watch_components",
]


def __getattr__(name: str) -> Any:
    """Import the module that holds a public name."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
