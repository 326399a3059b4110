"""What makes the same weights faster: kernels, compilation, memory layout.

Nothing here changes what is computed, only in which order sums are made: a setting that isn't the
default is part of the fingerprint all the same. Importing this module imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, Self, TypeVar

from harness.errors import SpecError
from harness.records import JsonValue, Record
from harness.torch_support import one_of

if TYPE_CHECKING:
    from torch import nn

    from model_adapters.cheers.model import CheersModel

__all__ = ["COMPILED", "Speed", "tuned"]

Given = TypeVar("Given")
"""What a method takes: a batch of requests, or a number of tokens."""

Made = TypeVar("Made")
"""What it gives back."""

COMPILED = (
    "vae_decoder_projector",
    "vae_model.decoder",
    "vision_representation.encoder",
    "gen_projector",
    "hi_projector",
)
"""What is compiled as a whole, below `CheersModel.model`: the parts whose shapes stay the same from
step to step. Of the backbone, whose cache grows, two passes are; see `compile_backbone`."""

_MODES = ("off", "default", "max-autotune-no-cudagraphs", "reduce-overhead", "max-autotune")
_GRAPHS = ("reduce-overhead", "max-autotune")  # torch replays CUDA graphs in these
_KERNELS = {
    "flash": "FLASH_ATTENTION",
    "efficient": "EFFICIENT_ATTENTION",
    "cudnn": "CUDNN_ATTENTION",
    "math": "MATH",
}
_CUDA_KERNELS = ("efficient", "cudnn")


class Speed(Record, frozen=True, kw_only=True):
    """How to run, besides data type and device."""

    compile: str = "off"
    """Mode of `torch.compile`, or `off`; two of them replay CUDA graphs."""

    attention: str = "auto"
    """Kernel that attention prefers; where it can't serve a call, torch chooses another."""

    channels_last: bool = True
    """Whether convolutions store their channels last."""

    @classmethod
    def checked(
        cls,
        *,
        compile: str | bool,  # noqa: A002 - torch's own word
        attention: str,
        channels_last: bool,
        device: str,
    ) -> Self:
        """Build the settings.

        Args:
            compile: A mode of `torch.compile`, or `off`.
            attention: `auto`, `flash`, `efficient`, `cudnn` or `math`.
            channels_last: On or off.
            device: Where the model computes, e.g. `cpu`.

        Raises:
            SpecError: A value is impossible, or needs a GPU and there's none.
        """
        mode = "off" if compile is False else str(compile)  # YAML reads a bare `off` so
        one_of("compile", mode, _MODES)
        one_of("attention", attention, ("auto", *_KERNELS))
        if not isinstance(channels_last, bool):
            raise SpecError(
                f"channels_last={channels_last!r} is neither on nor off", "write channels_last=off"
            )
        if mode in _GRAPHS and not device.startswith("cuda"):
            raise SpecError(
                f"compile={mode} replays CUDA graphs, which needs a GPU; this is {device}",
                "write compile=default, or device=cuda on a machine that has one",
            )
        if attention in _CUDA_KERNELS and not device.startswith("cuda"):
            raise SpecError(
                f"attention={attention} is a kernel of GPUs; this is {device}",
                "write attention=auto",
            )
        return cls(compile=mode, attention=attention, channels_last=channels_last)

    def to_dict(self) -> dict[str, JsonValue]:
        """What isn't the default, as JSON."""
        default = type(self)()
        names = self.__struct_fields__
        return {n: getattr(self, n) for n in names if getattr(self, n) != getattr(default, n)}

    def apply(self, model: CheersModel) -> None:
        """Change the model's layout and compile its parts, in place; weights stay the same."""
        if self.channels_last:
            from model_adapters.cheers.memory_format import use_channels_last

            use_channels_last(model)
        if self.compile != "off":
            from model_adapters.cheers.compiled_backbone import compile_backbone

            for name in COMPILED:
                _compile(model.model.get_submodule(name), self.compile)
            image = model.config.tokens_per_image
            compile_backbone(model.model.language_model, image, self.compile)

    @contextmanager
    def kernels(self) -> Iterator[None]:
        """Prefer the chosen attention kernel inside the block."""
        if self.attention == "auto":
            yield
            return
        from torch.nn.attention import SDPBackend, sdpa_kernel

        first = getattr(SDPBackend, _KERNELS[self.attention])
        others = [getattr(SDPBackend, name) for name in _KERNELS.values()]
        order = [first] if self.attention == "math" else [first, *others]
        with sdpa_kernel(list(dict.fromkeys(order)), set_priority=True):
            yield


def tuned(method: Callable[[Any, Given], Made]) -> Callable[[Any, Given], Made]:
    """Serve requests with the adapter's attention kernel."""

    @wraps(method)
    def served(self: Any, given: Given) -> Made:
        with self.speed.kernels():
            return method(self, given)

    return served


def _compile(module: nn.Module, mode: str) -> None:
    """Compile a module's forward; hooks around it and the names of its weights stay."""
    import torch

    compiled = torch.compile(module.forward, mode=mode)
    module.forward = _kept(compiled) if mode in _GRAPHS else compiled


def _kept(compiled: Callable[..., Any]) -> Callable[..., Any]:
    """A replayed graph writes its results where the last ones lie: copy them out."""
    import torch
    from torch.utils._pytree import tree_map_only

    def run(*args: Any) -> Any:
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        return tree_map_only(torch.Tensor, torch.clone, compiled(*args))

    return run
