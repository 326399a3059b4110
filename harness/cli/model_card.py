"""A model's card as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.cli.layout import columns, safe
from harness.records.base import canonical_json

if TYPE_CHECKING:
    from harness.adapter import VisionTokens
    from harness.modelcard import Built, ModelReport

__all__ = ["card_text"]

_GIGA, _MIB = 1e9, 1 << 20


def card_text(report: ModelReport) -> str:
    """The card, the arguments, and what the built model says."""
    rows = [*_card(report), *_arguments(report)]
    parts = [columns(rows, cut=False)]
    if report.built is not None:
        parts += _built(report.built)
    elif report.problem:
        parts.append(f"not built, so nothing more is known: {safe(report.problem)}")
    return "\n\n".join(parts)


def _card(report: ModelReport) -> Iterator[list[str]]:
    card = report.card
    yield ["model", safe(report.name)]
    if card is None:
        yield ["card", "known once built"]
        return
    yield ["what", safe(card.summary)]
    yield ["capabilities", ", ".join(sorted(card.capabilities))]
    yield ["licence", safe(card.licence)]
    yield ["source", safe(card.source)]
    if card.control:
        yield ["control", "yes: it's no contender"]


def _arguments(report: ModelReport) -> Iterator[list[str]]:
    given = [f"{name}={default}" if default else name for name, default in report.arguments.items()]
    yield ["arguments", ", ".join(given) or "none"]


def _built(built: Built) -> Iterator[str]:
    facts = built.fingerprint
    rows = [
        ["weights", facts.weights_sha256 or "none to hash"],
        ["computed in", f"{facts.dtype} on {facts.device}"],
        ["code version", facts.code_version],
        ["decoding", canonical_json(facts.defaults).decode()],
        ["batch sizes", ", ".join(f"{name} {n}" for name, n in built.batch_sizes.items())],
    ]
    yield columns([[name, safe(text)] for name, text in rows], cut=False)
    yield from _parameters(built)
    if built.vision_tokens:
        yield _vision_tokens(built.vision_tokens)


def _parameters(built: Built) -> Iterator[str]:
    total = built.fingerprint.parameters
    if total is None:
        return
    rows = [["part", "parameters", "share"]]
    for name, count in built.parameters.items():
        rows.append([safe(name), f"{count:,}", f"{100 * count / total:.1f}%" if total else "-"])
    yield columns([*rows, ["all", f"{total:,}", ""]], cut=False)


def _vision_tokens(accounts: tuple[VisionTokens, ...]) -> str:
    head = ["picture", "latent", "patches", "vision tokens", "compression", "prefill", "KV cache"]
    return columns([head, *map(_account, accounts)], cut=False)


def _account(one: VisionTokens) -> list[str]:
    grid = "-" if one.latent_grid is None else "{}x{}".format(*one.latent_grid)
    flops = "-" if one.prefill_flops is None else f"{one.prefill_flops / _GIGA:,.3g} GFLOP"
    cache = "-" if one.kv_cache_bytes is None else f"{one.kv_cache_bytes / _MIB:,.3g} MiB"
    tokens, compression = f"{one.llm_tokens:,}", f"{one.compression:.3g}x"
    size = f"{one.width}x{one.height}"
    return [size, grid, f"{one.patches:,}", tokens, compression, flops, cache]
