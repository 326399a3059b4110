"""Mask2Former (Cheng et al., 2022), GenEval's detector: two backends that give the same objects.

`transformers` needs no compiled package and is the default; `mmdet` is the official one. Both share
preparation and post-processing of mmdet 3.x, and `convert` carries weights from one to the other.
"""

from tasks.judges.mask2former.outputs import MAX_INSTANCES, instances_of
from tasks.judges.mask2former.preparation import Prepared, pad_together, prepare

__all__ = ["MAX_INSTANCES", "Prepared", "instances_of", "pad_together", "prepare"]
