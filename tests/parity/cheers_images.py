"""Image generation and editing: prefills, single steps from recorded inputs, free runs."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from model_adapters.cheers.decoding import Decoding
from model_adapters.cheers.generation import (
    ImageResult,
    InterleavedResult,
    edit_image,
    generate_image,
    generate_interleaved,
)
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.sampler import ImageSettings, Step, evaluate
from model_adapters.cheers.sequence import unconditional
from model_adapters.cheers.session import Session, open_session, prefill, read_prompts
from tests.parity.cheers_golden import FREE_RUNNING, Golden, comparable_ids
from tests.parity.cheers_rules import Expected, Rules

rules = Rules()
CASES = ["edit_cfg", "image_conditioned_gen", "t2i_auto", "t2i_batch2", "t2i_cfg", "t2i_nocfg"]
CASE = r"(?P<case>t2i_\w+|edit_\w+|image_conditioned_gen\w*)"


class FreeRun(NamedTuple):
    """One case from its noise to the end of its text."""

    ids: list[list[int]]
    images: list[ImageResult]
    steps: list[Step]


def image_settings(golden: Golden, case: str) -> ImageSettings:
    found = golden.setting(case)
    return ImageSettings(
        steps=found["num_inference_steps"],
        cfg_scale=found["cfg_scale"] or 1.0,
        alpha=found["alpha"],
    )


def is_automatic(golden: Golden, case: str) -> bool:
    """Whether the model itself begins the image, instead of the prompt."""
    ends = golden[f"{case}.input_ids"][:, -1]
    return not bool((ends == golden.config.special_token_ids.im_start).all())


@cache
def free_run(golden: Golden, case: str) -> FreeRun:
    settings = image_settings(golden, case)
    noise = golden[f"{case}.noise"]
    text_budget = golden.setting(case)["max_length"] + 1 - noise[0, 0].numel() // 4
    if is_automatic(golden, case):
        return _automatic_run(golden, case, settings, text_budget)
    steps: list[Step] = []
    run = edit_image if golden.setting(case).get("edit_image") else generate_image
    text = Decoding(max_new_tokens=text_budget) if text_budget > 0 else None
    images = run(
        golden.model,
        golden.prompts(case),
        list(noise),
        settings,
        text=text,
        callback=steps.append,
    )
    im_end = golden.config.special_token_ids.im_end
    ids = [[im_end, *(image.text.ids if image.text else [])] for image in images]
    return FreeRun(ids, images, steps)


def _automatic_run(golden: Golden, case: str, settings: ImageSettings, text_budget: int) -> FreeRun:
    noise = golden[f"{case}.noise"]
    steps: list[Step] = []
    results: list[InterleavedResult] = generate_interleaved(
        golden.model,
        golden.prompts(case),
        lambda row, _: noise[row],
        settings,
        Decoding(max_new_tokens=text_budget),
        callback=steps.append,
    )
    ids = [result.ids for result in results]
    return FreeRun(ids, [result.images[0] for result in results], steps)


@cache
def session_of(golden: Golden, case: str) -> Session:
    """A prefilled session, whose recorded length of the cache is right."""
    settings = image_settings(golden, case)
    session = open_session(golden.model, golden.prompts(case), guided=settings.guided)
    wanted = [length for length in golden.setting(case).get("kv_length", []) if length]
    if wanted:
        branches = 2 if settings.guided else 1
        assert len(wanted) == branches
        lengths = session.cache.lengths
        assert [lengths[i * session.samples] for i in range(branches)] == wanted
    if is_automatic(golden, case):
        _write_to_the_image(golden, case, session)
    return session


def _write_to_the_image(golden: Golden, case: str, session: Session) -> None:
    """Append the recorded text up to the `<im_start>` that the model itself emitted."""
    (ids,) = golden[f"{case}.generated_ids"].tolist()
    for token in ids[: ids.index(golden.config.special_token_ids.im_start) + 1]:
        session.append([token])


@cache
def single_steps(golden: Golden, case: str) -> tuple[Tensor, Tensor | None, Tensor]:
    """Velocities (steps, N, C, h, w) and gates (steps, h, w) at the recorded latents."""
    session, settings = session_of(golden, case), image_settings(golden, case)
    steps = [
        evaluate(session, latents, float(t), settings)
        for latents, t in zip(
            golden[f"{case}.latents_before_step"], golden[f"{case}.t"], strict=True
        )
    ]
    twins = [twin for _, twin, _ in steps if twin is not None]
    return (
        torch.stack([step[0] for step in steps]),
        torch.stack(twins) if twins else None,
        torch.stack([step[2][0] for step in steps]),
    )


@rules(CASE + r"\.t")
def times(golden: Golden, match: re.Match[str]) -> Expected:
    found = golden.setting(match["case"])
    settings = image_settings(golden, match["case"])
    ours = settings.times(editing=bool(found.get("edit_image")))
    assert len(ours) == found.get("steps_run", len(ours))
    branches = 2 if settings.guided else 1
    assert len(ours) * branches == found.get("drift_evaluations", len(ours) * branches)
    return Expected(ours)


@rules(CASE + r"\.uncond_input_ids")
def uncond_input_ids(golden: Golden, match: re.Match[str]) -> Expected:
    special = golden.config.special_token_ids
    rows = golden[f"{match['case']}.input_ids"].tolist()
    return Expected(torch.tensor([unconditional(row, special) for row in rows]))


@rules(CASE + r"\.prefill(?P<twin>_uncond)?\.final_hidden")
def prefill_hidden(golden: Golden, match: re.Match[str]) -> Expected:
    prompts = golden.prompts(match["case"])
    layout, tokens = read_prompts(golden.model, prompts, guided=True)
    hidden, _ = prefill(golden.model, layout, tokens)
    return Expected(hidden[len(prompts) :] if match["twin"] else hidden[: len(prompts)])


@rules(CASE + r"\.prefill\.position_ids")
def prefill_positions(golden: Golden, match: re.Match[str]) -> Expected:
    layout, _ = read_prompts(golden.model, golden.prompts(match["case"]))
    return Expected(layout.positions)


@rules(CASE + r"\.prefill\.attention_allowed")
def prefill_attention(golden: Golden, match: re.Match[str]) -> Expected:
    layout, _ = read_prompts(golden.model, golden.prompts(match["case"]))
    return Expected(layout.attention())


@rules(CASE + r"\.(?P<branch>drift_cond|drift_uncond|heat_map)")
def single_step(golden: Golden, match: re.Match[str]) -> Expected:
    conditional, twin, gate = single_steps(golden, match["case"])
    found = {"drift_cond": conditional, "drift_uncond": twin, "heat_map": gate}[match["branch"]]
    assert found is not None, "the case has no guidance, and yet an unconditional velocity"
    return Expected(found)


INSIDE = {
    "siglip_hidden": "vision_representation",
    "patch_embeddings": "vision_representation.embeddings",
    "und_tokens": "und_projector",
    "llm_hidden": "language_model",
    "gen_projector_out": "gen_projector",
    "low_info": "hi_gate",
    "gate": "hi_gate",
    "hi_gate_out": "hi_gate",
    "hi_projector_out": "hi_projector",
}
"""The module whose output, or for `low_info` input, the golden file records within a step."""


@rules(CASE + r"\.step(?P<number>\d+)\.(?P<what>" + "|".join(INSIDE) + ")")
def inside_step(golden: Golden, match: re.Match[str]) -> Expected:
    values = inside(golden, match["case"], int(match["number"]))
    return Expected(values[match["what"]])


@cache
def inside(golden: Golden, case: str, number: int) -> dict[str, Tensor]:
    """Intermediate values of one step from its recorded latents, conditional rows only."""
    session = session_of(golden, case)
    calls = _watch(golden.model)
    latents = golden[f"{case}.latents_before_step"][number]
    t = float(golden[f"{case}.t"][number])
    evaluate(session, latents, t, image_settings(golden, case))
    values = {name: calls.outputs[path] for name, path in INSIDE.items()}
    calls.remove()
    values["siglip_hidden"] = values["siglip_hidden"][1]
    values["low_info"] = calls.inputs["hi_gate"]
    values["hi_gate_out"], values["gate"] = calls.outputs["hi_gate"]
    return {name: value[: session.samples] for name, value in values.items()}


class _Calls:
    """Inputs and outputs of watched modules."""

    def __init__(self) -> None:
        self.inputs: dict[str, Tensor] = {}
        self.outputs: dict[str, Tensor] = {}
        self.handles: list[torch.utils.hooks.RemovableHandle] = []

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()


def _watch(model: CheersModel) -> _Calls:
    calls = _Calls()
    for path in set(INSIDE.values()):

        def keep(_: object, inputs: tuple[Tensor, ...], output: Tensor, path: str = path) -> None:
            calls.inputs[path], calls.outputs[path] = inputs[0], output

        calls.handles.append(model.model.get_submodule(path).register_forward_hook(keep))
    return calls


@rules(CASE + r"\.latents_before_step")
def latents_before_step(golden: Golden, match: re.Match[str]) -> Expected:
    run = free_run(golden, match["case"])
    return Expected(torch.stack([step.latents for step in run.steps]), FREE_RUNNING)


@rules(CASE + r"\.final_latents")
def final_latents(golden: Golden, match: re.Match[str]) -> Expected:
    run = free_run(golden, match["case"])
    return Expected(torch.stack([image.latents for image in run.images]), FREE_RUNNING)


@rules(CASE + r"\.image")
def image(golden: Golden, match: re.Match[str]) -> Expected:
    """The decoder on the recorded latents, and the free run's image, clamped like ours."""
    recorded = golden[match.string]
    ours = torch.stack([image.image for image in free_run(golden, match["case"]).images])
    assert float((ours.cpu() - recorded.cpu().clamp(0, 1)).abs().max()) <= FREE_RUNNING
    return Expected(golden.model.model.vae_model.decode(golden[f"{match['case']}.final_latents"]))


@rules(CASE + r"\.generated_ids")
def generated_ids(golden: Golden, match: re.Match[str]) -> Expected:
    ours = free_run(golden, match["case"]).ids
    end = golden.config.special_token_ids.chat_end_eos
    return Expected(comparable_ids(ours, golden[match.string], end))
