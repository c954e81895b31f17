"""torchvision, also where its wheel was built for another torch than the installed one.

Classification models need none of torchvision's compiled operators, but its import registers shape rules for two and
fails when they are missing. Declaring their signatures is enough.
"""

import torch

try:
    import torchvision
except RuntimeError:
    _declared = torch.library.Library("torchvision", "DEF")
    for _name in ("nms", "qnms"):
        _declared.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision
