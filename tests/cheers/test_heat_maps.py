"""The strip shows the image and the gate at evenly spread steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from model_adapters.cheers import Checkpoint, ImageSettings, from_pretrained
from model_adapters.cheers.embedded import NANO_FOLDER
from model_adapters.cheers.heat_maps import _chosen, heat_strip, main

PROMPT = "a photo of a red circle"


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return from_pretrained(NANO_FOLDER, torch.float32)


def test_the_image_stands_first_and_maps_follow(checkpoint: Checkpoint):
    settings = ImageSettings(steps=4, cfg_scale=2.0)
    strip = heat_strip(checkpoint, PROMPT, settings, seed=3, shown=3)
    assert strip.size == (4 * 64 + 3 * 4, 64)
    alone = heat_strip(checkpoint, PROMPT, settings, seed=3, shown=1)
    assert np.array_equal(np.asarray(strip)[:, :64], np.asarray(alone)[:, :64])
    tiles = [np.asarray(strip)[:, start : start + 64] for start in (68, 136, 204)]
    assert not np.array_equal(tiles[0], tiles[-1])


def test_a_map_is_one_block_per_latent_cell(checkpoint: Checkpoint):
    strip = heat_strip(checkpoint, PROMPT, ImageSettings(steps=2, cfg_scale=1.0), shown=2)
    blocks = np.asarray(strip)[:, 68:132].reshape(8, 8, 8, 8, 3)
    assert np.ptp(blocks, axis=(1, 3)).max() == 0


def test_steps_are_spread_and_share_a_scale():
    maps = torch.arange(10.0)[:, None, None].expand(10, 2, 2)
    chosen = _chosen(maps, 4)[:, 0, 0]
    assert chosen.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert len(_chosen(maps, 99)) == 10
    assert _chosen(torch.ones(3, 2, 2), 2).tolist() == torch.zeros(2, 2, 2).tolist()


def test_nothing_to_show_is_refused(checkpoint: Checkpoint):
    with pytest.raises(ValueError, match="at least one step"):
        heat_strip(checkpoint, PROMPT, ImageSettings(steps=1), shown=0)


def test_the_command_writes_the_strip(tmp_path: Path):
    out = tmp_path / "strip.png"
    arguments = [str(NANO_FOLDER), PROMPT, "--out", str(out), "--steps", "2", "--shown", "2"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    with Image.open(out) as image:
        assert image.size == (3 * 64 + 2 * 4, 64)
