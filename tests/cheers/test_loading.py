from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from harness.errors import CheckpointError
from model_adapters.cheers.config import ConfigError
from model_adapters.cheers.loading import from_pretrained, save_pretrained
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.processor import CheersProcessor


@pytest.fixture
def folder(tmp_path: Path, model: CheersModel, processor: CheersProcessor) -> Path:
    save_pretrained(model, tmp_path, processor)
    return tmp_path


def rewrite(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    file = folder / "model.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file({name: tensor.clone() for name, tensor in tensors.items()}, file)


def test_round_trip_is_exact(folder: Path, model: CheersModel) -> None:
    loaded = from_pretrained(folder)
    ours, theirs = model.state_dict(), loaded.model.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert loaded.model.lm_head.weight is loaded.model.model.language_model.embed_tokens.weight
    assert not loaded.model.training
    assert loaded.model.config.text_config == model.config.text_config
    assert loaded.processor.tokenizer.encode("a<image>b") == [64, -200, 65]


def test_saving_twice_gives_the_same_files(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    again = tmp_path_factory.mktemp("again")
    loaded = from_pretrained(folder)
    save_pretrained(loaded.model, again, loaded.processor)
    assert sorted(file.name for file in again.iterdir()) == sorted(
        file.name for file in folder.iterdir()
    )
    for file in again.iterdir():
        assert file.read_bytes() == (folder / file.name).read_bytes()


def test_shards(tmp_path: Path, model: CheersModel, processor: CheersProcessor) -> None:
    save_pretrained(model, tmp_path, processor, max_shard_bytes=20_000)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) > 2
    assert not (tmp_path / "model.safetensors").exists()
    loaded = from_pretrained(tmp_path).model.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.bfloat16, "bfloat16"])
def test_dtype(folder: Path, dtype: torch.dtype | str) -> None:
    loaded = from_pretrained(folder, dtype=dtype).model
    assert loaded.dtype == torch.bfloat16
    assert loaded.model.vae_model.bn.num_batches_tracked.dtype == torch.int64


def test_stored_dtype_is_kept_by_default(
    tmp_path: Path, model: CheersModel, processor: CheersProcessor
) -> None:
    save_pretrained(model, tmp_path, processor, dtype=torch.float16)
    assert from_pretrained(tmp_path).model.dtype == torch.float16
    assert json.loads((tmp_path / "config.json").read_text())["torch_dtype"] == "float16"


def test_counters_stored_as_floats_become_integers(folder: Path) -> None:
    name = "model.vae_model.bn.num_batches_tracked"
    rewrite(folder, lambda tensors: tensors.update({name: torch.tensor(7.0).bfloat16()}))
    counter = from_pretrained(folder).model.state_dict()[name]
    assert counter.dtype == torch.int64
    assert int(counter) == 7


def test_missing_tensor_is_named(folder: Path) -> None:
    rewrite(folder, lambda tensors: tensors.pop("model.hi_gate.gate.0.bias"))
    with pytest.raises(CheckpointError, match=r"lack tensor model\.hi_gate\.gate\.0\.bias") as info:
        from_pretrained(folder)
    assert "remedy" in str(info.value)


def test_many_missing_tensors_are_counted(folder: Path) -> None:
    def drop(tensors: dict[str, Tensor]) -> None:
        for name in [name for name in tensors if "hi_projector" in name]:
            del tensors[name]

    rewrite(folder, drop)
    with pytest.raises(CheckpointError, match=r"and \d+ more"):
        from_pretrained(folder)


def test_extra_tensor_is_named(folder: Path) -> None:
    rewrite(folder, lambda tensors: tensors.update({"model.extra.weight": torch.zeros(1)}))
    with pytest.raises(CheckpointError, match=r"hold tensor model\.extra\.weight"):
        from_pretrained(folder)


def test_misshapen_tensor_is_named(folder: Path) -> None:
    name = "model.und_projector.mlp.2.bias"
    rewrite(folder, lambda tensors: tensors.update({name: torch.zeros(3)}))
    with pytest.raises(CheckpointError, match=r"mlp\.2\.bias has shape \(3,\), .* \(32,\)"):
        from_pretrained(folder)


def test_untied_embeddings_are_an_error(folder: Path) -> None:
    rewrite(folder, lambda tensors: tensors["lm_head.weight"].add_(1))
    with pytest.raises(CheckpointError, match=r"lm_head\.weight and .* differ"):
        from_pretrained(folder)


@pytest.mark.parametrize("keep", [0, 5, 1000, -1])
def test_truncated_file_is_named(folder: Path, keep: int) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"model\.safetensors cannot be read .* truncated"):
        from_pretrained(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=rf"{name} is missing"):
        from_pretrained(folder)


def test_missing_shard_is_named(
    tmp_path: Path, model: CheersModel, processor: CheersProcessor
) -> None:
    save_pretrained(model, tmp_path, processor, max_shard_bytes=20_000)
    next(tmp_path.glob("model-00002-*")).unlink()
    with pytest.raises(CheckpointError, match=r"model-00002-of-\d+\.safetensors is missing"):
        from_pretrained(tmp_path)


def test_index_that_lies_or_leaves_the_folder_is_an_error(folder: Path) -> None:
    index = folder / "model.safetensors.index.json"
    index.write_text("{}")
    with pytest.raises(CheckpointError, match="no index of shards"):
        from_pretrained(folder)
    index.write_text(json.dumps({"weight_map": {"a": "model.safetensors"}}))
    with pytest.raises(CheckpointError, match="places tensor a in files that do not hold"):
        from_pretrained(folder)
    index.write_text(json.dumps({"weight_map": {"a": "../model.safetensors"}}))
    with pytest.raises(CheckpointError, match="outside its folder"):
        from_pretrained(folder)


def test_no_folder_and_no_hub_id(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint folder"):
        from_pretrained(tmp_path / "nowhere" / "at" / "all")
    with pytest.raises(CheckpointError, match="is a file"):
        from_pretrained(folder / "config.json")


def test_hub_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def refuse(*_: object, **__: object) -> str:
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(CheckpointError, match=r"the hub does not give some/model: no network"):
        from_pretrained("some/model")


def test_hub_folder_is_loaded(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    import huggingface_hub

    asked: list[object] = []

    def give(name: str, **options: object) -> str:
        asked.extend([name, options["revision"]])
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", give)
    assert from_pretrained("some/model", revision="v1").model.config.image_size == 16
    assert asked == ["some/model", "v1"]


def test_tokenizer_of_another_model_is_an_error(folder: Path) -> None:
    data = json.loads((folder / "config.json").read_text())
    data["special_token_ids"]["im_start"] = 5
    (folder / "config.json").write_text(json.dumps(data))
    with pytest.raises(CheckpointError, match=r"gives <im_start> the id 261, but .* is 5"):
        from_pretrained(folder)


def test_broken_tokenizer_is_named(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json is no tokenizer file"):
        from_pretrained(folder)


def test_unknown_key_in_config_is_named(folder: Path) -> None:
    data = json.loads((folder / "config.json").read_text())
    data["text_config"]["mystery"] = 1
    (folder / "config.json").write_text(json.dumps(data))
    with pytest.raises(ConfigError, match=r"config\.json.*mystery"):
        from_pretrained(folder)


def test_a_full_disk_leaves_no_half_file(
    tmp_path: Path, model: CheersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_pretrained(model, tmp_path)
    assert list(tmp_path.iterdir()) == []
