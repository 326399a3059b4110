"""`make demo-compare` in small: the endpoint, the random pipeline, and the whole with a control."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from harness.models import build_model, model_ref
from harness.parity import measure_parity
from harness.records import AnswerRequest, FinishReason, GenerateImageRequest, TextDecoding
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from model_adapters.null import NullModel
from model_adapters.openai.adapter import OpenAIEndpoint
from recipes.compare.__main__ import METRICS, TASKS, compare
from recipes.compare.pipeline import write_pipeline
from recipes.compare.serve import read_request, serving
from tasks.probes.inputs import picture


class Looking(NullModel):
    """Says what it was asked, so that nothing can be lost on the way."""

    def answer(self, requests: Any) -> Any:
        from harness.records import Response, Usage

        (request,) = requests
        seen = ",".join(str(image.getpixel((0, 0))) for image in request.images)
        text = f"{request.prompt}|{seen}|{request.decoding.max_new_tokens}"
        used = Usage(prompt_tokens=3, completion_tokens=2, vision_tokens=4)
        return [Response(text=text, usage=used, finish_reason=FinishReason.LENGTH)]


@pytest.mark.parametrize("stream", [True, False])
def test_what_is_asked_arrives_and_what_is_said_comes_back(stream: bool):
    image = picture(1, 20, 10)
    request = AnswerRequest(
        prompt="wh\u00e4t\nis it?", images=(image,), decoding=TextDecoding(max_new_tokens=7)
    )
    with serving(Looking(), "looking") as url:
        endpoint = OpenAIEndpoint(url, model="looking", stream=stream)
        (response,) = endpoint.answer([request])
        endpoint.close()
    assert response.text == f"wh\u00e4t\nis it?|{image.getpixel((0, 0))}|7"
    assert response.finish_reason is FinishReason.LENGTH
    assert response.usage.completion_tokens == 2


def test_a_served_model_is_the_model(tmp_path: Path):
    task = TaskRef(task="shapes-mmbench", options={"questions": 4})

    def run(name: str, **args: Any) -> Path:
        out = tmp_path / name
        execute(RunSpec(tasks=(task,), model=ModelRef(name=name, args=args), out=str(out)))
        return out

    here = run("null", answer="B")
    with serving(NullModel(answer="B"), "null") as url:
        there = run("openai", path=url, model="null")
    (found,) = measure_parity(here, there).tasks
    assert (found.samples, found.agreed) == (16, 1)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{}",
        b'{"messages": []}',
        b'{"messages": [{"content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}',
        b'{"messages": [{"content": "a"}], "max_tokens": "many"}',
    ],
)
def test_nonsense_is_refused_and_the_server_goes_on(body: bytes):
    with serving(NullModel(), "null") as url:
        for _ in range(2):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(f"{url}/chat/completions", data=body)
            assert caught.value.code == 400
            assert json.loads(caught.value.read())["error"]["message"]
        whole = json.dumps({"messages": [{"role": "user", "content": "a"}]}).encode()
        with urllib.request.urlopen(f"{url}/chat/completions", data=whole) as answer:
            assert json.loads(answer.read())["choices"][0]["message"]["content"] == "A"


def test_a_body_is_read_with_all_its_settings():
    request = read_request(
        {
            "messages": [{"content": [{"type": "text", "text": t} for t in ("a", "b")]}],
            "temperature": 0.5,
            "top_p": 0.9,
            "stop": "x",
            "seed": 4,
        }
    )
    assert request.prompt == "a\nb"
    assert request.decoding == TextDecoding(temperature=0.5, top_p=0.9, stop=("x",))
    assert request.seed == 4


def test_the_random_pipeline_is_driven_like_a_real_one(tmp_path: Path):
    first, again = (write_pipeline(tmp_path / name) for name in ("one", "two"))
    other = write_pipeline(tmp_path / "other", seed=1)
    args = {"device": "cpu", "steps": 2}
    built = [build_model(model_ref(f"diffusers:{path}", args)) for path in (first, again, other)]
    prints = [model.fingerprint() for model in built]
    assert prints[0] == prints[1]
    assert prints[0].weights_sha256 != prints[2].weights_sha256
    (drawn,) = built[0].generate_image([GenerateImageRequest(prompt="a circle", seed=1)])
    assert drawn.image.size == (64, 64)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("matplotlib")
    out = tmp_path_factory.mktemp("compare")
    compare(["null", "null"], out, _small())
    return out


def _small() -> tuple[TaskRef, ...]:
    few = {"shapes-geneval": {"prompts": 1, "images": 1}, "shapes-mmbench": {"questions": 2}}
    return tuple(
        TaskRef(task=ref.task, options={**ref.options, **few.get(ref.task, {})}) for ref in TASKS
    )


def test_models_of_every_kind_stand_in_one_table(compared: Path):
    rows = re.findall(r"^\| ([^|]+) \|(.*)\|$", (compared / "compare.md").read_text(), re.MULTILINE)
    labels = {label for label, _ in rows[2:]}
    assert {"diffusers, random weights", "null, recorded", "null, served"} <= labels
    assert any(label.startswith("null (") for label in labels)  # two runs of one label
    cells = dict(rows)
    assert "n/a" in cells["diffusers, random weights"]  # it answers nothing
    assert "ms" in cells["null, served"]
    heading = dict(rows)["model"]
    for metric in METRICS:
        assert metric.partition(".")[2].replace("_", "\\_") in heading


def test_the_figures_and_the_page_are_there(compared: Path):
    assert {path.name for path in compared.iterdir() if path.is_file()} == {
        "compare.html",
        "compare.md",
        "pareto-shapes-geneval.svg",
        "pareto-shapes-mmbench.svg",
    }


REPO = Path(__file__).parents[2]
DEFAULT = ("cheers-nano", "cheers-nano-untrained", "tar-tiny-untrained")


def test_the_make_verb_takes_a_list_of_models():
    text = (REPO / "Makefile").read_text()
    found = re.search(r"^COMPARE_MODELS \?= (.*)$", text, re.MULTILINE)
    assert found is not None
    assert tuple(found[1].split()) == DEFAULT
    assert "-m recipes.compare --out runs/compare $(COMPARE_MODELS)" in text


def test_the_page_names_the_models_that_the_verb_runs():
    text = (REPO / "docs/models.md").read_text()
    (said,) = re.findall(r"\(default: ([^)]*)\)", text.partition("make demo-compare")[2])[:1]
    assert re.findall(r"`([^`]+)`", said) == ["cheers-nano", "tar-tiny-untrained"]
    assert "its untrained control" in said


@pytest.mark.slow
def test_models_of_two_kinds_draw_and_answer_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("recipes.compare.__main__.METRICS", METRICS[:2])  # without the probes
    models = ("cheers-nano-untrained", "tar-tiny-untrained")
    text = compare(models, tmp_path, _small()[:2]).read_text()
    rows = dict(re.findall(r"^\| ([^|]+) \|(.*)\|$", text, re.MULTILINE))
    for model in models:
        cells = rows[f"{model} (control)"].split("|")
        assert len(cells) == 4
        assert all(re.search(r"\d", cell) for cell in cells)
