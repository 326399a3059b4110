"""The language model: prompts, logits, greedy ids, and images from prompt to pixels."""

from __future__ import annotations

import re
from functools import cache

import torch
from torch import Tensor

from model_adapters.tar.ar_dtok import Guidance
from model_adapters.tar.painting import paint
from model_adapters.tar.presets import Sampling
from model_adapters.tar.prompts import answer_prompt, image_prompt
from tests.parity.cheers_rules import Expected, Rules
from tests.parity.golden_folder import DEVICE
from tests.parity.tar_drawing import LIKELIEST, eight_bits
from tests.parity.tar_golden import TarGolden

rules = Rules()
CASE = r"llm\.(?P<case>t2i_s(?P<scale>\d)|i2t_s(?P<pool>\d))"
USER = re.compile(
    r"<\|im_start\|>user\n(?:(?P<codes>(?:<I\d+>)+)\n)?(?P<text>.*?)<\|im_end\|>", re.DOTALL
)


def ids(golden: TarGolden, case: str) -> list[int]:
    """Our ids of a case's prompt, from its user's text and the codes of its image."""
    user = USER.search(golden.setting("main", "texts", case))
    assert user is not None
    if user["codes"]:
        codes = [int(code) for code in re.findall(r"<I(\d+)>", user["codes"])]
        return answer_prompt(golden.language, user["text"], [codes])
    return image_prompt(golden.language, user["text"], int(case[-1]))


@cache
def logits_of(golden: TarGolden, case: str) -> Tensor:
    with torch.no_grad():
        prompt = torch.tensor([ids(golden, case)], device=DEVICE)
        found: Tensor = golden.language.model(input_ids=prompt).logits
    return found


@rules(CASE + r"\.input_ids")
def input_ids(golden: TarGolden, match: re.Match[str]) -> Expected:
    return Expected(torch.tensor([ids(golden, match["case"])]))


@rules(CASE + r"\.logits(?P<last>_last8)?")
def logits(golden: TarGolden, match: re.Match[str]) -> Expected:
    found = logits_of(golden, match["case"])
    return Expected(found[:, -8:] if match["last"] else found)


@rules(CASE + r"\.argmax")
def likeliest(golden: TarGolden, match: re.Match[str]) -> Expected:
    return Expected(logits_of(golden, match["case"]).argmax(-1))


@rules(r"llm\.(?P<case>i2t_s\d)\.greedy_ids")
def greedy_answer(golden: TarGolden, match: re.Match[str]) -> Expected:
    """By argmax of whole passes, without cache: what `generate` does is tested elsewhere."""
    prompt, length = ids(golden, match["case"]), golden[match.string].shape[1]
    new: list[int] = []
    for _ in range(length):
        row = torch.tensor([prompt + new], device=DEVICE)
        new.append(int(golden.language.model(input_ids=row).logits[0, -1].argmax()))
    return Expected(torch.tensor([new]))


@rules(r"llm\.(?P<case>t2i_s(?P<scale>\d))\.(?P<part>greedy_ids|codes)")
def greedy_image(golden: TarGolden, match: re.Match[str]) -> Expected:
    (painted,) = painted_of(golden, match)
    return Expected(torch.tensor([painted.ids if match["part"] == "greedy_ids" else painted.codes]))


def painted_of(golden: TarGolden, match: re.Match[str]):
    prompt = ids(golden, match["case"])
    tokens = golden.ta_tok.tokens(int(match["scale"]))
    return paint(golden.language, [prompt], tokens, [0], Sampling(temperature=0.0))


@rules(r"llm\.(?P<case>t2i_s(?P<scale>\d))\.image_uint8")
def image(golden: TarGolden, match: re.Match[str]) -> Expected:
    """From the prompt to the pixels, with nothing of the golden file on the way."""
    (painted,) = painted_of(golden, match)
    features = golden.ta_tok.decode(torch.tensor([painted.codes], device=DEVICE))
    codes = golden.ar_dtok.generate(features, [0], Guidance(scale=4.0), LIKELIEST)
    return eight_bits(golden, codes, match.string)
