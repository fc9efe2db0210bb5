"""Runs what others wrote once, and keeps what it says in tests/references/.

    PYTHON tools/make_reference.py torch       torch, torchvision, scikit-image
    PYTHON tools/make_reference.py timm        the same, timm 1.0, safetensors
    PYTHON tools/make_reference.py vgg         torch, torchvision, scikit-image
    PYTHON tools/make_reference.py caffe       OpenCV before 5, and TensorFlow
    PYTHON tools/make_reference.py caffe_nets  OpenCV before 5, scikit-image, h5py

torch: `torch.pth`, tensors of every kind; `torch_resnet{18,50}.pth`, torchvision's own
blocks in a network of 2 channels at the stem, with random weights, and in the .npz of
that name two photographs and what the network says of them, stage by stage.

timm: `timm_resnet{18,50}.safetensors`, the same of timm's blocks, and their .npz.

vgg: `torch_vgg{16,19bn}.npz`, torchvision's VGG of a 64th of its width: random weights,
and what it says of two photographs, in front of each pool and behind fc6 and fc7.

caffe: `caffe.npz`: the bytes of a small .caffemodel, and what OpenCV's reader of Caffe
makes of an image with it.

caffe_nets: `caffe_nets.npz`: what OpenCV makes of photographs with the networks of
tests/converters/caffe_nets.py; their weights come of a seed.
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
    for depth in (18, 50):
        network = small_resnet(torch, depth)
        torch.save(network.state_dict(), OUT / f"torch_resnet{depth}.pth")
        keep_stages(torch, network, "avgpool", OUT / f"torch_resnet{depth}.npz")


def timm_reference():
    sys.path.insert(0, str(ROOT / "tools" / "peers"))
    import torch
    import torchvision_shim  # noqa: F401, before timm
    from safetensors.torch import save_file

    torch.manual_seed(0)
    for depth in (18, 50):
        network = small_timm(torch, depth)
        save_file(network.state_dict(), OUT / f"timm_resnet{depth}.safetensors")
        keep_stages(torch, network, "global_pool", OUT / f"timm_resnet{depth}.npz")


def keep_stages(torch, network, pool, path):
    """Two photographs, and what the network says of them, stage by stage."""
    images, seen = photographs(), {}
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    shown = np.moveaxis((images / 255 - mean) / std, -1, 1).astype("float32")

    for name in ("maxpool", "layer1", "layer2", "layer3", "layer4", pool):

        def keep(_, __, out, name=name):
            array = out.numpy()
            seen[name] = np.moveaxis(array, 1, -1) if array.ndim == 4 else array

        getattr(network, name).register_forward_hook(keep)
    with torch.no_grad():
        network(torch.from_numpy(shown.copy()))
    np.savez_compressed(path, images=images, **seen)


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

    return shaken(Small({18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}[depth]).eval())


def small_timm(torch, depth):
    """timm's ResNet, by its own blocks and its own way through, but narrow."""
    from timm.models import resnet

    block = resnet.Bottleneck if depth >= 50 else resnet.BasicBlock
    counts = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}[depth]
    channels = [BASE * 2**group for group in range(4)]
    network = resnet.ResNet(block, counts, num_classes=3, channels=channels)
    # Its stem has 64 channels whatever the groups have.
    network.conv1 = torch.nn.Conv2d(3, BASE, 7, 2, 3, bias=False)
    network.bn1 = torch.nn.BatchNorm2d(BASE)
    groups, _ = resnet.make_blocks([block] * 4, channels, counts, BASE)
    for name, group in groups:
        setattr(network, name, group)
    return shaken(network.eval())


def shaken(network):
    """As if trained: no weight is as it began."""
    for name, value in network.state_dict().items():
        if value.dim() in (2, 4):
            fan_in = value[0].numel()
            value.normal_(0, (2 / fan_in) ** 0.5)
        elif name.endswith(("running_var", "weight")) and value.dim() == 1:
            value.uniform_(0.5, 1.5)
        elif value.dim() == 1:
            value.normal_(0, 0.2)
    return network


def vgg_reference():
    sys.path.insert(0, str(ROOT / "tools" / "peers"))
    import skimage
    import torch
    import torchvision_shim  # noqa: F401, before torchvision

    torch.manual_seed(0)
    both = skimage.data.astronaut(), skimage.data.coffee()
    images = np.stack([image[:224, :224] for image in both])
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    shown = np.moveaxis((images / 255 - mean) / std, -1, 1).astype("float32")
    for name, counts, norm in (
        ("vgg16", (2, 2, 3, 3, 3), False),
        ("vgg19bn", (2, 2, 4, 4, 4), True),
    ):
        network, seen = small_vgg(torch, counts, norm), {}

        def keep(_, inputs, seen=seen):
            step = inputs[0].shape[-1] // 14  # Some places of large maps.
            some = inputs[0][:, :, ::step, ::step]
            seen[f"pool{len(seen)}"] = np.moveaxis(some.numpy(), 1, -1)

        for layer in network.features:
            if isinstance(layer, torch.nn.MaxPool2d):
                layer.register_forward_pre_hook(keep)
        for place, of in ((1, "fc6"), (4, "fc7")):  # Behind the ReLU.
            network.classifier[place].register_forward_hook(
                lambda _, __, out, of=of, seen=seen: seen.update({of: out.numpy()})
            )
        with torch.no_grad():
            network(torch.from_numpy(shown.copy()))
        state = {f"state/{k}": v.numpy() for k, v in network.state_dict().items()}
        np.savez_compressed(OUT / f"torch_{name}.npz", **state, **seen)


def small_vgg(torch, counts, norm):
    """torchvision's VGG of its own layers, but narrow."""
    from torchvision.models import vgg

    plan = []
    for channels, count in zip((1, 2, 4, 8, 8), counts):
        plan += [channels] * count + ["M"]
    network = vgg.VGG(vgg.make_layers(plan, norm), init_weights=False)
    network.classifier[0] = torch.nn.Linear(8 * 7 * 7, 64)
    network.classifier[3] = torch.nn.Linear(64, 64)
    network.classifier[6] = torch.nn.Linear(64, 3)
    return shaken(network.eval())


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


def caffe_nets_reference():
    import cv2

    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "converters" / "readers")]
    import test_caffe

    from tests.converters import caffe_nets

    answers = {}
    for reference, (name, shown) in caffe_nets.SHOWN.items():
        net = caffe_nets.NETS[name]()
        data = np.frombuffer(test_caffe.net(net.arrays), "u1")
        network = cv2.dnn.readNetFromCaffe(np.frombuffer(net.text.encode(), "u1"), data)
        network.enableFusion(False)
        network.enableWinograd(False)
        network.setInput(np.moveaxis(shown(), -1, 1).astype("float32"))
        features, layers = zip(*net.seen)
        for feature, value in zip(features, network.forward(layers)):
            value = caffe_nets.sampled(np.moveaxis(value, 1, -1))
            answers[f"{reference}/{feature}"] = value
    np.savez_compressed(OUT / "caffe_nets.npz", **answers)


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
    makers = {
        "torch": torch_reference,
        "timm": timm_reference,
        "vgg": vgg_reference,
        "caffe": caffe_reference,
        "caffe_nets": caffe_nets_reference,
    }
    makers[sys.argv[1]]()


if __name__ == "__main__":
    main()
