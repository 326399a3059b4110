"""`geneval2`: prompts of three to ten atoms, scored by Soft-TIFA.

The measure is that of GenEval 2 (arXiv 2512.16853); see `tasks.scoring.soft_tifa`. The judge is any
registered model that gives log-likelihoods; another judge is another protocol.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from harness.errors import DataError, SpecError
from harness.records import (
    Capability,
    DatasetInfo,
    GenerateImageRequest,
    Identity,
    JsonValue,
    MetricSpec,
    Modality,
    Outcome,
    Protocol,
    Response,
    Sample,
    ScoredSample,
    TaskMetadata,
    TaskResult,
    Verdict,
)
from harness.task import Task
from tasks.data_files import check_hash, hash_file, locate

if TYPE_CHECKING:
    from tasks.judges.likelihood import ExpectedAnswer, LikelihoodJudge

__all__ = ["GenEval2"]

_WHERE = frozenset({"prompts", "sha256", "judge", "judge_args"})
"""Options that say where things are; their contents are in the protocol as hash and identity."""

_SURE = 0.5


class GenEval2(Task):
    """Draw a compositional prompt; a judge says how likely each of its atoms is there.

    `gm` is the primary metric: the chance that all of a prompt is there. An image is `ok` if every
    atom is more likely than not.
    """

    metadata = TaskMetadata(
        name="geneval2",
        summary="GenEval 2's compositional prompts by Soft-TIFA (data: non-commercial).",
        version=1,
        requires=frozenset({Capability.GENERATE_IMAGE}),
        inputs=(Modality.TEXT,),
        outputs=(Modality.IMAGE,),
        dataset=DatasetInfo(
            name="geneval2",
            revision="facebookresearch/GenEval2",
            split="test",
            licence="CC-BY-NC-4.0",
            source="geneval2_data.jsonl of its repository",
        ),
        metrics=(
            MetricSpec(
                name="gm", score="gm", description="Geometric mean of a prompt's atoms, averaged."
            ),
            MetricSpec(
                name="am", score="am", description="Arithmetic mean of a prompt's atoms, averaged."
            ),
        ),
        protocol_id="geneval2/v1",
        citation="GenEval 2: Addressing Benchmark Drift in Text-to-Image Evaluation, "
        "arXiv 2512.16853, 2025.",
    )

    defaults: ClassVar[Mapping[str, JsonValue]] = {
        "prompts": "",
        "sha256": "",
        "images": 1,
        "judge": "",
        "judge_args": {},
        "judge_template": "{question} Answer in one word.",
    }

    def __init__(self, options: Mapping[str, JsonValue] | None = None) -> None:
        super().__init__(options)
        self._loaded: LikelihoodJudge | None = None

    def samples(self) -> Iterator[Sample]:
        """`images` samples of each prompt, grouped by their number of atoms."""
        from tasks.geneval2.prompts import read_prompts

        for index, prompt in enumerate(read_prompts(self._path())):
            atoms = msgspec.json.decode(msgspec.json.encode(prompt.atoms))
            for k in range(self.repeats()):
                yield Sample(
                    id=f"{index:05d}",
                    k=k,
                    category=f"{prompt.atom_count} atoms",
                    target=atoms,
                    data={"prompt": prompt.text},
                )

    def request(self, sample: Sample, seed: int) -> GenerateImageRequest:
        """The bare prompt."""
        return GenerateImageRequest(prompt=str(sample.data["prompt"]), seed=seed)

    def preflight(self) -> None:
        """Check that prompts and judge are there, before hours are spent on drawing.

        Raises:
            BenchError: One is missing, or the prompt file hasn't the demanded sha256.
        """
        check_hash(self._path(), str(self.options["sha256"]), "geneval2's prompt file")
        self._judge()

    def prepare(self) -> None:
        """Load the judge.

        Raises:
            BenchError: It can't be loaded.
        """
        self._judge()

    def score(self, sample: Sample, response: Response) -> Outcome:
        """Judge one image."""
        return self.score_batch([(sample, response)])[0]

    def score_batch(self, pairs: Sequence[tuple[Sample, Response]]) -> list[Outcome]:
        """Ask the judge about all atoms of all images together."""
        asked = [_expected(sample, response) for sample, response in pairs]
        found = iter(self._judge().loglikelihoods([one for part in asked for one in part]))
        return [
            _outcome(sample, [next(found) for _ in part])
            for (sample, _), part in zip(pairs, asked, strict=True)
        ]

    def scorer(self) -> Identity:
        """Soft-TIFA."""
        return Identity(id="soft-tifa", version="1")

    def judge(self) -> Identity:
        """The judging model, with the hash of its weights and how it's asked."""
        if not self.options["judge"]:
            return Identity(id="none chosen", version="")
        return self._judge().identity()

    def prompt_template(self) -> str:
        """The prompt alone."""
        return "{prompt}"

    def repeats(self) -> int:
        """Images per prompt."""
        return self.whole("images", 1)

    def protocol(self, seed: int, limit: int | None = None) -> Protocol:
        """The protocol, with the hash of the prompt file and without its path."""
        plain = super().protocol(seed, limit)
        kept = {name: value for name, value in plain.options.items() if name not in _WHERE}
        return msgspec.structs.replace(plain, dataset=self._dataset(), options=kept)

    def aggregate(self, scored: Sequence[ScoredSample], protocol: Protocol) -> TaskResult:
        """The metrics; means by skill and by number of atoms are in `extra`."""
        from tasks.scoring.soft_tifa import summarise_soft_tifa

        rows = list(scored)
        known = [row for row in rows if row.outcome.verdict.is_known]
        result = super().aggregate(rows, protocol)
        if not known:
            return result
        summary = summarise_soft_tifa([_atoms(row) for row in known])
        groups = sorted({str(row.sample.category) for row in known})
        by_count = {
            name: summarise_soft_tifa([_atoms(r) for r in known if r.sample.category == name]).gm
            for name in groups
        }
        return msgspec.structs.replace(
            result, extra={"skills": dict(summary.skills), "gm_by_atoms": by_count}
        )

    def _dataset(self) -> DatasetInfo:
        """The file's hash; a file that isn't the official one doesn't pass for it."""
        from tasks.geneval2.prompts import OFFICIAL_SHA256

        known = self.metadata.dataset
        if not self.options["prompts"]:
            return msgspec.structs.replace(known, sha256=OFFICIAL_SHA256)
        found = hash_file(self._path())
        if found == OFFICIAL_SHA256:
            return msgspec.structs.replace(known, sha256=found)
        return DatasetInfo(
            name="geneval2-file", revision=found[:12], split="test", licence="unknown", sha256=found
        )

    def _path(self) -> Path:
        if not self.options["prompts"]:
            raise DataError(
                "geneval2 needs its prompt file, which isn't part of this package",
                "give --task-option geneval2.prompts=FILE with geneval2_data.jsonl of "
                "facebookresearch/GenEval2 (CC BY-NC 4.0: no commercial use)",
            )
        return locate(str(self.options["prompts"]), "prompt file")

    def _judge(self) -> LikelihoodJudge:
        if self._loaded is None:
            from tasks.judges.likelihood import LikelihoodJudge

            if not self.options["judge"]:
                raise SpecError(
                    "geneval2 has no judge",
                    "give --task-option geneval2.judge=MODEL, a model with log-likelihoods",
                )
            options: Any = self.options
            self._loaded = LikelihoodJudge(
                options["judge"], options["judge_template"], options["judge_args"]
            )
        return self._loaded


