"""A small random CHEERS in a checkpoint folder, with a byte-level tokenizer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from harness.registry import models as registered_models
from harness.registry import tasks as registered_tasks
from model_adapters.cheers import CheersProcessor, CheersTokenizer, save_pretrained
from model_adapters.cheers.adapter import CheersAdapter
from model_adapters.cheers.tokenizer import TOKEN_TEXTS
from tests.adapters import mixed_tasks
from tests.cheers.conftest import SPECIAL, lively_model, small_config


def byte_tokenizer() -> CheersTokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {text: index for index, text in enumerate(alphabet)}
    bpe = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens([TOKEN_TEXTS[name] for name in ("pad", "chat_start", "chat_end_eos")])
    return CheersTokenizer(bpe, SPECIAL)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    config = small_config(context=512)
    processor = CheersProcessor(config, byte_tokenizer())
    save_pretrained(lively_model(config), folder, processor)
    return folder


@pytest.fixture(scope="session")
def adapter(checkpoint: Path) -> CheersAdapter:
    shared = CheersAdapter(str(checkpoint), device="cpu", steps=4, cfg_scale=3.0, alpha=0.5)
    shared.close = lambda: None  # type: ignore[method-assign] # runs come and go, it stays
    return shared


@pytest.fixture
def registered() -> Iterator[None]:
    before = (dict(registered_tasks()._added), dict(registered_models()._added))
    for task in mixed_tasks.TASKS:
        registered_tasks().add(task.metadata.name, task)
    yield
    registered_tasks()._added, registered_models()._added = before
