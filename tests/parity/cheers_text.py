"""Prefills and text: layouts, masks, positions, hidden states, logits, greedy ids."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from model_adapters.cheers.cache import KVCache
from model_adapters.cheers.decoding import Decoding, generate_text
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.sequence import Layout
from model_adapters.cheers.session import open_session, prefill, read_prompts
from tests.parity.cheers_golden import Golden, comparable_ids
from tests.parity.cheers_rules import Expected, Rules

rules = Rules()
CASES = ["text_eos", "text_long", "und_batch", "und_eos", "und_long", "und_two"]
CASE = r"(?P<case>(?:und|text)_\w+)"


class Prefilled(NamedTuple):
    """A prefill with what the golden file records of it."""

    layout: Layout
    embeds: Tensor
    first: Tensor
    """Hidden states after the first layer."""
    hidden: Tensor
    cache: KVCache


@cache
def prefilled(golden: Golden, case: str) -> Prefilled:
    with torch.no_grad():
        return prefill_with(golden.model, golden, case)


def prefill_with(model: CheersModel, golden: Golden, case: str) -> Prefilled:
    layout, tokens = read_prompts(model, golden.prompts(case))
    first: list[Tensor] = []
    layer = model.model.language_model.layers[0]
    handle = layer.register_forward_hook(lambda *call: first.append(call[2]))
    hidden, cache = prefill(model, layout, tokens)
    handle.remove()
    return Prefilled(layout, model.embed(layout, tokens), first[0], hidden, cache)


@rules(CASE + r"\.attention_allowed")
def attention_allowed(golden: Golden, match: re.Match[str]) -> Expected:
    return Expected(prefilled(golden, match["case"]).layout.attention())


@rules(CASE + r"\.position_ids")
def position_ids(golden: Golden, match: re.Match[str]) -> Expected:
    layout = prefilled(golden, match["case"]).layout
    return Expected(layout.positions, where=layout.valid)


@rules(CASE + r"\.image_token_mask")
def image_token_mask(golden: Golden, match: re.Match[str]) -> Expected:
    return Expected(prefilled(golden, match["case"]).layout.block > 0)


@rules(CASE + r"\.inputs_embeds")
def inputs_embeds(golden: Golden, match: re.Match[str]) -> Expected:
    run = prefilled(golden, match["case"])
    return Expected(run.embeds, where=run.layout.valid)


@rules(CASE + r"\.hidden_after_layer0")
def hidden_after_layer0(golden: Golden, match: re.Match[str]) -> Expected:
    run = prefilled(golden, match["case"])
    return Expected(run.first, where=run.layout.valid)


@rules(CASE + r"\.final_hidden")
def final_hidden(golden: Golden, match: re.Match[str]) -> Expected:
    run = prefilled(golden, match["case"])
    return Expected(run.hidden, where=run.layout.valid)


@rules(CASE + r"\.logits")
def logits(golden: Golden, match: re.Match[str]) -> Expected:
    run = prefilled(golden, match["case"])
    return Expected(golden.model.lm_head(run.hidden), where=run.layout.valid)


@rules(CASE + r"\.last_valid_index")
def last_valid_index(golden: Golden, match: re.Match[str]) -> Expected:
    return Expected(torch.tensor(prefilled(golden, match["case"]).layout.lengths) - 1)


@rules(CASE + r"\.logits_at_last_valid")
def logits_at_last_valid(golden: Golden, match: re.Match[str]) -> Expected:
    session = open_session(golden.model, golden.prompts(match["case"]))
    return Expected(session.logits())


@rules(CASE + r"\.generated_ids")
def generated_ids(golden: Golden, match: re.Match[str]) -> Expected:
    found = golden.setting(match["case"])
    decoding = Decoding(max_new_tokens=found["max_length"] + 1)
    results = generate_text(golden.model, golden.prompts(match["case"]), decoding)
    if "ends_with_eos" in found:
        ended = [result.finish_reason == "stop" for result in results]
        assert ended == [found["ends_with_eos"]] * len(results)
    ours = [result.ids for result in results]
    end = golden.config.special_token_ids.chat_end_eos
    return Expected(comparable_ids(ours, golden[match.string], end))


@rules(CASE + r"\.generated_margins")
def generated_margins(golden: Golden, match: re.Match[str]) -> Expected:
    (ids,) = golden[f"{match['case']}.generated_ids"].tolist()
    session = open_session(golden.model, golden.prompts(match["case"]))
    margins = []
    for token in ids:
        best = session.logits()[0].topk(2).values
        margins.append(best[0] - best[1])
        session.append([token])
    return Expected(torch.stack(margins))
