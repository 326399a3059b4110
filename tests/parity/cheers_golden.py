"""The golden folder of CHEERS: tensors, settings, model, prompts, and how closely to compare."""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any

import pytest
import torch
from torch import Tensor

from model_adapters.cheers.config import CheersConfig
from model_adapters.cheers.loading import load_model
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.prompt import Prompt
from model_adapters.cheers.sequence import count_images
from tests.parity.golden_folder import DEVICE, GoldenFolder
from tests.parity.places import golden_root

STEPWISE = 1e-4
"""Tolerance of modules, prefills, logits, losses, gradients and single steps, by scale."""
FREE_RUNNING = 2e-2
"""Tolerance of trajectories that run freely: guidance amplifies rounding about 40-fold."""
BFLOAT16 = 1.2e-1
"""Tolerance of bfloat16, by scale: a loose check. On the golden inputs the official bfloat16 run
itself is 7e-2 away from the official float32 run."""
ZERO = 1e-6
"""Absolute tolerance of what is zero in exact arithmetic (attention key biases' gradients)."""


class Golden(GoldenFolder):
    """The golden folder of CHEERS."""

    def get(self, name: str) -> Tensor | None:
        return self[name] if name in self.names else None

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def setting(self, case: str) -> dict[str, Any]:
        if case not in self.settings:
            pytest.skip(f"golden.json in {self.folder} has no settings of {case}")
        found: dict[str, Any] = self.settings[case]
        return found

    def cases(self, key: str) -> list[str]:
        """Cases whose settings have a key, in order."""
        return [
            case
            for case, found in self.settings.items()
            if isinstance(found, dict) and key in found
        ]

    @cached_property
    def config(self) -> CheersConfig:
        return CheersConfig.from_file(self.folder / "config.json")

    @cached_property
    def model(self) -> CheersModel:
        return load_model(self.folder, dtype=torch.float32).to(DEVICE)

    @cached_property
    def bfloat16_model(self) -> CheersModel:
        return load_model(self.folder, dtype=torch.bfloat16).to(DEVICE)

    def images(self, case: str) -> list[Tensor]:
        """The images of a case, each (3, S, S), in the order of their visual tokens."""
        found = self.setting(case)
        names = found.get("images", found.get("image"))
        names = [names] if isinstance(names, str) else names
        return [image for name in names for image in self[name]]

    def prompts(self, case: str) -> list[Prompt]:
        """The prompts of a case: a row that places no image has a dummy in front."""
        rows = self[f"{case}.input_ids"]
        mask = self.get(f"{case}.attention_mask")
        keep = torch.ones_like(rows).bool() if mask is None else mask.bool()
        left = self.images(case)
        prompts = []
        for row, mask in zip(rows, keep, strict=True):
            ids = row[mask].tolist()
            count = count_images(ids, self.config.special_token_ids)
            if count == 0:
                prompts.append(Prompt(ids, (), left[0]))
                left = left[1:] or left
            else:
                prompts.append(Prompt(ids, tuple(left[:count])))
                left = left[count:]
        return prompts


def comparable_ids(ours: list[list[int]], theirs: Tensor, end: int) -> Tensor:
    """Our ids in the shape of theirs (B, L), where they can be compared.

    One row must agree to its end. Of several rows the official loop decodes all until the first
    one ends: there a row is compared up to its own end, or to where the loop stopped.
    """
    if len(ours) == 1:
        return torch.tensor(ours)
    result = theirs.clone()
    for row, (mine, recorded) in enumerate(zip(ours, theirs.tolist(), strict=True)):
        length = recorded.index(end) + 1 if end in recorded else len(recorded)
        padded = mine[:length] + [-1] * (length - len(mine))
        result[row, :length] = torch.tensor(padded)
    return result


@cache
def golden() -> Golden:
    return Golden(golden_root() / "cheers_tiny", "golden.json")


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """Largest difference by the largest expected value."""
    scale = expected.double().abs().max().clamp(min=1e-30)
    return float((actual.double() - expected.double()).abs().max() / scale)


def assert_close(name: str, actual: Tensor, expected: Tensor, tolerance: float) -> None:
    """Compare by the largest expected value; integers must be equal."""
    assert actual.shape == expected.shape, f"{name}: {actual.shape} is not {expected.shape}"
    if not expected.is_floating_point():
        assert torch.equal(actual.to(expected.dtype), expected), f"{name} differs"
        return
    error = relative_error(actual, expected)
    assert error <= tolerance, f"{name}: error {error:.2e} by scale exceeds {tolerance:.0e}"
