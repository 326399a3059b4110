"""The files for clusters parse, and the commands in them exist with these flags."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from harness.cli.main import cli
from harness.registry import models, tasks
from harness.runspec import EngineSpec

DOCS = Path(__file__).parents[2] / "docs"
FOLDER = DOCS / "distributed"
PAGE = (DOCS / "distributed.md").read_text()


def parsed(line: str) -> dict[str, Any]:
    """Parameters of a `cheers-bench run` line."""
    words = shlex.split(line)
    assert words[:2] == ["cheers-bench", "run"]
    command = cli.get_command(click.Context(cli), "run")
    assert command is not None
    with command.make_context("run", words[2:]) as context:
        params: dict[str, Any] = context.params
    assert all(task in tasks() for task in params["tasks"])
    assert params["model"].partition(":")[0] in models()
    return params


@pytest.mark.parametrize("name", ["cluster.yaml", "slurm.sh", "rayjob.yaml"])
def test_the_page_speaks_of_every_file(name: str):
    assert (FOLDER / name).is_file()
    assert f"(distributed/{name})" in PAGE


def test_the_page_names_every_setting_with_its_default():
    for name, value in ((f, getattr(EngineSpec(), f)) for f in EngineSpec.__struct_fields__):
        flag = "--engine" if name == "kind" else "--" + name.replace("_", "-")
        (row,) = re.findall(rf"^\| `{flag}.*", PAGE, re.MULTILINE)
        if value is not None:
            switch = "on" if value is True else "off" if value is False else str(value)
            shown = f"{value:g}" if isinstance(value, float) else switch
            assert f"| {shown} |" in row, row


def test_the_slurm_script_is_bash_and_its_command_parses():
    text = (FOLDER / "slurm.sh").read_text()
    bash = shutil.which("bash")
    assert bash is not None
    subprocess.run([bash, "-n", str(FOLDER / "slurm.sh")], check=True)
    found = re.search(r"^cheers-bench run.*?[^\\]$", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    params = parsed(found[0].replace("\\\n", " ").replace('"$address"', "10.0.0.1:6379"))
    nodes = int(re.search(r"--nodes=(\d+)", text)[1])
    gpus = int(re.search(r"--gpus-per-node=(\d+)", text)[1])
    judging = params["engine_judges"] * params["engine_gpus_per_judge"]
    assert params["engine_workers"] + judging == nodes * gpus
    assert params["engine_kind"] == "ray"


def test_the_kuberay_job_fits_its_own_cluster():
    job = yaml.safe_load((FOLDER / "rayjob.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    params = parsed(job["spec"]["entrypoint"])
    cluster = job["spec"]["rayClusterSpec"]
    (group,) = cluster["workerGroupSpecs"]
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    gpus = group["replicas"] * int(limits["nvidia.com/gpu"])
    assert params["engine_workers"] == gpus
    assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    assert cluster["rayVersion"] == _pinned("ray")
    images = set(re.findall(r"image: (\S+)", (FOLDER / "rayjob.yaml").read_text()))
    assert len(images) == 1, "head and workers run one image"


def test_the_cluster_file_is_complete():
    cluster = yaml.safe_load((FOLDER / "cluster.yaml").read_text())
    assert {"cluster_name", "provider", "auth", "available_node_types"} <= cluster.keys()
    assert cluster["head_node_type"] in cluster["available_node_types"]
    assert cluster["max_workers"] >= cluster["available_node_types"]["gpu"]["max_workers"]
    for part in ("head_start_ray_commands", "worker_start_ray_commands"):
        assert cluster[part][0] == "ray stop"
        assert cluster[part][1].startswith("ray start")


def test_the_cluster_file_passes_rays_own_schema():
    pytest.importorskip("ray")
    jsonschema = pytest.importorskip("jsonschema")
    import json

    import ray

    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    jsonschema.validate(yaml.safe_load((FOLDER / "cluster.yaml").read_text()), schema)


def _pinned(package: str) -> str:
    text = (DOCS.parent / "constraints.txt").read_text()
    return re.search(rf"^{package}==(.*)$", text, re.MULTILINE)[1]
