"""GenEval's judges on a GPU: the CPU's objects and colours, and canaries of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.judges import decode_mask
from tasks.judges.canary import check_canary, record_canary
from tasks.judges.clip_colors import ClipColors
from tasks.judges.mask2former.transformers_backend import TransformersMask2Former
from tests.judges.clip_toys import TINY, crops
from tests.judges.mask2former_toys import photographs, stir, tiny_transformers_config

pytestmark = pytest.mark.gpu


def detector(device: str) -> TransformersMask2Former:
    found = TransformersMask2Former("random:1", device=device, config=tiny_transformers_config())
    weights = {name: tensor.cpu() for name, tensor in found.model.state_dict().items()}
    stir(weights)
    found.model.load_state_dict(weights)
    return found


@pytest.fixture(autouse=True)
def _full_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def test_objects_are_those_of_the_cpu() -> None:
    ours, theirs = (detector(device).detect(photographs()) for device in ("cuda", "cpu"))
    for one, other in zip(ours, theirs, strict=True):
        assert set(one) == set(other)
        for name in one:
            a, b = one[name], other[name]
            assert len(a.scores) == len(b.scores)
            np.testing.assert_allclose(np.sort(a.scores), np.sort(b.scores), atol=1e-4)
            areas = [sorted(int(decode_mask(m).sum()) for m in x.masks or ()) for x in (a, b)]
            np.testing.assert_allclose(*areas, atol=4)


def test_colours_are_those_of_the_cpu() -> None:
    ours, theirs = (
        ClipColors("random:1", architecture=TINY, device=device) for device in ("cuda", "cpu")
    )
    seen = crops(16)
    np.testing.assert_allclose(ours.scores(seen), theirs.scores(seen), atol=1e-4)
    assert ours.classify(seen) == theirs.classify(seen)


def test_a_gpu_has_canaries_of_its_own(tmp_path: Path) -> None:
    for judge in (detector("cuda"), ClipColors("random:1", architecture=TINY, device="cuda")):
        assert judge.identity().settings["device"] == "cuda, TF32 off"
        record_canary(judge, tmp_path)
        assert check_canary(judge, tmp_path)
    assert not check_canary(detector("cpu"), tmp_path)
    torch.backends.cudnn.allow_tf32 = True
    assert not check_canary(detector("cuda"), tmp_path), "another policy is another canary"
