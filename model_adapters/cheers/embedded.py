"""cheers-nano, the embedded checkpoint, and its controls.

Importing this module imports no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import CheckpointError
from harness.records import Capability, ModelCard
from model_adapters.cheers.adapter import ALL_CAPABILITIES, CheersAdapter

if TYPE_CHECKING:
    from model_adapters.cheers import Checkpoint

__all__ = ["NANO_FOLDER", "CheersNano", "CheersNanoNoHFI", "CheersNanoUntrained"]

NANO_FOLDER = Path(__file__).parent / "nano"
"""The embedded checkpoint."""


class CheersNano(CheersAdapter):
    """The embedded checkpoint, trained by `recipes/nano`; arguments as `CheersAdapter`'s."""

    card = ModelCard(
        name="cheers-nano",
        summary="CHEERS with 6 M parameters at 64x64, trained on shapes, words and easy-VQA.",
        capabilities=ALL_CAPABILITIES,
        licence="Apache-2.0",
        source="recipes/nano of this project",
    )

    def __init__(
        self,
        *,
        dtype: str = "float32",
        device: str = "auto",
        hfi: bool = True,
        vae_reconstruction: bool = True,
        prompt_form: str = "dummy",
        steps: int | None = None,
        cfg_scale: float | None = None,
        alpha: float | None = None,
        solver: str = "euler",
        slots: int | None = None,
        compile: str = "off",  # noqa: A002 - torch's own word
        attention: str = "auto",
        channels_last: bool = True,
    ) -> None:
        super().__init__(
            str(NANO_FOLDER),
            dtype=dtype,
            device=device,
            hfi=hfi,
            vae_reconstruction=vae_reconstruction,
            prompt_form=prompt_form,
            steps=steps,
            cfg_scale=cfg_scale,
            alpha=alpha,
            solver=solver,
            slots=slots,
            compile=compile,
            attention=attention,
            channels_last=channels_last,
        )

    def _locate(self, path: str, revision: str | None) -> Path:
        if not (Path(path) / "config.json").is_file():
            raise CheckpointError(
                f"the weights of {self.card.name!r} are missing: no {path}/config.json",
                "install the package anew, or train them: `make train-nano`",
            )
        return super()._locate(path, revision)

    def preferred_batch_size(self, capability: Capability) -> int:
        """Small enough for big batches."""
        if self._slots is not None:
            return super().preferred_batch_size(capability)
        return 2 * super().preferred_batch_size(capability)


class CheersNanoNoHFI(CheersNano):
    """Control: the same weights with high-frequency injection switched off."""

    card = ModelCard(
        name="cheers-nano-no-hfi",
        summary="Control: cheers-nano with high-frequency injection off.",
        capabilities=ALL_CAPABILITIES,
        licence="Apache-2.0",
        source="recipes/nano of this project",
        control=True,
    )

    def __init__(self, *, dtype: str = "float32", device: str = "auto") -> None:
        super().__init__(dtype=dtype, device=device, hfi=False)


class CheersNanoUntrained(CheersNano):
    """Control: the architecture and tokenizer of cheers-nano with seeded random weights.

    Args:
        weights_seed: Seed of the weights.
        device: As `CheersAdapter`'s.
    """

    card = ModelCard(
        name="cheers-nano-untrained",
        summary="Control: the architecture of cheers-nano with random weights.",
        capabilities=ALL_CAPABILITIES,
        licence="Apache-2.0",
        source="recipes/nano of this project",
        control=True,
    )

    def __init__(self, *, weights_seed: int = 0, device: str = "auto") -> None:
        self._weights_seed = weights_seed
        super().__init__(device=device)

    def _load(self) -> Checkpoint:
        from model_adapters.cheers import Checkpoint, fresh_model

        processor = super()._load().processor
        model = fresh_model(processor.config, self._weights_seed).eval().to(self._device)
        return Checkpoint(model, processor)
