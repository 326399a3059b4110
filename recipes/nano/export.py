"""Write a training state as a checkpoint of the official layout.

`python -m recipes.nano.export RUN FOLDER` exports the averaged weights of a run, finished or not.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from torch import Tensor

    from model_adapters.cheers import CheersConfig

__all__ = ["export_checkpoint", "main"]


def export_checkpoint(config: CheersConfig, weights: dict[str, Tensor], folder: Path) -> None:
    """Write config, float16 weights and tokenizer files; `from_pretrained` reads them.

    Args:
        config: The model's configuration.
        weights: A whole state dict.
        folder: Where to write; made if missing.
    """
    import torch

    from model_adapters.cheers import (
        CheersModel,
        CheersProcessor,
        CheersTokenizer,
        save_pretrained,
    )
    from recipes.nano.tokenizer import build_tokenizer, save_tokenizer

    model = CheersModel(config)
    model.load_state_dict(weights)
    save_tokenizer(build_tokenizer(), folder)
    files = CheersTokenizer.from_file(folder / "tokenizer.json", config.special_token_ids)
    save_pretrained(model, folder, CheersProcessor(config, files), dtype=torch.float16)


def _export_run(run: Path, folder: Path) -> int:
    """Export the averaged weights of the last checkpoint; return its number of steps."""
    from recipes.nano.architecture import nano_config
    from recipes.nano.checkpoint import load_state
    from recipes.nano.tokenizer import build_tokenizer, special_ids
    from recipes.nano.training_stage import finished_vae, nano_model

    tokenizer = build_tokenizer()
    config = nano_config(tokenizer.get_vocab_size(), special_ids(tokenizer))
    state = load_state(run / "joint.pt")
    vae, projector = finished_vae(run)
    model = nano_model(config, vae, projector, 0)
    model.model.vision_representation.load_state_dict(load_state(run / "tower.pt")["model"])
    weights = model.state_dict() | state["average"]
    # Tied: the state dict holds the embedding under both names.
    weights["lm_head.weight"] = weights["model.language_model.embed_tokens.weight"]
    export_checkpoint(config, weights, folder)
    return int(state["total"])


@click.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def main(run: Path, folder: Path) -> None:
    """Export the last checkpoint of the training in RUN to FOLDER."""
    click.echo(f"exported step {_export_run(run, folder)} to {folder}")


if __name__ == "__main__":
    main()
