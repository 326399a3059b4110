"""Building lm-eval's own task object: its data are loaded here."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from harness.errors import AdapterError, BenchError, DataError, SpecError
from tasks.lm_eval.source import Source

__all__ = ["Loaded", "load"]

_PYTHON_SEED, _NUMPY_SEED = 0, 1234
_MODULES = r"(lm_eval|datasets|evaluate|multiprocess|dill|pandas|sacrebleu|nltk|fsspec)(\.|$)"


class Loaded(NamedTuple):
    """A task of lm-eval with its documents."""

    task: Any
    """The `ConfigurableTask`."""

    docs: Any
    """The documents that are scored, in order; a `datasets.Dataset` or a list."""

    shots: int
    """Few-shot examples in each prompt."""


def load(source: Source, *, num_fewshot: int | None) -> Loaded:
    """Build a task and load its data.

    `random` and `numpy.random` are seeded while lm-eval's code runs, as `simple_evaluate` seeds
    them, because some tasks shuffle their answers with them; their states are restored behind it.

    Args:
        source: The task; what it may run has been checked.
        num_fewshot: Few-shot examples; `None` is the task's own number, or 0.

    Raises:
        DataError: The data can't be loaded.
        SpecError: lm-eval refuses the configuration, or the task fixes its number of examples.
    """
    with _seeded(), _quiet():
        task = _built(source)
        shots = _shots(source, task, num_fewshot)
        task.set_config("num_fewshot", shots)
        return Loaded(task, task.eval_docs, shots)


def _built(source: Source) -> Any:
    from lm_eval.tasks import TaskManager

    _sandbox()
    try:
        manager = TaskManager(include_defaults=False)  # without the index of 14,000 files
        (task,) = manager.load(str(source.path))["tasks"].values()
    except BenchError:
        raise
    except (OSError, ConnectionError) as error:  # what datasets raises for data that aren't there
        raise DataError(
            f"{source.name}: the data can't be loaded: {type(error).__name__}: {error}",
            "check dataset_path and dataset_kwargs, and the network; without network, download the "
            "data set elsewhere and set HF_HOME to its cache",
        ) from error
    except Exception as error:
        raise SpecError(
            f"{source.name}: lm-eval can't build it: {type(error).__name__}: {error}",
            f"mend {source.path}, or install what it needs",
        ) from error
    return task


def _shots(source: Source, task: Any, wanted: int | None) -> int:
    own = task.get_config("num_fewshot")
    if wanted is not None and own == 0 and wanted:
        raise SpecError(
            f"{source.name} fixes num_fewshot at 0, so it can't be {wanted}",
            "leave the option out; lm-eval ignores it too",
        )
    return int(own or 0) if wanted is None else wanted


def _sandbox() -> None:
    """Have lm-eval render templates in Jinja's sandbox.

    Templates are part of a task's YAML; unrestricted ones could reach any Python object.

    Raises:
        AdapterError: This release of lm-eval renders them in another way.
    """
    from jinja2.sandbox import SandboxedEnvironment
    from lm_eval import utils

    plain = getattr(utils, "env", None)
    if plain is None:
        raise AdapterError(
            "this release of lm_eval renders its templates in an unknown way",
            "pip install 'lm_eval==0.4.13'",
        )
    if not isinstance(plain, SandboxedEnvironment):
        safe = SandboxedEnvironment(
            undefined=plain.undefined, keep_trailing_newline=plain.keep_trailing_newline
        )
        safe.filters.update(plain.filters)
        utils.env = safe


@contextmanager
def _seeded() -> Iterator[None]:
    import numpy as np

    states = random.getstate(), np.random.get_state()  # noqa: NPY002 -- lm-eval's code uses it
    random.seed(_PYTHON_SEED)
    np.random.seed(_NUMPY_SEED)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the deprecations of lm-eval and its libraries from our users."""
    with warnings.catch_warnings():
        for category in (DeprecationWarning, FutureWarning, SyntaxWarning):
            warnings.filterwarnings("ignore", category=category, module=_MODULES)
        yield
