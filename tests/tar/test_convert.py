"""Released files with a foreign dict class become safetensors; malicious ones are refused unrun."""

from __future__ import annotations

import argparse
import json
import pickle
import subprocess
import sys
import types
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from harness.errors import CheckpointError
from harness.records import GenerateImageRequest
from model_adapters.tar.adapter import TarAdapter
from model_adapters.tar.convert import convert, main
from model_adapters.tar.unpickling import read_pickle
from tests.tar.conftest import TINY


@pytest.fixture
def easy_dict() -> Iterator[type]:
    """A dict class of a module `easydict` that is there while a file is written, and gone then."""
    module = types.ModuleType("easydict")

    class EasyDict(dict):  # type: ignore[type-arg]
        """Its entries are attributes as well, so both are pickled."""

        def __setitem__(self, name: str, value: Any) -> None:
            super().__setitem__(name, value)
            super().__setattr__(name, value)

    EasyDict.__module__, EasyDict.__qualname__ = "easydict", "EasyDict"
    module.EasyDict = EasyDict  # type: ignore[attr-defined]
    sys.modules["easydict"] = module
    yield EasyDict
    sys.modules.pop("easydict", None)


def foreign(value: Any, kind: type) -> Any:
    if not isinstance(value, dict):
        return value
    made = kind()
    for name, inner in value.items():
        made[name] = foreign(inner, kind)
    return made


@pytest.fixture
def released(tmp_path: Path, easy_dict: type) -> Path:
    """The golden weights in the files, and the nesting, in which Tar is released."""
    config = json.loads((TINY / "config.json").read_text())
    folder = tmp_path / "released"
    (folder / "sana").mkdir(parents=True)
    ar_args = {**config["ar_dtok"]["args"], **config["ar_dtok"]["size"]}
    contents = {
        "ta_tok.pth": {"args": foreign(config["ta_tok"]["args"], easy_dict), **state("ta_tok")},
        "ar_dtok_lp_16px.pth": {
            "name": "llama-abs-LP",
            "args": foreign(ar_args, easy_dict),
            **state("ar_dtok"),
        },
        "vq_ds16_t2i.pt": state("vqvae")["sd"],
    }
    for name, model in contents.items():
        torch.save({"model": model}, folder / name)
    torch.save(torch.ones(81, 24), folder / "sana" / "negative_prompt_embeds.pth")
    (folder / "siglip_tiny").symlink_to(TINY / "siglip_tiny")
    (folder / "llm").symlink_to(TINY / "llm")
    sys.modules.pop("easydict")
    return folder


def state(part: str) -> dict[str, Any]:
    return {"sd": load_file(TINY / f"{part}.safetensors")}


def test_released_files_become_a_checkpoint(released: Path):
    with pytest.raises(pickle.UnpicklingError, match="easydict"):
        torch.load(released / "ta_tok.pth", weights_only=True)
    found = {one.target.relative_to(released).as_posix(): one for one in convert(released)}
    assert set(found) == {
        "ta_tok.safetensors",
        "ar_dtok_lp_16px.safetensors",
        "vqvae.safetensors",
        "sana/negative_prompt_embeds.safetensors",
    }
    for file, part in (("ta_tok", "ta_tok"), ("ar_dtok_lp_16px", "ar_dtok"), ("vqvae", "vqvae")):
        ours, theirs = (
            load_file(f / f"{n}.safetensors") for f, n in ((released, file), (TINY, part))
        )
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    request = [GenerateImageRequest(prompt="a cat", seed=1)]
    pictures = [
        TarAdapter(str(f), device="cpu", draw_scale=2).generate_image(request)[0].image
        for f in (released, TINY)
    ]
    assert pictures[0] == pictures[1]


def test_arguments_and_origin_are_noted(released: Path):
    convert(released)
    config = json.loads((released / "config.json").read_text())
    theirs = json.loads((TINY / "config.json").read_text())
    assert config["ta_tok"]["args"] == theirs["ta_tok"]["args"]
    assert config["ar_dtok_lp_16px"]["source"]["file"] == "ar_dtok_lp_16px.pth"
    assert len(config["ta_tok"]["source"]["sha256"]) == 64
    before = (released / "config.json").read_bytes()
    convert(released)
    assert (released / "config.json").read_bytes() == before
    assert not list(released.rglob(".*"))


