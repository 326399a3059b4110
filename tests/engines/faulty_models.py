"""The null model with faults that happen once per run, whichever worker meets them first.

Named as `tests/engines/faulty_models.py:Faulty` on a command line, so that workers can build it.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from harness.records import Fingerprint
from model_adapters.null import NullModel


class Faulty(NullModel):
    """Breaks in its second batch, unless `marker` exists.

    Args:
        fault: `kill`, `hang` or nothing.
        marker: File that is made when it happens.
        sleep: Seconds of every batch.
    """

    def __init__(self, *, fault: str = "", marker: str = "", sleep: float = 0.0) -> None:
        super().__init__(with_seed=True)
        self._fault, self._marker, self._sleep, self._batches = fault, Path(marker), sleep, 0

    def fingerprint(self) -> Fingerprint:
        return NullModel(with_seed=True).fingerprint()

    def answer(self, requests: Any) -> Any:
        self._happen()
        return super().answer(requests)

    def generate_image(self, requests: Any) -> Any:
        self._happen()
        return super().generate_image(requests)

    def _happen(self) -> None:
        time.sleep(self._sleep)
        self._batches += 1
        if not self._fault or self._batches != 2:
            return
        try:
            self._marker.touch(exist_ok=False)
        except FileExistsError:
            return
        if self._fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(600)
