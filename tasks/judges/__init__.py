"""Networks that judge images: object detectors and colour classifiers, behind small interfaces.

A judge is made once per task, sees images in batches, and says exactly what it is: its identity
goes into the protocol. Backends import torch when they are built, never when they are listed.
"""

from tasks.judges.interface import ColorJudge, Crop, Instances, ObjectDetector
from tasks.judges.rle import RLE, decode_mask, encode_mask, mask_box

__all__ = [
    "RLE",
    "ColorJudge",
    "Crop",
    "Instances",
    "ObjectDetector",
    "decode_mask",
    "encode_mask",
    "mask_box",
]
