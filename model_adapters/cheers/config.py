"""The configuration of CHEERS: the official `config.json`, typed and strict.

Official keys keep their official names, places and defaults (AI9Stars/Cheers at da1cb77,
`configuration_umm.py`). A key that neither the official code nor this project knows is an error,
because a setting that is silently ignored is a number that silently differs. Keys of this project
(`head_config`, `special_token_ids`, `vae_*_config.norm_num_groups`) default to what the official
code hard-codes, and are written only where they differ from it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import CheckpointError


class ConfigError(CheckpointError):
    """A configuration that cannot be used; the message names the key and the remedy."""


class VAEConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One side of the VAE: `vae_encoder_config` or `vae_decoder_config`."""

    resolution: int = 256
    """Nominal side of an image in pixels; informative, the network is fully convolutional."""
    in_channels: int = 3
    """Channels of the image that the encoder reads."""
    out_ch: int = 3
    """Channels of the image that the decoder writes."""
    ch: int = 128
    """Base width."""
    ch_mult: tuple[int, ...] = (1, 2, 4, 4)
    """Width of each resolution as a multiple of `ch`; each one but the last halves the side."""
    num_res_blocks: int = 2
    """Residual blocks of the encoder at each resolution; the decoder has one more."""
    z_channels: int = 32
    """Channels of a latent before the 2x2 patchify."""
    norm_num_groups: int = 32
    """Groups of every GroupNorm. Our key: the official code hard-codes 32."""
    model_type: str = "umm"
    """Written by transformers into every sub-configuration."""

    @property
    def factor(self) -> int:
        """How many pixels one latent position spans before the 2x2 patchify."""
        return int(2 ** (len(self.ch_mult) - 1))


class VisionConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The SigLIP2 tower: `vision_representation_config`."""

    hidden_size: int = 768
    """Width."""
    intermediate_size: int = 3072
    """Width of the MLP."""
    num_hidden_layers: int = 12
    """Layers."""
    num_attention_heads: int = 12
    """Attention heads."""
    num_channels: int = 3
    """Channels of the image; the tower reads RGB."""
    image_size: int = 256
    """Side in pixels that the learned positions are laid out for."""
    patch_size: int = 16
    """Side of a patch in pixels."""
    num_patches: int | None = None
    """Number of patches; when given it must agree with `image_size` and `patch_size`."""
    hidden_act: str = "gelu_pytorch_tanh"
    """Activation of the MLP, by its transformers name."""
    layer_norm_eps: float = 1e-6
    """Epsilon of the tower's layer norms."""
    attention_dropout: float = 0.0
    """Dropout of attention weights in training."""
    model_type: str = "umm"
    """Written by transformers into every sub-configuration."""

    @property
    def grid(self) -> int:
        """Patches along one side."""
        return self.image_size // self.patch_size


class TextConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The Qwen2 backbone: `text_config`."""

    vocab_size: int = 152064
    """Rows of the embedding."""
    hidden_size: int = 3584
    """Width."""
    intermediate_size: int = 18944
    """Width of the MLP."""
    num_hidden_layers: int = 28
    """Layers."""
    num_attention_heads: int = 28
    """Query heads."""
    num_key_value_heads: int = 4
    """Key and value heads."""
    hidden_act: str = "silu"
    """Activation of the MLP, by its transformers name."""
    max_position_embeddings: int = 131072
    """Context length: the most positions a sequence may have, image tokens included."""
    initializer_range: float = 0.02
    """Standard deviation of freshly initialised weights."""
    rms_norm_eps: float = 1e-6
    """Epsilon of the RMS norms."""
    use_cache: bool = True
    """Kept for the round trip; generation here always caches."""
    tie_word_embeddings: bool = False
    """Whether `lm_head` is the embedding; CHEERS ties them, and so this must be true."""
    rope_theta: float = 1000000.0
    """Base of the rotary positions."""
    rope_scaling: None = None
    """Scaled rotary positions are not part of CHEERS."""
    use_sliding_window: bool = False
    """Sliding windows are not part of CHEERS."""
    sliding_window: int | None = 131072
    """Kept for the round trip; unused without `use_sliding_window`."""
    max_window_layers: int = 28
    """Kept for the round trip; unused without `use_sliding_window`."""
    layer_types: tuple[str, ...] | None = None
    """Kept for the round trip; only `full_attention` is supported."""
    attention_dropout: float = 0.0
    """Dropout of attention weights in training."""
    model_type: str = "umm"
    """Written by transformers into every sub-configuration."""


class HeadConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The cascaded flow-matching head: our key `head_config`; the official code hard-codes it."""

    gen_depth: int = 7
    """Blocks of stage 1 (`gen_projector`)."""
    hi_depth: int = 3
    """Blocks of stage 2 (`hi_projector`)."""
    gen_num_heads: int | None = None
    """Query heads of stage 1; by default the backbone's."""
    gen_num_kv_heads: int | None = None
    """Key and value heads of stage 1; by default the backbone's."""
    hi_num_heads: int | None = None
    """Query heads of stage 2; by default the tower's."""
    hi_num_kv_heads: int | None = None
    """Key and value heads of stage 2; by default the backbone's."""
    mlp_ratio: int = 4
    """Width of a block's MLP as a multiple of its own."""
    rope_base: float = 10000.0
    """Base of the head's rotary positions."""
    time_frequencies: int = 256
    """Length of the sinusoid that embeds the time."""


