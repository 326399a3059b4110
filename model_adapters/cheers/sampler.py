"""The flow-matching sampler: from noise to a latent, over a session's cached prompt."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec
import torch
from torch import Tensor

from model_adapters.cheers.model import Seen
from model_adapters.cheers.schedule import EDIT_START
from model_adapters.cheers.session import Ablations, ContextLengthError, Session
from model_adapters.cheers.solvers import Solver, integrate, knots, nfe_per_branch


class ImageSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to draw an image. The defaults are the official README's for text-to-image."""

    steps: int = 80
    """Steps of the solver; Euler's method evaluates the velocity once in each."""
    cfg_scale: float = 9.5
    """Strength of classifier-free guidance; 1 runs no unconditional branch."""
    alpha: float = 0.5
    """Shift of the schedule: below 1 the steps linger at noise; 1 spaces them evenly."""
    solver: Solver = "euler"
    """How the flow is integrated; `euler` is the official sampler."""
    edit_start: float = EDIT_START
    """Where editing starts on the path from noise (0) to the source image (1)."""
    heat_maps: bool = False
    """Whether to keep the gate's map of every step."""
    share_vision: bool = True
    """Whether both guidance branches share one look at z_t. False looks twice, as the official
    code does, and gives the same image; for measurements."""
    ablations: Ablations = Ablations()
    """Switches of the paper's ablations."""

    @property
    def guided(self) -> bool:
        """Whether an unconditional branch runs."""
        return self.cfg_scale != 1.0

    def times(self, *, editing: bool) -> Tensor:
        """The solver's knots, float32; Euler's are the times of its steps (steps that run,)."""
        start = self.edit_start if editing else 0.0
        return knots(self.solver, self.steps, self.alpha, start)

    def nfe(self, *, editing: bool) -> int:
        """Function evaluations of one image, each guidance branch counted."""
        branches = 2 if self.guided else 1
        return branches * nfe_per_branch(self.solver, self.times(editing=editing))


class Step(NamedTuple):
    """One evaluation of the velocity, before the latent moves."""

    number: int
    """Number of the evaluation, from 0; Euler's method has one per step."""
    total: int
    """Evaluations in all."""
    t: float
    """Its time."""
    latents: Tensor
    """Latents that it is about (N, C, h, w); with Euler's method, those before the step."""
    conditional: Tensor
    """Velocity under the prompt (N, C, h, w)."""
    unconditional: Tensor | None
    """Velocity under the unconditional twin, or None without guidance."""
    gate: Tensor
    """The high-frequency gate under the prompt (N, h, w)."""

    def guided(self, scale: float) -> Tensor:
        """The velocity that moves the latent: v_u + scale * (v_c - v_u) (Ho and Salimans, 2022)."""
        if self.unconditional is None:
            return self.conditional
        return self.unconditional + scale * (self.conditional - self.unconditional)


StepCallback = Callable[[Step], None]
"""Called after each evaluation of the velocity."""


@torch.no_grad()
def evaluate(
    session: Session, latents: Tensor, t: float, settings: ImageSettings
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Velocities and gate at latents (N, C, h, w) and time t; nothing is committed.

    Backbone and head run once, over conditional and unconditional rows together.

    Returns:
        Conditional velocity (N, C, h, w), unconditional one or None, conditional gate (N, h, w).
    """
    seen = _see_for_rows(session, latents, settings)
    window = session.cache.window(seen.tokens.shape[1])
    hidden = session.run(seen.tokens, window, causal=False)
    times = torch.full((len(hidden),), t, device=hidden.device, dtype=hidden.dtype)
    out = session.model.velocity(hidden, seen.patches, times, inject=settings.ablations.inject)
    count = session.samples
    twin = out.velocity[count:] if session.guided else None
    return out.velocity[:count], twin, out.gate[:count]


@torch.no_grad()
def draw(
    session: Session,
    latents: Tensor,
    times: Tensor,
    settings: ImageSettings,
    callback: StepCallback | None = None,
    *,
    last: bool = False,
) -> Tensor:
    """Integrate the velocity, and leave the image's tokens and `<im_end>` in the session.

    As in the official sampler the tokens that stay are those of the latent looked at last.

    Args:
        session: samples whose last token is `<im_start>`.
        latents: where to start, (N, C, h, w).
        times: the solver's knots, see `ImageSettings.times`.
        settings: guidance and switches.
        callback: called after each evaluation.
        last: nothing follows the image, so what stays in the session isn't completed.

    Returns:
        The final latents (N, C, h, w).

    Raises:
        ContextLengthError: an image does not fit behind a prompt.
    """
    tokens = latents.shape[2] * latents.shape[3] // 4
    _check_room(session, tokens + 1)
    latents = latents.to(session.model.device, session.model.dtype)
    field = _Field(session, settings, nfe_per_branch(settings.solver, times), callback)
    latents = integrate(settings.solver, field, latents, times)
    if last:
        return latents
    session.cache.commit([tokens] * session.cache.rows)
    im_end = session.model.config.special_token_ids.im_end
    session.append([im_end] * session.samples, both=True)
    return latents


class _Field:
    """The guided velocity as a function of latents and time, which tells who listens."""

    def __init__(
        self,
        session: Session,
        settings: ImageSettings,
        total: int,
        callback: StepCallback | None,
    ) -> None:
        self._session, self._settings = session, settings
        self._total, self._callback = total, callback
        self._number = 0

    def __call__(self, latents: Tensor, t: float) -> Tensor:
        found = evaluate(self._session, latents, t, self._settings)
        step = Step(self._number, self._total, t, latents, *found)
        self._number += 1
        if self._callback is not None:
            self._callback(step)
        return step.guided(self._settings.cfg_scale)


def _see_for_rows(session: Session, latents: Tensor, settings: ImageSettings) -> Seen:
    """What each row sees of the latents: with guidance, every sample's look twice."""
    if not session.guided:
        return session.model.see_latents(latents)
    if not settings.share_vision:
        return session.model.see_latents(latents.repeat(2, 1, 1, 1))
    seen = session.model.see_latents(latents)
    return Seen(seen.tokens.repeat(2, 1, 1), seen.patches.repeat(2, 1, 1))


def _check_room(session: Session, tokens: int) -> None:
    for sample in range(session.samples):
        if session.room(sample) < tokens:
            raise ContextLengthError(
                f"row {sample}: an image of {tokens} tokens does not fit behind the "
                f"{session.cache.lengths[sample]} tokens before it; the context holds "
                f"{session.limit}",
                "shorten the prompt",
            )
