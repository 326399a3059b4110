"""A CLIP network from open_clip, with strict weights and an activation that is never guessed."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from harness.errors import CheckpointError
from tasks.judges.policy import check_device, device_policy
from tasks.judges.random_weights import random_seed, seeded
from tasks.judges.strict import misfits
from tasks.judges.weights import weights_sha256

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor, nn

__all__ = ["Activation", "ClipNetwork", "load_network", "trained_activation"]

Activation = Literal["quickgelu", "gelu", "legacy-gelu"]
"""What the network computes with; see `ClipColors`."""

_JUDGES = {"quickgelu": "clip", "gelu": "clip-gelu"}
_CONFIG = "open_clip_config.json"
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)
_SHOWN = 4
_FACTS = frozenset({"input_resolution", "context_length", "vocab_size"})
_TAGGED = re.compile(r"(\A|[._-])openai\Z")


class ClipNetwork(NamedTuple):
    """A loaded network and what is known about it."""

    model: nn.Module
    """open_clip's CLIP in eval mode, float32."""
    tokenize: Callable[[Sequence[str]], Tensor]
    """Texts to ids (n, context)."""
    prepare: Callable[[Image], Tensor]
    """An RGB image to normalised pixels (3, S, S)."""
    architecture: str
    """open_clip's name, or `custom`."""
    activation: Activation
    """What it computes with."""
    trained: Literal["quickgelu", "gelu", "unknown"]
    """What the weights were trained with, as far as anything says so."""
    sha256: str | None
    """Hash of the weights; None if they're random."""
    source: str
    """`file`, or `random:SEED`."""
    version: str
    """Version of open_clip."""
    device: str
    """Where it runs."""
    device_policy: str
    """Kind of device, and whether TF32 is on there."""

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Unit vectors (n, d) of prepared images (n, 3, S, S), float32 on the CPU."""
        import torch

        with torch.inference_mode():
            encode: Any = self.model.encode_image
            found: Tensor = encode(pixels.to(self.device), normalize=True)
        return found.float().cpu()

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors (n, d) of texts, float32 on the CPU."""
        import torch

        with torch.inference_mode():
            encode: Any = self.model.encode_text
            found: Tensor = encode(self.tokenize(texts).to(self.device), normalize=True)
        return found.float().cpu()


def load_network(
    weights: str | Path, activation: Activation, architecture: str | dict[str, Any], device: str
) -> ClipNetwork:
    """Build a network and fill it; nothing is downloaded, nothing missing is made up.

    Args:
        weights: File of weights, or `random:SEED`.
        activation: What to compute with.
        architecture: open_clip's name, or a configuration as in its `model_configs`.
        device: Where it runs.

    Raises:
        CheckpointError: The architecture is unknown, the weights can't be read or don't fit, or
            they were trained with another activation.
        SpecError: There is no such device.
    """
    import open_clip

    check_device(device)
    name = architecture if isinstance(architecture, str) else "custom"
    config = dict(_configuration(architecture))
    seed = random_seed(weights)
    random = seed is not None
    model = _build(config, activation, seed or 0)
    trained = None if random else _fill(model, Path(weights), activation)
    context = config["text_cfg"]["context_length"]
    tokenizer = open_clip.tokenizer.SimpleTokenizer(context_length=context)
    return ClipNetwork(
        model=model.eval().to(device),
        tokenize=lambda texts: tokenizer(list(texts)),
        prepare=_transform(config["vision_cfg"]["image_size"]),
        architecture=name,
        activation=activation,
        trained=trained or "unknown",
        sha256=None if random else weights_sha256(Path(weights)),
        source=str(weights) if random else "file",
        version=f"open_clip {open_clip.__version__}",
        device=device,
        device_policy=device_policy(device),
    )


def trained_activation(
    weights: Path, names: Collection[str] = ()
) -> Literal["quickgelu", "gelu"] | None:
    """What weights were trained with, as far as anything says so.

    open_clip's repositories keep `open_clip_config.json` beside the weights, whose `quick_gelu`
    says it, false where it's absent. Without one, OpenAI's weights, all of QuickGELU, are known by
    the hash of the original file, by three numbers that OpenAI stored among the tensors, and by
    the tag `openai` at the end of the file's or a folder's name.

    Args:
        weights: File of weights.
        names: Names of its tensors.

    Raises:
        CheckpointError: The configuration isn't JSON of the expected form.
    """
    config = weights.parent / _CONFIG
    if config.is_file():
        return _configured_activation(config)
    parts = (weights.stem, *weights.absolute().parent.parts)
    known = set(names) >= _FACTS or any(_TAGGED.search(part) for part in parts)
    return "quickgelu" if known or weights_sha256(weights) in _openai_hashes() else None


