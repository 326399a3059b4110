"""A key-value cache whose rows have their own lengths.

Rows of a batch have prompts of different lengths. Each row writes its next keys right behind its
own last one, so no padding ever stands between tokens: row b's position j lies in column j. What a
shorter row holds beyond its length is stale, and masks exclude it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_SPARE = 1
"""Columns beyond what was asked for. A pass so always gets a part of them and never all, which for
`torch.compile` are two kinds of pass, and compiled one by one."""


class KVCache:
    """Keys and values of every layer, grown geometrically.

    Args:
        keys: keys of each layer (rows, key/value heads, columns, width of a head).
        values: values of each layer, of the same shape.
        lengths: tokens that each row holds.
    """

    def __init__(self, keys: list[Tensor], values: list[Tensor], lengths: list[int]) -> None:
        self.keys = keys
        self.values = values
        self.lengths = lengths
        self._window: Window | None = None

    @classmethod
    def empty(
        cls,
        layers: int,
        shape: tuple[int, int, int, int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> KVCache:
        """A cache that holds nothing.

        Args:
            layers: number of layers.
            shape: rows, key/value heads, columns to begin with, width of a head.
            dtype: data type of keys and values.
            device: where they live.
        """
        rows, heads, columns, dim = shape
        wide = (rows, heads, columns + _SPARE, dim)
        keys = [torch.zeros(wide, dtype=dtype, device=device) for _ in range(layers)]
        return cls(keys, [torch.zeros_like(tensor) for tensor in keys], [0] * rows)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.lengths)

    @property
    def nbytes(self) -> int:
        """Bytes allocated for keys and values, without the spare column."""
        a_column = sum(tensor[:, :, 0].nbytes for tensor in (*self.keys, *self.values))
        return a_column * (self.keys[0].shape[2] - _SPARE)

    def window(self, count: int) -> Window:
        """Room for the next `count` tokens of every row; they are kept only on `commit`.

        Until then it's the same window: the steps of a drawing all write where the first did, and
        none waits for the device because of it.
        """
        if self._window is None or self._window.count != count:
            self._reserve(max(self.lengths, default=0) + count)
            self._window = Window(self, count)
        return self._window

    def commit(self, counts: Sequence[int]) -> None:
        """Keep the tokens written last: `counts` of them in each row."""
        self.lengths = [have + more for have, more in zip(self.lengths, counts, strict=True)]
        self._window = None

    def select(self, rows: Sequence[int], columns: int | None = None) -> KVCache:
        """A new cache made of these rows, in this order; a row may occur more than once.

        Args:
            rows: rows to take.
            columns: columns that it has room for, at least the tokens of these rows; by default
                those of this one.
        """
        index = torch.tensor(rows, device=self.keys[0].device)
        columns = self.keys[0].shape[2] if columns is None else columns + _SPARE
        return KVCache(
            [_taken(tensor, index, columns) for tensor in self.keys],
            [_taken(tensor, index, columns) for tensor in self.values],
            [self.lengths[row] for row in rows],
        )

    def join(self, other: KVCache) -> KVCache:
        """A new cache of these rows and then the other's."""
        columns = max(self.keys[0].shape[2], other.keys[0].shape[2])
        pairs = zip((*self.keys, *self.values), (*other.keys, *other.values), strict=True)
        joined = [torch.cat((_widen(a, columns), _widen(b, columns))) for a, b in pairs]
        layers = len(self.keys)
        return KVCache(joined[:layers], joined[layers:], [*self.lengths, *other.lengths])

    def write(
        self, layer: int, window: Window, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Write new keys and values (B, heads, count, dim); return all up to the window's end."""
        for store, new in ((self.keys[layer], keys), (self.values[layer], values)):
            if window.start is not None:
                store[:, :, window.start : window.start + window.count] = new
            else:
                store[window.rows, :, window.positions] = new.transpose(1, 2)
        end = window.end
        return self.keys[layer][:, :, :end], self.values[layer][:, :, :end]

    def _reserve(self, columns: int) -> None:
        have = self.keys[0].shape[2]
        if columns + _SPARE <= have:
            return
        grown = max(columns + _SPARE, 2 * have)
        self.keys = [_widen(tensor, grown) for tensor in self.keys]
        self.values = [_widen(tensor, grown) for tensor in self.values]


class Window:
    """The columns that one forward pass writes; what transformers' layers call a cache.

    Attributes:
        count: new tokens per row.
        start: first new column where all rows agree, else None.
        end: one past the last column any row writes.
        rows: numbers of the rows (B, 1).
        positions: positions of the new tokens (B, count).
    """

    def __init__(self, cache: KVCache, count: int) -> None:
        self._cache = cache
        self.count = count
        self.lengths = list(cache.lengths)
        self.start = self.lengths[0] if len(set(self.lengths)) == 1 else None
        self.end = max(self.lengths) + count
        device = cache.keys[0].device
        self.rows = torch.arange(cache.rows, device=device)[:, None]
        self.positions = torch.arange(count, device=device) + self._starts(device)

    def _starts(self, device: torch.device) -> Tensor:
        """First new position of each row (B, 1); copied to the device only where they differ."""
        if self.start is None:
            return torch.tensor(self.lengths, device=device)[:, None]
        return torch.full((len(self.lengths), 1), self.start, device=device)

    def update(self, keys: Tensor, values: Tensor, layer_idx: int) -> tuple[Tensor, Tensor]:
        """Write one layer's keys and values; called by the layer itself."""
        return self._cache.write(layer_idx, self, keys, values)


def _taken(tensor: Tensor, rows: Tensor, columns: int) -> Tensor:
    """Rows of a layer's tensor, each copied once into a tensor of so many columns."""
    _, heads, have, dim = tensor.shape
    taken = tensor.new_zeros(len(rows), heads, columns, dim)
    taken[:, :, :have] = tensor[rows, :, :columns]
    return taken


def _widen(tensor: Tensor, columns: int) -> Tensor:
    """The same tensor with at least so many columns."""
    rows, heads, have, dim = tensor.shape
    if have >= columns:
        return tensor
    wide = tensor.new_zeros(rows, heads, columns, dim)
    wide[:, :, :have] = tensor
    return wide
