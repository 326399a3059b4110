"""Pure scoring functions that agree with the original scorers, case by case.

Nothing here knows a model, a file or the engine's ledger; each module can be used alone:

* `tasks.scoring.choice`: multiple choice under every policy by name, `EXTRACTORS[name](prediction,
  options)`, and `judge_choice`;
* `tasks.scoring.lmms_choice`, `tasks.scoring.cheers_wrapper`: the rules of lmms-eval and of the
  CHEERS wrapper behind those policies;
* `tasks.scoring.mmbench`: VLMEvalKit's option matching (`variant="corrected"` or `"legacy"`),
  circular evaluation, accuracy by category and by pairs;
* `tasks.scoring.mmmu`, `tasks.scoring.mme`, `tasks.scoring.mmstar`, `tasks.scoring.realworldqa`,
  `tasks.scoring.mathvista`: what these benchmarks have of their own;
* `tasks.scoring.ocr`: exact match, OCRBench containment, CER, word accuracy, NED,
  `anls(..., variant=)`;
* `tasks.scoring.ocrbench_v2`: OCRBench v2's rules that need nothing but text and boxes;
* `tasks.scoring.vqa`: closed vocabularies, VQA accuracy, `relaxed_accuracy(..., variant)`;
* `tasks.scoring.yesno`: yes/no answers, and POPE's figures by `binary_scores`;
* `tasks.scoring.geneval`: detections to verdict, and the summary over images;
* `tasks.scoring.dpg`, `tasks.scoring.soft_tifa`: answers about generated images to scores;
* `tasks.scoring.spreadsheet`: what a passage through a spreadsheet does to predictions;
* `tasks.scoring.images`: PSNR and SSIM.

Of a rule that was corrected, `legacy` is the one that published numbers were taken with; the page
docs/scorers.md lists sources, variants and examples. The modules aren't imported here, so that
listing tasks stays light.
"""

__all__ = [
    "cheers_wrapper",
    "choice",
    "dpg",
    "edit_distance",
    "geneval",
    "images",
    "lmms_choice",
    "mathvista",
    "mmbench",
    "mme",
    "mmmu",
    "mmstar",
    "ocr",
    "ocrbench_v2",
    "realworldqa",
    "soft_tifa",
    "spreadsheet",
    "vqa",
    "yesno",
]