class SpecialTokenIds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ids with a meaning: our key `special_token_ids`; the defaults are the released ids."""

    pad: int = 151643
    """Padding."""
    chat_start: int = 151644
    """Opens a message (`<|im_start|>` of ChatML)."""
    chat_end_eos: int = 151645
    """Closes a message (`<|im_end|>` of ChatML), and ends an answer."""
    image_placeholder_token: int = 151665
    """`<image>` as the tokenizer writes it."""
    image_gen_placeholder_token: int = 151666
    """`<image_gen>` as the tokenizer writes it."""
    im_start: int = 151667
    """`<im_start>`: the image begins behind it."""
    im_end: int = 151668
    """`<im_end>`: closes an image."""
    no_mean: int = 151669
    """`<no_mean>`: stands for every id of an unconditional prompt."""
    image_token_index: int = -200
    """Stands for an image to understand in the ids that the model reads."""
    image_gen_token_index: int = -300
    """Stands for an image to generate in the ids that the model reads."""
    newline: int = 198
    """A line feed."""


class CheersConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole model, as `config.json` states it.

    Example:
        >>> CheersConfig.released().tokens_per_image
        256
    """

    vae_encoder_config: VAEConfig = VAEConfig()
    """The VAE's encoder."""
    vae_decoder_config: VAEConfig = VAEConfig()
    """The VAE's decoder, and the decoder projector, which has its shape."""
    vision_representation_config: VisionConfig = VisionConfig()
    """The vision tower."""
    text_config: TextConfig = TextConfig()
    """The language backbone."""
    head_config: HeadConfig = HeadConfig()
    """The flow-matching head."""
    special_token_ids: SpecialTokenIds = SpecialTokenIds()
    """The ids with a meaning."""
    model_type: str = "umm"
    """What transformers calls this family."""
    architectures: tuple[str, ...] = ("Cheers",)
    """The official class of the model."""
    auto_map: dict[str, str] | None = None
    """Where the official code lives; kept for the round trip, never executed."""
    torch_dtype: str | None = None
    """The data type the weights were stored in."""
    dtype: str | None = None
    """The same, as later versions of transformers call it."""
    transformers_version: str | None = None
    """The version of transformers that wrote the file."""

    def __post_init__(self) -> None:
        """Refuse sizes that do not fit together."""
        for message in _disagreements(self):
            raise ConfigError(message, "correct config.json")

    @property
    def latent_channels(self) -> int:
        """Channels of a latent after the 2x2 patchify: what the velocity has."""
        return 4 * self.vae_encoder_config.z_channels

    @property
    def latent_stride(self) -> int:
        """Pixels that one latent position spans: equal to the tower's patch."""
        return 2 * self.vae_encoder_config.factor

    @property
    def latent_grid(self) -> int:
        """Latent positions along a side of an image of the configured size."""
        return self.image_size // self.latent_stride

    @property
    def image_size(self) -> int:
        """Side of an image in pixels."""
        return self.vision_representation_config.image_size

    @property
    def tokens_per_image(self) -> int:
        """Visual tokens that the backbone reads for an image of the configured size."""
        return (self.vision_representation_config.grid // 2) ** 2

    @property
    def gen_heads(self) -> tuple[int, int]:
        """Query heads, and key and value heads, of stage 1."""
        head, text = self.head_config, self.text_config
        return (
            head.gen_num_heads or text.num_attention_heads,
            head.gen_num_kv_heads or text.num_key_value_heads,
        )

    @property
    def hi_heads(self) -> tuple[int, int]:
        """Query heads, and key and value heads, of stage 2."""
        head, vision = self.head_config, self.vision_representation_config
        return (
            head.hi_num_heads or vision.num_attention_heads,
            head.hi_num_kv_heads or self.text_config.num_key_value_heads,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> CheersConfig:
        """Read the contents of a `config.json`.

        Args:
            data: the parsed JSON.

        Raises:
            ConfigError: a key is unknown or of a wrong type, or two sizes disagree.

        Example:
            >>> CheersConfig.from_dict({"text_config": {"hiden_size": 8}})
            Traceback (most recent call last):
            ...
            model_adapters.cheers.config.ConfigError: config.json: Object contains unknown field...
        """
        try:
            return msgspec.convert(data, cls)
        except ConfigError:
            raise
        except msgspec.ValidationError as error:
            raise ConfigError(
                f"config.json: {error}",
                "remove or correct that key, or use a version of cheers-bench that knows it",
            ) from error

    @classmethod
    def from_file(cls, path: Path) -> CheersConfig:
        """Read a `config.json`.

        Raises:
            ConfigError: the file is missing, is not JSON, or does not describe a CHEERS model.
        """
        if not path.is_file():
            raise ConfigError(f"{path} is missing", "name a folder that holds a CHEERS checkpoint")
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ConfigError(f"{path} is not JSON: {error}", "download it again") from error
        if not isinstance(data, dict):
            raise ConfigError(f"{path} holds no object of settings", "download it again")
        try:
            return cls.from_dict(data)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error.what}", error.remedy) from error

    def to_dict(self) -> dict[str, Any]:
        """What `config.json` should hold: official keys, and ours where they differ."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        for key, unset in OPTIONAL_KEYS.items():
            if getattr(self, key) == unset:
                del data[key]
        for key in ("vae_encoder_config", "vae_decoder_config"):
            if getattr(self, key).norm_num_groups == VAEConfig().norm_num_groups:
                del data[key]["norm_num_groups"]
        return data

    @classmethod
    def released(cls) -> CheersConfig:
        """The released 512-pixel checkpoint, 1,321 tensors (official `config.json`)."""
        return cls(
            vae_encoder_config=VAEConfig(resolution=512),
            vae_decoder_config=VAEConfig(resolution=512),
            vision_representation_config=VisionConfig(
                hidden_size=1152,
                intermediate_size=4304,
                num_hidden_layers=27,
                num_attention_heads=16,
                image_size=512,
                num_patches=1024,
            ),
            text_config=TextConfig(
                vocab_size=151936,
                hidden_size=1536,
                intermediate_size=8960,
                num_attention_heads=12,
                num_key_value_heads=2,
                max_position_embeddings=32768,
                max_window_layers=21,
                sliding_window=32768,
                tie_word_embeddings=True,
            ),
            torch_dtype="bfloat16",
        )


OPTIONAL_KEYS: dict[str, object] = {
    "head_config": HeadConfig(),
    "special_token_ids": SpecialTokenIds(),
    "auto_map": None,
    "torch_dtype": None,
    "dtype": None,
    "transformers_version": None,
}
"""Top-level keys that a `config.json` may lack, and the value that their absence means."""


def _disagreements(config: CheersConfig) -> list[str]:
    """Every reason why a configuration cannot be built."""
    return [
        *_vae_disagreements(config),
        *_vision_disagreements(config),
        *_text_disagreements(config),
        *_head_disagreements(config),
    ]


def _vae_disagreements(config: CheersConfig) -> list[str]:
    encoder, decoder = config.vae_encoder_config, config.vae_decoder_config
    found = [
        f"vae_encoder_config.{key} and vae_decoder_config.{key} must be equal"
        for key in ("z_channels", "ch_mult")
        if getattr(encoder, key) != getattr(decoder, key)
    ]
    for name, side in (("vae_encoder_config", encoder), ("vae_decoder_config", decoder)):
        widths = [side.ch * multiple for multiple in side.ch_mult]
        bad = [width for width in widths if width % side.norm_num_groups]
        if bad:
            found.append(
                f"{name}: width {bad[0]} cannot be split into {side.norm_num_groups} groups; "
                f"change ch, ch_mult or norm_num_groups"
            )
    if config.latent_stride != config.vision_representation_config.patch_size:
        found.append(
            f"a latent spans {config.latent_stride} pixels but vision_representation_config."
            f"patch_size is {config.vision_representation_config.patch_size}; they must be equal"
        )
    return found


def _vision_disagreements(config: CheersConfig) -> list[str]:
    vision = config.vision_representation_config
    found = []
    if vision.image_size % (2 * vision.patch_size):
        found.append("vision_representation_config.image_size must hold an even count of patches")
    if vision.num_patches not in (None, vision.grid**2):
        found.append(
            f"vision_representation_config.num_patches is {vision.num_patches}, but image_size "
            f"and patch_size give {vision.grid**2}"
        )
    return found


def _text_disagreements(config: CheersConfig) -> list[str]:
    text = config.text_config
    found = []
    if not text.tie_word_embeddings:
        found.append("text_config.tie_word_embeddings must be true: CHEERS ties its embeddings")
    if text.use_sliding_window:
        found.append("text_config.use_sliding_window is not supported: CHEERS attends fully")
    if set(text.layer_types or ()) - {"full_attention"}:
        found.append("text_config.layer_types: only full_attention is supported")
    return found


def _head_disagreements(config: CheersConfig) -> list[str]:
    text, vision = config.text_config, config.vision_representation_config
    stages = {
        "text_config": (text.hidden_size, text.num_attention_heads, text.num_key_value_heads),
        "vision_representation_config": (
            vision.hidden_size,
            vision.num_attention_heads,
            vision.num_attention_heads,
        ),
        "head_config (stage 1)": (text.hidden_size, *config.gen_heads),
        "head_config (stage 2)": (vision.hidden_size, *config.hi_heads),
    }
    return [
        f"{name}: width {width} with {heads} heads and {kv} key/value heads cannot be split"
        for name, (width, heads, kv) in stages.items()
        if width % heads or heads % kv
    ]
