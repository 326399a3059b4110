"""`geneval2`: prompts of three to ten atoms, scored by Soft-TIFA.

The measure is that of GenEval 2 (arXiv 2512.16853); see `tasks.scoring.soft_tifa`. The judge is any
registered model that gives log-likelihoods; another judge is another protocol.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from harness.data.hashing import hash_file
from harness.records import (
    Capability,
    DatasetInfo,
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
from tasks.asked import AskedTask
from tasks.drawing import picture_of

if TYPE_CHECKING:
    from tasks.judges.likelihood import ExpectedAnswer, LikelihoodJudge

__all__ = ["GenEval2"]

_SURE = 0.5


class GenEval2(AskedTask["LikelihoodJudge"]):
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

    places = frozenset({"prompts", "sha256", "judge", "judge_args"})
    file_option = "prompts"
    file_kind = "prompt file"
    file_origin = (
        "geneval2_data.jsonl of facebookresearch/GenEval2 (CC BY-NC 4.0: no commercial use)"
    )
    judge_kind = "a model with log-likelihoods"

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

    def scorer(self) -> Identity:
        """Soft-TIFA."""
        return Identity(id="soft-tifa", version="1")

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

    def _build_judge(self, model: str, template: str, args: Any) -> LikelihoodJudge:
        from tasks.judges.likelihood import LikelihoodJudge

        return LikelihoodJudge(model, template, args)

    def _ask(self, questions: Sequence[ExpectedAnswer]) -> list[Mapping[str, float]]:
        return self._judge().loglikelihoods(questions)

    def _questions(self, sample: Sample, response: Response) -> list[ExpectedAnswer]:
        from tasks.judges.likelihood import ExpectedAnswer

        image, atoms = picture_of(response), _target(sample)
        return [ExpectedAnswer(image, atom["question"], atom["answer"]) for atom in atoms]

    def _outcome(self, sample: Sample, answers: Sequence[Mapping[str, float]]) -> Outcome:
        from tasks.scoring.soft_tifa import answer_probability, arithmetic_mean, geometric_mean

        atoms = _target(sample)
        probabilities = []
        for atom, values in zip(atoms, answers, strict=True):
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

    def _official(self) -> DatasetInfo:
        from tasks.geneval2.prompts import OFFICIAL_SHA256

        return msgspec.structs.replace(self.metadata.dataset, sha256=OFFICIAL_SHA256)

    def _is_official(self, path: Path) -> bool:
        return hash_file(path) == self._official().sha256


def _target(sample: Sample) -> Any:
    return sample.target


def _atoms(row: ScoredSample) -> Any:
    from tasks.scoring.soft_tifa import Atom

    atoms = _target(row.sample)
    found: Any = row.outcome.details["probabilities"]
    pairs = zip(atoms, found, strict=True)
    return [Atom(skill=atom["skill"], probability=float(value)) for atom, value in pairs]