def _configured_activation(config: Path) -> Literal["quickgelu", "gelu"]:
    try:
        stored = json.loads(config.read_text(encoding="utf-8"))["model_cfg"]
        return "quickgelu" if stored.get("quick_gelu", False) else "gelu"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{config} isn't an open_clip configuration: {error!r}", "restore or remove it"
        ) from error


@cache
def _openai_hashes() -> frozenset[str]:
    """SHA-256 of OpenAI's original files, which their addresses contain."""
    import open_clip

    addresses = (
        open_clip.get_pretrained_url(model, tag)
        for model, tag in open_clip.list_pretrained()
        if tag == "openai"
    )
    return frozenset(address.split("/")[-2] for address in addresses if address)


def _check_activation(weights: Path, trained: str | None, activation: Activation) -> None:
    if trained is None or activation in (trained, "legacy-gelu"):
        return
    legacy = ", or ask for legacy-gelu by name" if activation == "gelu" else ""
    raise CheckpointError(
        f"the weights {weights} were trained with {trained}, but would compute with {activation}, "
        "which changes colours silently",
        f"use activation {trained} (color_judge {_JUDGES[trained]}){legacy}",
    )


def _configuration(architecture: str | dict[str, Any]) -> Mapping[str, Any]:
    import open_clip

    from harness.names import suggest

    if isinstance(architecture, dict):
        return architecture
    found = open_clip.get_model_config(architecture)
    if found is None:
        hint = suggest(architecture, open_clip.list_models()) or "see open_clip.list_models()"
        raise CheckpointError(f"open_clip has no architecture {architecture!r}", hint)
    return dict(found)


def _build(config: dict[str, Any], activation: Activation, seed: int) -> nn.Module:
    """The network with fresh weights: a function of the seed, of no global state."""
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    with seeded(seed):
        model: nn.Module = CLIP(
            embed_dim=config["embed_dim"],
            vision_cfg=CLIPVisionCfg(**config["vision_cfg"]),
            text_cfg=CLIPTextCfg(**config["text_cfg"]),
            quick_gelu=activation == "quickgelu",
        )
    return model


def _fill(
    model: nn.Module, weights: Path, activation: Activation
) -> Literal["quickgelu", "gelu"] | None:
    """Load weights strictly: a missing, extra or misshapen tensor is an error that names it.

    Returns:
        What they were trained with, if that's known; then the network computes with it, or with
        plain GELU by its legacy name.
    """
    if not weights.is_file():
        raise CheckpointError(f"there are no CLIP weights at {weights}", "check the path")
    state, expected = _read(weights), model.state_dict()
    trained = trained_activation(weights, state)
    _check_activation(weights, trained, activation)
    # Facts about the network that OpenAI's files hold as tensors.
    state = {k: v for k, v in state.items() if k not in _FACTS}
    faults = misfits(state, expected, "isn't CLIP's")
    if faults:
        more = f" and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise CheckpointError(
            f"{weights} doesn't fit the architecture: {'; '.join(faults[:_SHOWN])}{more}",
            "give weights in open_clip's names for this architecture",
        )
    model.load_state_dict(state)
    return trained


def _read(weights: Path) -> dict[str, Tensor]:
    """Tensors by name, read without running anything that the file may hold."""
    import pickle

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if weights.suffix == ".safetensors":
            found: dict[str, Tensor] = load_file(weights)
            return found
        _refuse_torchscript(weights)
        state: dict[str, Any] = torch.load(weights, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise CheckpointError(
            f"{weights} can't be read safely: {error}",
            "give safetensors, for example timm/vit_large_patch14_clip_224.openai from the hub",
        ) from error
    return dict(state.get("state_dict", state))


def _refuse_torchscript(weights: Path) -> None:
    if not zipfile.is_zipfile(weights):
        return
    with zipfile.ZipFile(weights) as archive:
        if any("/code/" in name for name in archive.namelist()):
            raise CheckpointError(
                f"{weights} is a TorchScript program, as OpenAI published CLIP, not a file of "
                "weights: reading it would run it",
                "give the same weights as safetensors: timm/vit_large_patch14_clip_224.openai from "
                "the hub, or `safetensors.torch.save_file` of `torch.jit.load(FILE).state_dict()` "
                "on a machine where that may run",
            )


def _transform(size: int) -> Callable[[Image], Tensor]:
    """CLIP's own preparation: shorter side by bicubic, centre crop, normalised."""
    from torchvision import transforms
    from torchvision.transforms import InterpolationMode

    steps = transforms.Compose(
        [
            transforms.Resize(size, interpolation=InterpolationMode.BICUBIC),
            transforms.CenterCrop(size),
            transforms.ToTensor(),
            transforms.Normalize(_MEAN, _STD),
        ]
    )

    def prepare(image: Image) -> Tensor:
        prepared: Tensor = steps(image.convert("RGB"))
        return prepared

    return prepare
