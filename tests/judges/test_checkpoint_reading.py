"""mmengine's checkpoints are read; code in a file never runs."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.errors import CheckpointError
from tasks.judges.mask2former.checkpoint import read_checkpoint

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def _checkpoint() -> dict[str, Any]:
    """As mmengine's runner writes it: weights, histories of scalars, optimiser, facts."""
    pytest.importorskip("mmengine", reason="missing: pip install 'cheers-bench[mmdet]'")
    from mmengine.logging import MessageHub

    hub = MessageHub("tests")
    for step in range(4):
        hub.update_scalar("train/loss", 0.5 * step)
        hub.update_scalar("train/lr", np.float32(step))
    hub.update_info("iter", 4)
    parameter = torch.nn.Parameter(torch.ones(2))
    return {
        "meta": {"epoch": 1, "classes": ("a", "b")},
        "state_dict": {"w": torch.arange(3.0)},
        "message_hub": hub.state_dict(),
        "optimizer": torch.optim.AdamW([parameter]).state_dict(),
    }


def test_a_checkpoint_with_histories_is_read(tmp_path: Path):
    torch.save(_checkpoint(), tmp_path / "w.pth")
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "w.pth", weights_only=True)
    state = read_checkpoint(tmp_path / "w.pth")
    assert list(state) == ["w"]
    assert torch.equal(state["w"], torch.arange(3.0))


def test_a_bare_state_dict_is_read(tmp_path: Path):
    torch.save({"w": torch.ones(2)}, tmp_path / "w.pth")
    assert list(read_checkpoint(tmp_path / "w.pth")) == ["w"]


class _Touch:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("touched"),))


class _LookUp:
    """Would reach into a module through `getattr`, which the file may name."""

    def __reduce__(self) -> tuple[object, ...]:
        return (getattr, (Path, "touch"))


@pytest.mark.parametrize("bait", [_Touch(), {"deep": [_Touch()]}])
def test_code_never_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bait: object):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {"w": torch.ones(1)}, "meta": bait}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="can't be read safely"):
        read_checkpoint(tmp_path / "w.pth")
    assert not (tmp_path / "touched").exists()


def test_look_ups_find_nothing(tmp_path: Path):
    torch.save({"state_dict": {"w": torch.ones(1)}, "meta": _LookUp()}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="can't be read safely"):
        read_checkpoint(tmp_path / "w.pth")


@pytest.mark.parametrize(
    "content", [{}, {"state_dict": {}}, {"state_dict": {"w": "text"}}, [1, 2], {"epoch": 3}]
)
def test_files_without_weights_are_named(tmp_path: Path, content: object):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="holds no state dict"):
        read_checkpoint(tmp_path / "w.pth")


def test_missing_and_damaged_files_are_named(tmp_path: Path):
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        read_checkpoint(tmp_path / "w.pth")
    (tmp_path / "w.pth").write_bytes(b"PK\x03\x04 half")
    with pytest.raises(CheckpointError, match="can't be read safely"):
        read_checkpoint(tmp_path / "w.pth")
