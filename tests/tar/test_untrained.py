"""The tiny random Tar from weights to scores: tasks through the engine, seeds, layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from harness.conformance import Status, check_adapter
from harness.ledger import Ledger
from harness.ledger.export import export_rows
from harness.models import build_model, model_ref
from harness.records import GenerateImageRequest
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from model_adapters.tar.adapter import TarAdapter
from model_adapters.tar.fresh import SIDE, save_fresh
from model_adapters.tar.untrained import TarTinyUntrained

SMALL: dict[str, Any] = {
    "shapes-geneval": {"prompts": 1, "images": 2},
    "shapes-mmbench": {"questions": 5},
    "shapes-ocr": {"words": 4},
    "shapes-edit": {"edits": 4},
    "easy-vqa": {"questions": 10},
    "reconstruction": {"images": 1},
    "probe-tokens": {},
}
Rows = dict[str, dict[str, Any]]


def run(folder: Path, batch_size: int) -> tuple[Rows, dict[str, Any]]:
    refs = tuple(TaskRef(task=name, options=options) for name, options in SMALL.items())
    model = ModelRef(name="tar-tiny-untrained", args={"device": "cpu", "draw_scale": 1})
    execute(RunSpec(tasks=refs, model=model, out=str(folder), batch_size=batch_size))
    rows = {f"{row['task']}/{row['id']}/{row['k']}": row for row in export_rows(folder)}
    with Ledger.open(folder) as ledger:
        return rows, {result.task: result for result in ledger.results()}


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Rows, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("runs") / "one"
    return folder, *run(folder, 1)


def test_every_task_is_served_and_scored(one_by_one: tuple[Path, Rows, dict[str, Any]]):
    _, rows, results = one_by_one
    assert results["shapes-edit"].status == "not_applicable"
    assert {result.status for task, result in results.items() if task != "shapes-edit"} == {
        "complete"
    }
    assert {row["verdict"] for row in rows.values()} <= {"ok", "wrong", "unparsed"}
    assert len({row["image_sha256"] for row in rows.values() if row["image_sha256"]}) > 10
    assert len({row["text"] for row in rows.values() if row["text"] is not None}) > 10
    tokens = {metric.name: metric.value for metric in results["probe-tokens"].metrics}
    assert tokens["agreement"] == 1
    assert tokens["llm_tokens"] == tokens["patches"] == 81


def test_batches_change_nothing(one_by_one: tuple[Path, Rows, dict[str, Any]], tmp_path: Path):
    first, ours, _ = one_by_one
    theirs, _ = run(tmp_path / "five", 5)
    assert ours.keys() == theirs.keys()
    for name, row in ours.items():
        other = theirs[name]
        assert (row["text"], row["verdict"]) == (other["text"], other["verdict"])
        if row["image_path"]:
            paths = (first / row["image_path"], tmp_path / "five" / other["image_path"])
            one, two = (np.asarray(Image.open(path), dtype=int) for path in paths)
            assert np.abs(one - two).max() <= 1, name


def test_it_is_a_function_of_its_seed(tmp_path: Path):
    before = torch.get_rng_state()
    hashes = [
        TarTinyUntrained(weights_seed=seed, device="cpu").fingerprint().weights_sha256
        for seed in (0, 0, 1)
    ]
    assert hashes[0] == hashes[1] != hashes[2]
    assert torch.equal(before, torch.get_rng_state())


def test_its_folder_is_a_checkpoint_as_any(tmp_path: Path):
    folder = save_fresh(tmp_path / "tar", 0)
    request = [GenerateImageRequest(prompt="a red circle", seed=3)]
    pictures = [
        adapter.generate_image(request)[0].image
        for adapter in (
            TarTinyUntrained(device="cpu"),
            TarAdapter(str(folder), device="cpu", dtype="float32"),
        )
    ]
    assert pictures[0] == pictures[1]
    assert pictures[0] is not None
    assert pictures[0].size == (SIDE, SIDE)
    names = {
        part: set(load_file(folder / f"{part}.safetensors"))
        for part in ("ta_tok", "ar_dtok", "vqvae", "llm/model")
    }
    assert "encoder.encoder.layers.0.self_attn.q_proj.weight" in names["ta_tok"]
    assert "decoder.vision_model.post_layernorm.weight" in names["ta_tok"]
    assert {"abs_pe", "layers.0.attention.wqkv.weight"} <= names["ar_dtok"]
    assert "decoder.conv_blocks.0.attn.0.proj_out.weight" in names["vqvae"]
    assert "model.layers.1.mlp.gate_proj.weight" in names["llm/model"]


def test_its_pictures_depend_on_prompt_and_seed():
    adapter = TarTinyUntrained(device="cpu")
    asked = [("a cat", 0), ("a dog", 0), ("a cat", 1)]
    requests = [GenerateImageRequest(prompt=text, seed=seed) for text, seed in asked]
    pictures = [np.asarray(one.image, dtype=int) for one in adapter.generate_image(requests)]
    assert np.abs(pictures[0] - pictures[1]).mean() > 10
    assert np.abs(pictures[0] - pictures[2]).mean() > 10


def test_it_keeps_the_rules():
    adapter = build_model(model_ref("tar-tiny-untrained", {"device": "cpu", "draw_scale": 2}))
    found = {f.check: f.detail for f in check_adapter(adapter) if f.status is not Status.PASSED}
    assert found == {}
