"""TA-Tok: preprocessing, tower, pooling, bottleneck, decoder."""

from __future__ import annotations

import re
from functools import cache

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from model_adapters.tar.images import to_pixels
from model_adapters.tar.ta_tok import Encoded
from tests.parity.cheers_rules import Expected, Rules
from tests.parity.golden_folder import DEVICE
from tests.parity.tar_golden import TarGolden

rules = Rules()
SCALE = r"ta\.scale(?P<pool>\d)\."
PREPROCESSING = {
    "antialias_False": "demo",
    "antialias_True": "demo-antialiased",
    "llava": "evaluation",
}


def pixels(golden: TarGolden) -> Tensor:
    return golden["ta.image_uint8"].permute(0, 3, 1, 2).to(DEVICE).float() / 255


def scale_of(match: re.Match[str]) -> int:
    """Our scale, counted from 0, of a name's pool_scale, counted from 1."""
    return int(match["pool"]) - 1


@cache
def encoded(golden: TarGolden, scale: int) -> Encoded:
    return golden.ta_tok.look(pixels(golden), scale)


@rules(r"ta\.hidden_states\.(?P<layer>\d+)")
def hidden_states(golden: TarGolden, match: re.Match[str]) -> Expected:
    model = golden.ta_tok
    return Expected(model.encoder(model.scale_layer(pixels(golden)), int(match["layer"])))


@rules(r"ta\.codebook")
def codebook(golden: TarGolden, match: re.Match[str]) -> Expected:
    return Expected(golden.ta_tok.codebook())


@rules(SCALE + r"(?P<stage>pooled|task_feats|projected_z|normalized_z)")
def stages(golden: TarGolden, match: re.Match[str]) -> Expected:
    found = encoded(golden, scale_of(match))
    ours = {
        "pooled": found.pooled,
        "task_feats": found.features,
        "projected_z": found.projected,
        "normalized_z": F.normalize(found.projected, dim=-1),
    }
    return Expected(ours[match["stage"]])


@rules(SCALE + r"probs_token0")
def first_probabilities(golden: TarGolden, match: re.Match[str]) -> Expected:
    model = golden.ta_tok
    near = model.similarity(encoded(golden, scale_of(match)).projected[:, 0])
    return Expected((near / model.settings.temperature).softmax(-1))


@rules(SCALE + r"indices(?:_l2_argmin)?")
def indices(golden: TarGolden, match: re.Match[str]) -> Expected:
    return Expected(golden.ta_tok.encode(pixels(golden), scale_of(match)))


@rules(SCALE + r"indices_nol2_argmin")
def indices_by_distance(golden: TarGolden, match: re.Match[str]) -> Expected:
    model = golden.ta_tok
    projected = encoded(golden, scale_of(match)).projected
    table = model.bottleneck.regularizer
    book = table.embedding_proj(table.embedding.weight)
    return Expected(torch.cdist(projected, book[None]).argmin(-1))


@rules(SCALE + r"quantized_z")
def quantized(golden: TarGolden, match: re.Match[str]) -> Expected:
    return Expected(golden.ta_tok.quantized(golden.codes(f"{match.string[:9]}.indices")))


@rules(SCALE + r"bottleneck_out")
def bottleneck_out(golden: TarGolden, match: re.Match[str]) -> Expected:
    model = golden.ta_tok
    vectors = model.quantized(golden.codes(f"{match.string[:9]}.indices"))
    return Expected(model.bottleneck.out_linear(vectors))


@rules(SCALE + r"rec")
def whole_way(golden: TarGolden, match: re.Match[str]) -> Expected:
    """From the pixels, through codes of our own."""
    codes = golden.ta_tok.encode(pixels(golden), scale_of(match))
    return Expected(golden.ta_tok.decode(codes))


@rules(SCALE + r"features_from_indices")
def features(golden: TarGolden, match: re.Match[str]) -> Expected:
    return Expected(golden.ta_tok.decode(golden.codes(f"{match.string[:9]}.indices")))


@rules(r"ta\.decode400\.features")
def enlarged_positions(golden: TarGolden, match: re.Match[str]) -> Expected:
    return Expected(golden.ta_tok.decode(golden.codes("ta.decode400.indices")))


def odd_pixels(golden: TarGolden, kind: str) -> Tensor:
    image = Image.fromarray(golden["ta.odd.image_uint8"].numpy())
    return to_pixels(image, golden.ta_tok.image_size, kind)[None].to(DEVICE)


@rules(r"ta\.odd\.(?:resized_(?P<antialias>antialias_\w+)|llava_pixel_values)")
def preprocessed(golden: TarGolden, match: re.Match[str]) -> Expected:
    found = odd_pixels(golden, PREPROCESSING[match["antialias"] or "llava"])
    return Expected(golden.ta_tok.scale_layer(found))


@rules(r"ta\.odd\.(?:indices_(?P<antialias>antialias_\w+)|llava_indices)")
def codes_of_odd_image(golden: TarGolden, match: re.Match[str]) -> Expected:
    kind = PREPROCESSING[match["antialias"] or "llava"]
    return Expected(golden.ta_tok.encode(odd_pixels(golden, kind), 0))
