"""The optimisers of the joint training: what updates which weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim import Optimizer

__all__ = ["Optimisers", "Rule"]

Rule = Literal["adamw", "muon"]
"""How matrices are updated."""

_BETAS = (0.9, 0.95)
_NEWTON_SCHULZ_STEPS = 4
_LOOKED_UP = "embed"


class Optimisers:
    """AdamW for everything, or Muon for the matrices that multiply and AdamW for the rest.

    Muon (Jordan et al., 2024) makes each update of a matrix orthogonal; scaled to AdamW's root
    mean square, the same learning rate serves both. Embeddings are looked up, not multiplied, and
    stay with AdamW. Matrices decay, vectors don't.

    Args:
        named: Trainable weights by name.
        rule: How matrices are updated.
        weight_decay: Decay of matrices.
    """

    def __init__(self, named: Mapping[str, Tensor], rule: Rule, weight_decay: float) -> None:
        self.rule: Rule = rule
        own = {n for n, p in named.items() if p.ndim == 2 and _LOOKED_UP not in n}
        own = own if rule == "muon" else set()
        rest = [p for n, p in named.items() if n not in own]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in rest if p.ndim >= 2], "weight_decay": weight_decay},
            {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
        ]
        self._parts: list[Optimizer] = [
            torch.optim.AdamW(groups, lr=0.0, betas=_BETAS, fused=True),
        ]
        if own:
            muon = torch.optim.Muon(
                [p for n, p in named.items() if n in own],
                lr=0.0,
                weight_decay=weight_decay,
                adjust_lr_fn="match_rms_adamw",
                ns_steps=_NEWTON_SCHULZ_STEPS,
            )
            self._parts.append(muon)

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the next step."""
        for part in self._parts:
            for group in part.param_groups:
                group["lr"] = rate

    def zero_grad(self) -> None:
        """Forget gradients."""
        for part in self._parts:
            part.zero_grad(set_to_none=True)

    def step(self) -> None:
        """Update the weights."""
        for part in self._parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` of the same rule takes."""
        return {"rule": self.rule, "parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state of the same rule.

        Raises:
            ValueError: The state is of another rule.
        """
        if state["rule"] != self.rule:
            msg = f"the state is {state['rule']}'s, not {self.rule}'s; build that rule first"
            raise ValueError(msg)
        for part, own in zip(self._parts, state["parts"], strict=True):
            part.load_state_dict(own)
