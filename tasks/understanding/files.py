"""Data files of the benchmarks, as VLMEvalKit publishes them.

Names, addresses and MD5 sums are those of open-compass/VLMEvalKit at commit e8e78f0; TEST_EN_V11 is
also known by the sum of its older file, which has no answers and can't be scored.
"""

from __future__ import annotations

from harness.records import DataFile

__all__ = ["published"]

_HOST = "https://opencompass.openxlab.space/utils"

_SUMS = {
    "MMBench_DEV_EN_V11": ("benchmarks/MMBench", "30c05be8f2f347a50be25aa067248184"),
    "MMBench_DEV_CN_V11": ("benchmarks/MMBench", "593f9b5f6bea453d870a798b34ae4f37"),
    "MMBench_TEST_EN_V11": ("benchmarks/MMBench", "8d1a704e791df6f5d9fb3ef782b65365"),
    "MMBench_TEST_CN_V11": ("benchmarks/MMBench", "156e6569f9547afb16603eca16e85373"),
    "MMBench_DEV_EN": ("benchmarks/MMBench", "b6caf1133a01c6bb705cf753bb527ed8"),
    "MMBench_DEV_CN": ("benchmarks/MMBench", "08b8fc3324a5ed74155350f57be69fbd"),
    "MMBench_TEST_EN": ("benchmarks/MMBench", "6939fadb0ce626fefc0bdc9c64efc528"),
    "MMBench_TEST_CN": ("benchmarks/MMBench", "7e1239baf0ee4c8b513e19705a0f317e"),
    "SEEDBench_IMG": ("benchmarks/SEEDBench", "68017231464752261a2526d6ca3a10c0"),
    "ScienceQA_TEST": ("benchmarks/ScienceQA", "e42e9e00f9c59a80d8a5db35bc32b71f"),
    "ScienceQA_VAL": ("benchmarks/ScienceQA", "96320d05e142e585e7204e72affd29f3"),
    "AI2D_TEST": ("VLMEval", "0f593e0d1c7df9a3d69bf1f947e71975"),
    "AI2D_TEST_NO_MASK": ("VLMEval", "fd8f463634d4fe9fbd23b876e8eea5be"),
    "MMStar": ("VLMEval", "e1ecd2140806c1b1bbf54b43372efb9e"),
    "RealWorldQA": ("VLMEval", "4de008f55dc4fd008ca9e15321dc44b7"),
    "MMMU_DEV_VAL": ("VLMEval", "585e8ad75e73f75dcad265dfd0417d64"),
    "MathVista_MINI": ("VLMEval", "f199b98e178e5a2a20e7048f5dcb0464"),
    "POPE": ("VLMEval", "c12f5acb142f2ef1f85a26ba2fbe41d5"),
    "MME": ("VLMEval", "b36b43c3f09801f5d368627fb92187c3"),
    "OCRBench": ("VLMEval", "e953d98a987cc6e26ef717b61260b778"),
    "TextVQA_VAL": ("VLMEval", "b233b31f551bbf4056f2f955da3a92cd"),
    "DocVQA_VAL": ("VLMEval", "d5ee77e1926ff10690d469c56b73eabf"),
    "InfoVQA_VAL": ("VLMEval", "2342e9c225222f0ef4dec545ebb126fe"),
    "ChartQA_TEST": ("VLMEval", "c902e0aa9be5582a7aad6dcf52734b42"),
}


def published(name: str, split: str, licence: str) -> DataFile:
    """One of VLMEvalKit's files.

    Args:
        name: Its name there, without the suffix.
        split: Split that it holds.
        licence: SPDX identifier of the data's licence, or `unknown`.

    Raises:
        KeyError: There is no such file.

    Example:
        >>> published("MMStar", "val", "unknown").file
        'MMStar.tsv'
    """
    folder, md5 = _SUMS[name]
    return DataFile(
        name=name,
        file=f"{name}.tsv",
        urls=(f"{_HOST}/{folder}/{name}.tsv",),
        md5=md5,
        licence=licence,
        split=split,
        origin=f"the file {name}.tsv that VLMEvalKit downloads",
    )
