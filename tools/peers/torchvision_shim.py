"""Lets torchvision be imported beside a PyTorch whose operators it was not built for.

As it is imported, torchvision says what shape each of its compiled operators gives, and
fails where one is not there. So each name is declared here, with a signature that is
never used: transforms and models work, and whatever needs an operator (nms, RoI,
deformable convolution) raises when it is called. Import this before torchvision.
"""

import torch

POOLS = ("roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "deform_conv2d")
NAMES = ("nms", "qnms", *POOLS, *(f"_{name}_backward" for name in POOLS))

library = torch.library.Library("torchvision", "DEF")
for name in NAMES:
    library.define(f"{name}(Tensor x) -> Tensor")
