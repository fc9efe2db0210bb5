"""Lets torchvision be imported beside a PyTorch whose operators it was not built for.

torchvision registers shape functions and gradients for its compiled operators as it is
imported, and fails where they are not there. So each is declared here, without a body:
transforms and models work, and what needs an operator (nms, RoI, deformable
convolution) raises when it is called. Import this before torchvision.
"""

import torch

ROI = "Tensor input, Tensor rois, float spatial_scale, {size}"
GRAD = "Tensor grad, Tensor rois, {more}float spatial_scale, {size}"
SIZE = "int pooled_height, int pooled_width"
SHAPE = "int batch_size, int channels, int height, int width"
RATIO = "int sampling_ratio"
DEFORM = "Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, "
DEFORM_ROOM = ", ".join(f"int {name}" for name in "abcdefgh") + ", bool masked"
CHANNELS = "Tensor channel_mapping, "


def signatures():
    """name -> "(arguments) -> results"."""
    align, pool = f"{SIZE}, {RATIO}", SIZE
    kinds = {  # name: (after the scale, what the gradient needs beside, results)
        "roi_align": (f"{align}, bool aligned", "", 1),
        "roi_pool": (pool, "Tensor argmax, ", 2),
        "ps_roi_align": (align, CHANNELS, 2),
        "ps_roi_pool": (pool, CHANNELS, 2),
    }
    yield "nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    for name, (size, more, results) in kinds.items():
        result = "Tensor" if results == 1 else "(Tensor, Tensor)"
        yield name, f"({ROI.format(size=size)}) -> {result}"
        # The gradient has the shape of the input before what only alignment has.
        size = size.replace(RATIO, f"{RATIO}, {SHAPE}") if RATIO in size else size
        size = size if RATIO in size else f"{size}, {SHAPE}"
        if name == "roi_align":
            size = f"{SIZE}, {SHAPE}, {RATIO}, bool aligned"
        yield f"_{name}_backward", f"({GRAD.format(more=more, size=size)}) -> Tensor"
    yield "deform_conv2d", f"({DEFORM}{DEFORM_ROOM}) -> Tensor"
    results = ", ".join(["Tensor"] * 5)
    yield (
        "_deform_conv2d_backward",
        f"(Tensor grad, {DEFORM}{DEFORM_ROOM}) -> ({results})",
    )


library = torch.library.Library("torchvision", "DEF")
for name, arguments in signatures():
    library.define(name + arguments)
