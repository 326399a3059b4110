"""`python -m recipes.nano.train`: train cheers-nano, or go on with a run that was stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recipes.nano.settings import Settings, smoke_settings, with_steps

if TYPE_CHECKING:
    from recipes.nano.training_stage import Trainer

__all__ = ["main", "prepare", "train"]

_DEFAULT_FOLDER = Path("results/nano")


def prepare(folder: Path, settings: Settings, *, bf16: bool) -> Trainer:
    """Train the VAE or read it back, build the pools, and return the trainer of the rest.

    Args:
        folder: Where checkpoints, caches and logs go.
        settings: The run.
        bf16: Whether to compute in bfloat16.
    """
    import torch

    from recipes.nano.architecture import nano_config
    from recipes.nano.batches import BatchMaker
    from recipes.nano.decoder_stage import train_decoder
    from recipes.nano.pools import build_pools, vae_images
    from recipes.nano.prompts import RowBuilder
    from recipes.nano.tokenizer import build_tokenizer, special_ids
    from recipes.nano.tower_stage import train_tower
    from recipes.nano.training_stage import Trainer, center_patches, freeze, nano_model
    from recipes.nano.vae_stage import train_vae

    tokenizer = build_tokenizer()
    special = special_ids(tokenizer)
    config = nano_config(tokenizer.get_vocab_size(), special)
    images = vae_images(settings)
    vae = train_vae(settings, images, folder, bf16=bf16)
    projector = train_decoder(settings, vae, images, folder, "readable", bf16=bf16)
    finished = train_decoder(settings, vae, images, folder, "image", bf16=bf16)
    vae.decoder.load_state_dict(finished.decoder.state_dict())
    pools = build_pools(settings, vae, projector, folder)
    model = nano_model(config, vae, projector, settings.seed)
    center_patches(model, torch.cat([pools.question_pixels[:500], pools.word_pixels[:500]]))
    train_tower(settings, model, pools, folder)
    freeze(model)
    builder = RowBuilder(tokenizer, special)
    batches = BatchMaker(pools, builder, settings, config.tokens_per_image)
    return Trainer(settings, model, batches, folder, bf16=bf16)


@contextmanager
def plain_attention() -> Iterator[None]:
    """Attention as matrix products: on CPUs torch's fused backward is several times slower."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with sdpa_kernel(SDPBackend.MATH):
        yield


def train(
    folder: Path, settings: Settings, *, bf16: bool = True, export: Path | None = None
) -> Trainer:
    """Train all stages, resuming what `folder` holds.

    Args:
        folder: Where checkpoints, caches and logs go.
        settings: The run.
        bf16: Whether to compute in bfloat16.
        export: Where the finished checkpoint goes, in the official layout; None for nowhere.
    """
    from recipes.nano.export import export_checkpoint

    with plain_attention():
        trainer = prepare(folder, settings, bf16=bf16)
        trainer.run()
    if export is not None:
        export_checkpoint(trainer.model.config, trainer.averaged_state(), export)
    return trainer


def _read_steps(_ctx: click.Context, _option: click.Parameter, given: Sequence[str]) -> Any:
    """`STAGE=N` as a mapping."""
    pairs = [text.partition("=") for text in given]
    names = [stage.name for stage in Settings().stages]
    for name, _, count in pairs:
        if name not in names or not count.isdecimal():
            msg = f"give STAGE=N with a stage of {', '.join(names)}, not {name}={count}"
            raise click.BadParameter(msg)
    return {name: int(count) for name, _, count in pairs}


@click.command()
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=_DEFAULT_FOLDER,
    show_default=True,
    help="Folder of checkpoints, caches and logs; a run that was stopped there goes on.",
)
@click.option(
    "--export",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the finished checkpoint [default: OUT/cheers-nano].",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything.")
@click.option(
    "--steps",
    multiple=True,
    metavar="STAGE=N",
    callback=_read_steps,
    help="Other steps of a stage.",
)
@click.option("--threads", type=int, default=1, show_default=True, help="Threads of torch.")
@click.option("--smoke", is_flag=True, help="A few steps of each stage, to see that it runs.")
def main(
    *,
    folder: Path,
    export: Path | None,
    seed: int,
    steps: dict[str, int],
    threads: int,
    smoke: bool,
) -> None:
    """Train cheers-nano; the same command goes on where a stopped run was."""
    import msgspec
    import torch

    torch.set_num_threads(threads)
    base = smoke_settings() if smoke else Settings()
    settings = msgspec.structs.replace(with_steps(base, steps), seed=seed)
    target = export or folder / "cheers-nano"
    train(folder, settings, export=target)
    click.echo(f"exported {target}")


if __name__ == "__main__":
    main()
