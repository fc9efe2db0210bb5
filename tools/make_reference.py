"""Runs what others wrote once, and keeps what it says in tests/references/.

    PYTHON tools/make_reference.py torch       torch, torchvision, scikit-image
    PYTHON tools/make_reference.py caffe       OpenCV before 5, and TensorFlow

torch: `torch.pth`, tensors of every kind; `torch_resnet{18,50}.pth`, torchvision's own
blocks in a network of 2 channels at the stem, with random weights, and in the .npz of
that name two photographs and what the network says of them, stage by stage.

caffe: `caffe.npz`: the bytes of a small .caffemodel, and what OpenCV's reader of Caffe
makes of an image with it.
"""

import pathlib
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
OUT = ROOT / "tests" / "references"
BASE = 2  # Channels of the stem, 64 in the original.


def photographs():
    """Two, `[2, 66, 64, 3]`, uint8."""
    import skimage

    both = skimage.data.astronaut()[::6, ::7], skimage.data.coffee()[::5, ::8]
    return np.stack([image[:66, :64] for image in both])


def torch_reference():
    sys.path.insert(0, str(ROOT / "tools" / "peers"))
    import torch
    import torchvision_shim  # noqa: F401, before torchvision

    torch.manual_seed(0)
    torch.save(kinds(torch), OUT / "torch.pth")
    images = photographs()
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    shown = np.moveaxis((images / 255 - mean) / std, -1, 1).astype("float32")
    for depth in (18, 50):
        network = small_resnet(torch, depth)
        torch.save(network.state_dict(), OUT / f"torch_resnet{depth}.pth")
        seen = {}
        for name in ("maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool"):
            getattr(network, name).register_forward_hook(
                lambda _, __, out, name=name, seen=seen: seen.update(
                    {name: out.numpy()}
                )
            )
        with torch.no_grad():
            network(torch.from_numpy(shown.copy()))
        seen = {name: np.moveaxis(array, 1, -1) for name, array in seen.items()}
        np.savez_compressed(OUT / f"torch_resnet{depth}.npz", images=images, **seen)


def kinds(torch):
    """What tests/converters/readers/test_torch_zip.py asks for."""
    plain = torch.arange(6).reshape(2, 3)
    names = "float64 float32 float16 bfloat16 int64 int32 int16 int8 bool".split()
    state = {name: (plain - 2).to(getattr(torch, name)) for name in names}
    state["uint8"] = (plain - 2).to(torch.uint8)
    state["transposed"] = plain.T
    state["every second"] = torch.arange(6)[::2]
    state["parameter"] = torch.nn.Parameter(torch.ones(2))
    kernel = torch.arange(24).reshape(2, 3, 2, 2)
    state["channels last"] = kernel.contiguous(memory_format=torch.channels_last)
    state["no axes"] = torch.tensor(7)
    linear = torch.nn.Linear(2, 1, bias=False)
    linear.weight.data = torch.tensor([[0.5, -0.5]])
    return {"state_dict": state, "epoch": 3, "module": linear.state_dict()}


def small_resnet(torch, depth):
    """torchvision's ResNet, by its own blocks and its own way through, but narrow."""
    from torchvision.models import resnet

    block = resnet.Bottleneck if depth >= 50 else resnet.BasicBlock

    class Small(resnet.ResNet):
        def __init__(self, counts):
            torch.nn.Module.__init__(self)
            self._norm_layer = torch.nn.BatchNorm2d
            self.inplanes, self.dilation = BASE, 1
            self.groups, self.base_width = 1, 64
            self.conv1 = torch.nn.Conv2d(3, BASE, 7, 2, 3, bias=False)
            self.bn1, self.relu = torch.nn.BatchNorm2d(BASE), torch.nn.ReLU()
            self.maxpool = torch.nn.MaxPool2d(3, 2, 1)
            for group, count in enumerate(counts, start=1):
                stride = 1 if group == 1 else 2
                layer = self._make_layer(block, BASE * 2 ** (group - 1), count, stride)
                setattr(self, f"layer{group}", layer)
            self.avgpool = torch.nn.AdaptiveAvgPool2d((1, 1))
            self.fc = torch.nn.Linear(self.inplanes, 3)

    network = Small({18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}[depth]).eval()
    for name, value in network.state_dict().items():
        if value.dim() == 4:
            fan_in = value[0].numel()
            value.normal_(0, (2 / fan_in) ** 0.5)
        elif name.endswith(("running_var", "weight")) and value.dim() == 1:
            value.uniform_(0.5, 1.5)
        elif value.dim() == 1:
            value.normal_(0, 0.2)
    return network


def caffe_reference():
    import cv2

    rng = np.random.default_rng(0)
    sys.path.insert(0, str(ROOT / "tests" / "converters" / "readers"))
    import test_caffe

    arrays = {
        "conv1/0": rng.normal(0, 0.3, (4, 3, 3, 3)).astype("f4"),
        "conv1/1": rng.normal(size=4).astype("f4"),
        "fc2/0": rng.normal(0, 0.1, (5, 4 * 6 * 6)).astype("f4"),
        "fc2/1": rng.normal(size=5).astype("f4"),
    }
    data = test_caffe.net(arrays)
    text = np.frombuffer(PROTOTXT.encode(), "u1")
    data = np.frombuffer(data, "u1")
    network = cv2.dnn.readNetFromCaffe(text, data)
    image = rng.random((1, 3, 8, 8)).astype("f4")
    network.setInput(image)
    out = network.forward("fc2")
    np.savez_compressed(OUT / "caffe.npz", caffemodel=data, image=image, fc2=out)


PROTOTXT = """
input: "data"
input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "fc2" type: "InnerProduct" bottom: "conv1" top: "fc2"
        inner_product_param { num_output: 5 } }
"""


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    {"torch": torch_reference, "caffe": caffe_reference}[sys.argv[1]]()


if __name__ == "__main__":
    main()