def _expected(sample: Sample, response: Response) -> list[ExpectedAnswer]:
    from tasks.judges.likelihood import ExpectedAnswer

    if response.image is None:
        raise ValueError("the response has no picture to judge")
    atoms: Any = sample.target
    return [ExpectedAnswer(response.image, atom["question"], atom["answer"]) for atom in atoms]


def _outcome(sample: Sample, found: Sequence[Mapping[str, float]]) -> Outcome:
    from tasks.scoring.soft_tifa import answer_probability, arithmetic_mean, geometric_mean

    atoms: Any = sample.target
    probabilities = []
    for atom, values in zip(atoms, found, strict=True):
        try:
            probabilities.append(answer_probability(values))
        except ValueError as error:
            reason = f"the judge on {atom['question']!r}: {error}"
            return Outcome(verdict=Verdict.JUDGE_FAILED, reason=reason)
    worst = min(range(len(atoms)), key=lambda i: probabilities[i])
    right = probabilities[worst] > _SURE
    question, answer = atoms[worst]["question"], atoms[worst]["answer"]
    return Outcome(
        verdict=Verdict.OK if right else Verdict.WRONG,
        reason="" if right else f"{question} {answer}: {probabilities[worst]:.3f}",
        scores={"gm": geometric_mean(probabilities), "am": arithmetic_mean(probabilities)},
        details={"probabilities": probabilities},
    )


def _atoms(row: ScoredSample) -> Any:
    from tasks.scoring.soft_tifa import Atom

    atoms: Any = row.sample.target
    found: Any = row.outcome.details["probabilities"]
    pairs = zip(atoms, found, strict=True)
    return [Atom(skill=atom["skill"], probability=float(value)) for atom, value in pairs]