def test_the_command_converts(released: Path):
    command = [sys.executable, "-m", "model_adapters.tar.convert", str(released)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4


def test_the_command_names_what_it_refuses(tmp_path: Path):
    (tmp_path / "stray.pth").write_bytes(b"no archive")
    done = CliRunner().invoke(main, [str(tmp_path)])
    assert done.exit_code == 1
    assert "stray.pth" in done.output
    assert "remedy" in done.output


# --- refusals ------------------------------------------------------------------------------------


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def attacks(mark: Path) -> dict[str, Any]:
    import builtins
    import os

    return {
        "os.system": Calls(os.system, f"touch {mark}"),
        "eval": Calls(builtins.eval, f"open({str(mark)!r}, 'w')"),
        "getattr": Calls(builtins.getattr, mark, "touch"),
        "torch.load": Calls(torch.load, str(mark)),
        "pathlib": Calls(type(mark), str(mark)),
    }


@pytest.mark.parametrize("attack", attacks(Path("mark")))
@pytest.mark.parametrize("place", ["alone", "in the arguments", "as a tensor"])
def test_malicious_files_are_refused_unrun(tmp_path: Path, attack: str, place: str):
    mark = tmp_path / "mark"
    bad = attacks(mark)[attack]
    content = {
        "alone": bad,
        "in the arguments": {"model": {"args": {"x": bad}, "sd": {}}},
        "as a tensor": {"model": {"args": {}, "sd": {"clip_proj.weight": bad}}},
    }[place]
    torch.save(content, tmp_path / "ta_tok.pth")
    with pytest.raises(CheckpointError, match=r"isn't on the list") as caught:
        convert(tmp_path)
    assert "nothing was run" in caught.value.what
    assert not mark.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["ta_tok.pth"]


def test_the_attacks_would_work(tmp_path: Path):
    """On a reader without a list: else the refusals above would prove nothing."""
    mark = tmp_path / "mark"
    torch.save(attacks(mark)["os.system"], tmp_path / "bad.pth")
    torch.load(tmp_path / "bad.pth", weights_only=False)
    assert mark.exists()


def test_a_pickle_without_an_archive_is_refused(tmp_path: Path):
    mark = tmp_path / "mark"
    path = tmp_path / "old.pth"
    path.write_bytes(pickle.dumps(attacks(mark)["os.system"]))
    with pytest.raises(CheckpointError, match="zip archive"):
        read_pickle(path)
    assert not mark.exists()


def test_a_torchscript_program_is_refused(tmp_path: Path):
    path = tmp_path / "program.pt"
    torch.save({"a": torch.ones(1)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        root = archive.namelist()[0].split("/")[0]
        archive.writestr(f"{root}/constants.pkl", b"\x80\x02).")
    with pytest.raises(CheckpointError, match="TorchScript"):
        read_pickle(path)


def test_a_truncated_file_is_refused(released: Path):
    path = released / "ta_tok.pth"
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(CheckpointError, match="can't be read"):
        convert(released)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"state_dict": {}}, "neither TA-Tok"),
        ({"model": {"args": {}, "sd": {"x": torch.ones(1)}}}, "neither TA-Tok"),
        (torch.ones(3), "neither TA-Tok"),
        ({"model": {"args": {}, "sd": {"x": 1}}}, "aren't all tensors"),
        ({"model": {"args": [1], "sd": {"clip_proj.weight": torch.ones(1)}}}, "have no names"),
        (
            {"model": {"args": {"x": torch.ones(1)}, "sd": {"clip_proj.weight": torch.ones(1)}}},
            "aren't plain",
        ),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: Any, message: str):
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=message) as caught:
        convert(tmp_path)
    assert "x.pth" in caught.value.what
    assert not list(tmp_path.glob("*.safetensors"))


def test_a_language_model_s_folder_is_not_written_into(released: Path, tmp_path: Path):
    (released / "config.json").write_text('{"model_type": "qwen2"}')
    with pytest.raises(CheckpointError, match="folder of its own"):
        convert(released)
    with pytest.raises(CheckpointError, match=r"no \*\.pth"):
        convert(TINY)


def test_what_training_left_is_ignored(tmp_path: Path):
    left = {"args": argparse.Namespace(lr=1e-4, cloud=None), "steps": 7}
    torch.save({"model": state("vqvae")["sd"], **left}, tmp_path / "vq_ds16_t2i.pt")
    (one,) = convert(tmp_path)
    assert load_file(one.target).keys() == state("vqvae")["sd"].keys()


def test_tensors_that_share_memory_are_parted(tmp_path: Path):
    table = torch.arange(12.0).reshape(3, 4)
    sd = {"clip_proj.weight": table, "other": table.T, "again": table}
    torch.save({"model": {"name": "x", "args": {}, "sd": sd}}, tmp_path / "ar_dtok.pth")
    convert(tmp_path)
    found = load_file(tmp_path / "ar_dtok.safetensors")
    assert torch.equal(found["other"], table.T)
    assert torch.equal(found["again"], table)
