"""Pure scoring functions that agree with the original scorers, case by case.

Nothing here knows a model, a file or the engine's ledger; each module can be used alone:

* `tasks.scoring.geneval`: detections to verdict, and the summary over images;
* `tasks.scoring.mmbench`: option extraction and circular evaluation;
* `tasks.scoring.ocr`: exact match, OCRBench containment, CER, word accuracy, NED, ANLS;
* `tasks.scoring.vqa`: closed vocabularies, VQA accuracy, relaxed accuracy, yes/no answers;
* `tasks.scoring.images`: PSNR and SSIM.

The modules aren't imported here, so that listing tasks stays light.
"""

__all__ = ["geneval", "images", "mmbench", "ocr", "vqa"]
