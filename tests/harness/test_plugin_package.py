"""A third-party package adds a task and a model: built, installed, listed and run for real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PROJECT = """
    [build-system]
    requires = ["hatchling"]
    build-backend = "hatchling.build"

    [project]
    name = "acme-bench"
    version = "1.2"

    [project.entry-points."cheers_bench.tasks"]
    acme-parity = "acme_bench:Parity"
    acme-broken = "acme_bench.missing:Task"

    [project.entry-points."cheers_bench.models"]
    acme-model = "acme_bench:Model"

    [project.entry-points."cheers_bench.suites"]
    acme = "acme_bench:SUITE"

    [tool.hatch.build.targets.wheel]
    packages = ["acme_bench"]
"""

MODULE = '''
    """A task about even numbers, and a model that counts the digits of a prompt."""

    from harness import ModelAdapter, Task
    from harness.records import (
        AnswerRequest, Capability, DatasetInfo, Fingerprint, Identity, MetricSpec, Modality,
        ModelCard, Outcome, Response, Sample, Suite, SuiteEntry, TaskMetadata, Verdict,
    )

    class Parity(Task):
        metadata = TaskMetadata(
            name="acme-parity", summary="Is it even?", version=1,
            requires=frozenset({Capability.ANSWER}), inputs=(Modality.TEXT,),
            outputs=(Modality.TEXT,),
            dataset=DatasetInfo(name="numbers", revision="1", split="test", licence="CC0-1.0"),
            metrics=(MetricSpec(name="accuracy", score="accuracy"),),
            protocol_id="acme-parity/v1", citation="none",
        )

        def samples(self):
            return (Sample(id=str(i), target=i % 2 == 0) for i in range(20))

        def request(self, sample, seed):
            return AnswerRequest(prompt=f"Is {sample.id} even?", seed=seed)

        def score(self, sample, response):
            right = (response.text == "yes") == sample.target
            verdict = Verdict.OK if right else Verdict.WRONG
            return Outcome(verdict=verdict, scores={"accuracy": float(right)})

        def scorer(self):
            return Identity(id="acme", version="1")

        def prompt_template(self):
            return "Is {id} even?"

    class Model(ModelAdapter):
        card = ModelCard(
            name="acme-model", summary="Says yes to small numbers.",
            capabilities=frozenset({Capability.ANSWER}), licence="CC0-1.0", source="acme",
        )

        def __init__(self, limit: int = 10):
            self.limit = limit

        def fingerprint(self):
            return Fingerprint(
                model="acme-model", adapter="acme_bench:Model", code_version="1",
                weights_sha256=None, config={"limit": self.limit}, defaults={}, dtype="none",
                device="cpu",
            )

        def answer(self, requests):
            numbers = [int(request.prompt.split()[1]) for request in requests]
            return [Response(text="yes" if n < self.limit else "no") for n in numbers]

    SUITE = Suite(name="acme", summary="All of it.", entries=(SuiteEntry(task="acme-parity"),))
'''

SCRIPT = """
    import json, sys
    from harness.errors import AdapterError
    from harness.ledger import Ledger
    from harness.registry import models, suites, tasks
    from harness.run import execute
    from harness.runspec import ModelRef, RunSpec

    listed = [name for registry in (tasks, models, suites) for name in registry().names()]
    imported = "acme_bench" in sys.modules
    try:
        tasks().get("acme-broken")
    except AdapterError as error:
        broken = str(error)
    manifest = execute(
        RunSpec(suite="acme", model=ModelRef(name="acme-model", args={"limit": 5}), out=sys.argv[1])
    )
    with Ledger.open(sys.argv[1]) as ledger:
        result = ledger.results()[0]
    print(json.dumps({
        "listed": listed,
        "imported_by_listing": imported,
        "origin": tasks().origin("acme-parity"),
        "broken": broken,
        "status": manifest.status,
        "value": result.metrics[0].value,
        "total": result.total,
    }))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the package is installed, with its metadata."""
    source = tmp_path_factory.mktemp("acme")
    (source / "pyproject.toml").write_text(textwrap.dedent(PROJECT))
    (source / "acme_bench").mkdir()
    (source / "acme_bench" / "__init__.py").write_text(textwrap.dedent(MODULE))
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(target)]
    done = subprocess.run(
        [*command, *options, str(source)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert list(target.glob("acme_bench-1.2.dist-info"))
    return target


def test_a_third_party_package_is_listed_lazily_and_runs(site: Path, tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(tmp_path / "run")],
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {"acme-parity", "acme-broken", "acme-model", "acme", "null"} <= set(found["listed"])
    assert not found["imported_by_listing"]
    assert found["origin"] == "acme-bench"
    assert "acme_bench.missing" in found["broken"]
    assert found["status"] == "complete"
    # Right: 0, 2, 4 (yes and even) and the odd numbers from 5 on, eight of them.
    assert found["value"] == (3 + 8) / 20
    assert found["total"] == 20


def test_without_the_package_nothing_of_it_is_known(tmp_path: Path):
    code = "from harness.registry import tasks; print('acme-parity' in tasks())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
