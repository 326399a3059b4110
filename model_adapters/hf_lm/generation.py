"""Generation in batches padded on the left, each row with its own end and its own randomness."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import transformers

from harness.errors import AdapterError
from harness.records import FinishReason, TextDecoding
from model_adapters.hf_lm.loading import LanguageModel

__all__ = ["Generated", "generate", "padded"]

_LOOK_BACK = 2  # a stop string may be spelled with a few tokens more than its own


class Generated(NamedTuple):
    """The text of one row."""

    text: str
    """Without special tokens, cut before the first stop string."""

    tokens: int
    """Tokens generated, the end-of-text token included."""

    finish_reason: FinishReason
    """Why it ended."""


@torch.inference_mode()
def generate(
    lm: LanguageModel, prompts: Sequence[list[int]], decoding: TextDecoding, seeds: Sequence[int]
) -> list[Generated]:
    """Continue a batch of prompts.

    Prompts are cut on the left so that `max_new_tokens` always fit. A row's text doesn't depend
    on its neighbours: it's cut where it ended, whatever the batch went on to generate.

    Args:
        lm: The model.
        prompts: Ids of each prompt, at least one.
        decoding: Shared by all rows. Stop strings are found in the text, special tokens included.
        seeds: Sampling seed of each row.

    Raises:
        AdapterError: No prompt fits beside `max_new_tokens`, or beams are to be sampled.
    """
    room = lm.max_length - decoding.max_new_tokens
    if room < 1:
        raise AdapterError(
            f"max_new_tokens is {decoding.max_new_tokens}, and the model holds {lm.max_length} "
            "tokens in all",
            "ask for fewer new tokens",
        )
    if decoding.num_beams > 1 and decoding.temperature > 0:
        raise AdapterError("beams can't be sampled", "use num_beams=1, or temperature 0")
    ids, mask = padded(lm, [prompt[-room:] for prompt in prompts])
    eos = lm.tokenizer.decode([lm.tokenizer.eos_token_id]) if _has_eos(lm) else ""
    stops = [text for text in (*decoding.stop, eos) if text]
    watch = _StopStrings(lm.tokenizer, stops, ids.shape[1])
    out = lm.model.generate(
        input_ids=ids,
        attention_mask=mask,
        generation_config=_config(lm, decoding),
        stopping_criteria=transformers.StoppingCriteriaList([watch] if stops else []),
        logits_processor=_sampling(decoding, seeds),
    )
    new = out[:, ids.shape[1] :][:, : decoding.max_new_tokens].tolist()
    # Beams change their places while they're searched, so nothing was noted that could be used.
    ends = watch.ends if decoding.num_beams == 1 else {}
    return [_finished(lm, row, ends.get(n), stops) for n, row in enumerate(new)]


def padded(lm: LanguageModel, prompts: Sequence[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask (rows, longest), padded on the left, where the model is.

    Raises:
        AdapterError: A prompt has no token.
    """
    width = max(map(len, prompts))
    ids = torch.full((len(prompts), width), lm.pad, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for number, prompt in enumerate(prompts):
        if not prompt:
            raise AdapterError("a prompt has no token", "ask for the continuation of some text")
        ids[number, width - len(prompt) :] = torch.tensor(prompt)
        mask[number, width - len(prompt) :] = 1
    return ids.to(lm.model.device), mask.to(lm.model.device)


def _config(lm: LanguageModel, decoding: TextDecoding) -> Any:
    """The checkpoint's own generation configuration, with what the request decides."""
    config = copy.deepcopy(lm.model.generation_config)
    config.do_sample = False  # sampling is the logits processor's, with a generator of each row
    config.temperature = config.top_p = config.top_k = None
    config.max_length = None
    config.max_new_tokens = decoding.max_new_tokens
    if decoding.min_new_tokens:
        config.min_new_tokens = decoding.min_new_tokens
        config.eos_token_id = sorted(_ends(lm)) or None
    config.num_beams = decoding.num_beams
    config.pad_token_id = lm.pad
    return config


def _finished(
    lm: LanguageModel, ids: list[int], stopped: int | None, stops: Sequence[str]
) -> Generated:
    """One row, cut where it ended."""
    at_eos = next((n + 1 for n, id_ in enumerate(ids) if id_ in _ends(lm)), None)
    ended = min((n for n in (stopped, at_eos) if n is not None), default=None)
    ids = ids[:ended]
    text = lm.tokenizer.decode(ids, skip_special_tokens=True)
    places = [place for place in map(text.find, stops) if place >= 0]
    is_stop = ended is not None or bool(places)
    return Generated(
        text[: min(places)] if places else text,
        len(ids),
        FinishReason.STOP if is_stop else FinishReason.LENGTH,
    )


def _ends(lm: LanguageModel) -> set[int]:
    """Ids that end a text: the generation configuration's and the tokenizer's."""
    found = lm.model.generation_config.eos_token_id
    ids = {found} if isinstance(found, int) else set(found or ())
    return ids | ({lm.tokenizer.eos_token_id} if _has_eos(lm) else set())


def _has_eos(lm: LanguageModel) -> bool:
    return lm.tokenizer.eos_token_id is not None


class _StopStrings(transformers.StoppingCriteria):  # type: ignore[misc]
    """Ends a row as soon as its latest tokens spell a stop string, and notes where.

    Args:
        tokenizer: Decodes the latest tokens.
        stops: Non-empty strings.
        prompt: Tokens of the padded prompt.
    """

    def __init__(self, tokenizer: Any, stops: Sequence[str], prompt: int) -> None:
        self._tokenizer = tokenizer
        self._stops = stops
        self._prompt = prompt
        lengths = [len(tokenizer.encode(text, add_special_tokens=False)) for text in stops]
        self._window = max(lengths, default=0) + _LOOK_BACK
        self.ends: dict[int, int] = {}

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:  # noqa: ARG002
        """Whether each row ends here (rows,)."""
        new = input_ids[:, self._prompt :]
        latest = self._tokenizer.batch_decode(new[:, -self._window :])
        done = [any(stop in text for stop in self._stops) for text in latest]
        for number in (n for n, is_done in enumerate(done) if is_done):
            self.ends.setdefault(number, new.shape[1])
        return torch.tensor(done, device=input_ids.device)


def _sampling(decoding: TextDecoding, seeds: Sequence[int]) -> Any:
    if decoding.temperature <= 0:
        return transformers.LogitsProcessorList()
    return transformers.LogitsProcessorList([_SeededSampling(decoding, seeds)])


class _SeededSampling(transformers.LogitsProcessor):  # type: ignore[misc]
    """Draws each row's token with the row's generator, and leaves it as the only one possible."""

    def __init__(self, decoding: TextDecoding, seeds: Sequence[int]) -> None:
        self._temperature = decoding.temperature
        self._top_p = decoding.top_p
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: Any, scores: Any) -> Any:  # noqa: ARG002
        """Scores (rows, vocabulary) that are 0 for the drawn token and -inf elsewhere."""
        shares = (scores.double().cpu() / self._temperature).softmax(-1)
        out = torch.full_like(scores, float("-inf"))
        for number, generator in enumerate(self._generators):
            kept = _nucleus(shares[number], self._top_p)
            out[number, torch.multinomial(kept, 1, generator=generator)] = 0.0
        return out


def _nucleus(shares: torch.Tensor, mass: float) -> torch.Tensor:
    """The smallest set of likeliest tokens whose share reaches `mass`; the others become 0."""
    if mass >= 1:
        return shares
    ordered, order = shares.sort(descending=True)
    before = ordered.cumsum(0) - ordered
    return torch.zeros_like(shares).scatter(0, order, ordered.where(before < mass, 0.0))
