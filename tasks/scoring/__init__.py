"""Pure scoring functions that agree with the original scorers, case by case.

Nothing here knows a model, a file or the engine's ledger; each module can be used alone:

* `tasks.scoring.geneval`: detections to verdict, and the summary over images;
* `tasks.scoring.mmbench`: option extraction and circular evaluation;
* `tasks.scoring.ocr`: exact match, OCRBench containment, CER, word accuracy, NED, ANLS;
* `tasks.scoring.vqa`: closed vocabularies, VQA accuracy, relaxed accuracy;
* `tasks.scoring.yesno`: yes/no answers and POPE's totals;
* `tasks.scoring.spreadsheet`: what a passage through a spreadsheet does to predictions;
* `tasks.scoring.images`: PSNR and SSIM.

The modules aren't imported here, so that listing tasks stays light.
"""

__all__ = ["edit_distance", "geneval", "images", "mmbench", "ocr", "spreadsheet", "vqa", "yesno"]
