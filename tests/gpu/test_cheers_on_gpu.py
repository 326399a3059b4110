"""cheers-nano on a GPU: the CPU's answers, its drawings to a grey level or two, real limits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.errors import OutOfMemoryError
from harness.ledger import Ledger
from harness.records import (
    AnswerRequest,
    EditImageRequest,
    GenerateImageRequest,
    ImageDecoding,
    LogLikelihoodRequest,
    ReconstructRequest,
    TextDecoding,
    Verdict,
)
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from harness.torch_support import without_tf32
from model_adapters.cheers.embedded import CheersNano
from tasks.probes.device import peak_memory, waiter
from tasks.probes.inputs import picture

pytestmark = pytest.mark.gpu

LEVELS = 2
"""Grey levels of 255 by which a drawing may differ between CPU and GPU, and between batches."""

DRAWINGS = [
    GenerateImageRequest(prompt=prompt, seed=seed)
    for seed, prompt in enumerate(("a photo of a red circle", "a photo of two blue squares", "x"))
]
QUESTIONS = [
    AnswerRequest(
        prompt="what color is the circle?" if i % 2 else "is there a red shape?",
        images=(picture(i, 64, 64),) if i % 3 else (),
        decoding=TextDecoding(max_new_tokens=16),
        seed=i,
    )
    for i in range(24)
]


@pytest.fixture(scope="module")
def here() -> CheersNano:
    return CheersNano(device="cuda")


@pytest.fixture(scope="module")
def there() -> CheersNano:
    return CheersNano(device="cpu")


def pixels(responses: Any) -> Any:
    return np.stack([np.asarray(response.image).astype(int) for response in responses])


def texts(responses: Any) -> list[str]:
    return [response.text for response in responses]


def test_answers_are_those_of_the_cpu(here: CheersNano, there: CheersNano) -> None:
    assert texts(here.answer(QUESTIONS)) == texts(there.answer(QUESTIONS))


def test_answers_do_not_depend_on_their_batch(here: CheersNano) -> None:
    alone = [here.answer([question])[0].text for question in QUESTIONS]
    assert texts(here.answer(QUESTIONS[::-1]))[::-1] == alone


def test_drawings_are_those_of_the_cpu(here: CheersNano, there: CheersNano) -> None:
    ours, theirs = (pixels(model.generate_image(DRAWINGS)) for model in (here, there))
    assert np.abs(ours - theirs).max() <= LEVELS


def test_drawings_do_not_depend_on_their_batch(here: CheersNano) -> None:
    together = pixels(here.generate_image(DRAWINGS))
    alone = np.concatenate([pixels(here.generate_image([drawing])) for drawing in DRAWINGS])
    assert np.abs(together - alone).max() <= LEVELS


def test_a_drawing_is_the_same_every_time(here: CheersNano) -> None:
    once, again = (pixels(here.generate_image(DRAWINGS)) for _ in range(2))
    assert np.array_equal(once, again)


def test_edits_likelihoods_and_reconstructions_are_those_of_the_cpu(
    here: CheersNano, there: CheersNano
) -> None:
    image = picture(3, 64, 64)
    edit = EditImageRequest(prompt="make the circle red", image=image, seed=5)
    rank = LogLikelihoodRequest(prompt="color?", continuations=("red", "blue"), images=(image,))
    back = ReconstructRequest(image=image)
    for method, request in (("edit_image", edit), ("reconstruct", back)):
        ours, theirs = (pixels(getattr(model, method)([request])) for model in (here, there))
        assert np.abs(ours - theirs).max() <= LEVELS, method
    ours, theirs = (model.loglikelihood([rank])[0].loglikelihoods for model in (here, there))
    assert np.allclose(ours, theirs, atol=1e-3)


def test_float32_is_not_tf32_and_the_switches_are_put_back(here: CheersNano) -> None:
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = True
    try:
        loose = here._checkpoint.model  # what the guard protects from: the same call outside it
        image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)).cuda()
        with torch.inference_mode():
            rounded = loose.model.vae_model.encode(image)
            with without_tf32():
                exact = loose.model.vae_model.encode(image)
        assert torch.backends.cudnn.allow_tf32
        assert not torch.equal(rounded, exact)
    finally:
        torch.backends.cudnn.allow_tf32 = before


def test_bfloat16_runs_and_says_so() -> None:
    model = CheersNano(device="cuda", dtype="bfloat16")
    (response,) = model.generate_image(DRAWINGS[:1])
    assert response.image is not None
    assert model.fingerprint().dtype == "bfloat16"


def test_the_fingerprint_names_the_gpu(here: CheersNano, there: CheersNano) -> None:
    ours = here.fingerprint()
    assert ours.device == f"cuda:{torch.cuda.get_device_name(0)}"
    assert ours.weights_sha256 == there.fingerprint().weights_sha256


def test_memory_is_read_from_the_allocator(here: CheersNano) -> None:
    name = here.fingerprint().device
    waiter(name)()
    with peak_memory(name) as peak:
        here.generate_image(DRAWINGS)
    assert peak.source == "cuda"
    assert peak.peak_mib > peak.before_mib > 20


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Room for a small batch only, as far as torch's allocator is concerned."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(1.2e9 / total)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def test_too_large_a_batch_is_a_smaller_batch(little_memory: None, tmp_path: Path) -> None:
    model = CheersNano(device="cuda")
    many = [
        GenerateImageRequest(prompt="x", decoding=ImageDecoding(steps=1), seed=i)
        for i in range(2048)
    ]
    with pytest.raises(OutOfMemoryError, match="2048 requests don't fit"):
        model.generate_image(many)
    spec = RunSpec(
        tasks=(TaskRef(task="shapes-geneval", options={"prompts": 60, "images": 4}),),
        model=ModelRef(name="cheers-nano", args={"device": "cuda", "steps": 1}),
        batch_size=1440,
        out=str(tmp_path / "run"),
    )
    execute(spec)
    with Ledger.open(tmp_path / "run") as ledger:
        verdicts = {row.outcome.verdict for row in ledger.scored("shapes-geneval")}
        sizes = {e.response.timing.batch_size for e in ledger.entries("shapes-geneval")}
    assert verdicts <= {Verdict.OK, Verdict.WRONG}
    assert max(sizes) < 1440


@pytest.mark.parametrize("solver", ["euler", "ab2"])
@pytest.mark.parametrize(
    "speed",
    [
        {"compile": "default"},
        {"compile": "reduce-overhead"},
        {"attention": "flash"},
        {"attention": "efficient"},
        {"channels_last": False},
    ],
    ids=str,
)
def test_faster_settings_draw_and_answer_the_same(
    here: CheersNano, speed: dict[str, Any], solver: str
) -> None:
    plain = here if solver == "euler" else CheersNano(device="cuda", solver=solver)
    fast = CheersNano(device="cuda", solver=solver, **speed)
    for _ in range(2):  # a CUDA graph is recorded first, then replayed
        ours, theirs = (pixels(model.generate_image(DRAWINGS)) for model in (fast, plain))
        assert abs(ours - theirs).max() <= LEVELS
    assert texts(fast.answer(QUESTIONS)) == texts(here.answer(QUESTIONS))
