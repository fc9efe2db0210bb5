"""Networks of Caffe as the sheets tell of them: their text, and random weights.

Narrow, but whole, and named as the published ones. tools/make_reference.py has OpenCV
run them; tests write the same weights in the published formats. The numbers come of
`RandomState`, whose stream never changes.
"""

import h5py
import numpy as np
import skimage

GRAY = 114.451 / 255


class Net:
    """A prototxt and {"conv1/0": array, ...}, made layer by layer."""

    def __init__(self, channels, side, seed):
        self.random = np.random.RandomState(seed)
        self.arrays, self.seen = {}, []
        self.text = (
            f'input: "data" input_shape {{ dim: 2 dim: {channels} dim: {side} '
            f"dim: {side} }}\n"
        )
        self.top, self.channels = "data", {"data": channels}

    def layer(self, name, kind, words, outputs=None, bottoms=()):
        bottoms = bottoms or [self.top]
        self.text += f'layer {{ name: "{name}" type: "{kind}" top: "{name}" '
        self.text += " ".join(f'bottom: "{bottom}"' for bottom in bottoms)
        self.text += f" {words} }}\n"
        self.channels[name] = outputs or self.channels[bottoms[0]]
        self.top = name
        return self

    def normal(self, spread, *shape):
        return self.random.normal(0, spread, shape).astype("float32")

    def conv(self, name, outputs, size, stride=1, pad=0, bias=True, **more):
        inputs = self.channels[self.top] // more.get("group", 1)
        spread = (2 / (inputs * size**2)) ** 0.5
        self.arrays[f"{name}/0"] = self.normal(spread, outputs, inputs, size, size)
        if bias:
            self.arrays[f"{name}/1"] = self.normal(0.2, outputs)
        more |= dict(num_output=outputs, kernel_size=size, stride=stride, pad=pad)
        words = " ".join(f"{key}: {value}" for key, value in more.items())
        words += "" if bias else " bias_term: false"
        return self.layer(
            name, "Convolution", f"convolution_param {{ {words} }}", outputs
        )

    def norm(self, name):
        """Sums over some hundred steps, and how much these weigh.

        The first channel is so quiet that the epsilon matters.
        """
        channels, weight = self.channels[self.top], self.random.uniform(500, 1000)
        variance = self.random.uniform(0.5, 1.5, channels)
        mean = self.normal(0.2, channels)
        for place in (0, 1):
            if f"{self.top}/{place}" in self.arrays:
                self.arrays[f"{self.top}/{place}"][0] *= np.float32(0.01)
        mean[0], variance[0] = mean[0] * 0.01, 1e-4
        self.arrays[f"{name}/0"] = mean * np.float32(weight)
        self.arrays[f"{name}/1"] = (variance * weight).astype("float32")
        self.arrays[f"{name}/2"] = np.array([weight], "float32")
        words = "batch_norm_param { use_global_stats: true }"
        return self.layer(name, "BatchNorm", words)

    def scale(self, name):
        channels = self.channels[self.top]
        gamma = self.random.uniform(0.5, 1.5, channels).astype("float32")
        self.arrays[f"{name}/0"] = gamma
        self.arrays[f"{name}/1"] = self.normal(0.2, channels)
        return self.layer(name, "Scale", "scale_param { bias_term: true }")

    def relu(self, name):
        return self.layer(name, "ReLU", "")

    def lrn(self, name):
        words = "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }"
        return self.layer(name, "LRN", words)

    def pool(self, name, size=3):
        words = f"pooling_param {{ pool: MAX kernel_size: {size} stride: 2 }}"
        return self.layer(name, "Pooling", words)

    def tell(self, name):
        """What is there is told, as a feature of this name."""
        self.seen.append((name, self.top))
        return self


CONVS = ((6, 11), (16, 5), (24, 3), (24, 3), (16, 3))  # Of AlexNet, a sixteenth.
WIDE = 256


def split_brain(deploy=False):
    """The sheet's 1.4, from Lab on; `deploy` with its fc6, which is dilated."""
    net = Net(3, 227, 1).conv("data_lab", 3, 1, group=3)
    # As of the rescaled file: 0.69 of a and b; and not quite L - 50.
    net.arrays["data_lab/0"][:] = np.reshape([0.9, 0.69308239, 0.7], (3, 1, 1, 1))
    net.arrays["data_lab/1"][:] = -44, 0.1, 0.2
    return _alexnet(net, conv1=0.03, deploy=deploy)


def alexnet(norm, lrn):
    """Larsson's, 1.4; how LRN and batch normalisation went together is not recorded."""
    return _alexnet(Net(1, 227, 2), conv1=3, norm=norm, lrn=lrn)


def _alexnet(net, conv1, norm=False, lrn=False, deploy=False):
    for place, (outputs, size) in enumerate(CONVS, start=1):
        name, grouped = f"conv{place}", place in (2, 4, 5)
        stride, pad = (4, 0) if place == 1 else (1, size // 2)
        net.conv(name, outputs, size, stride, pad, group=1 + grouped)
        if place == 1:  # Lab is some tens wide, gray half of one.
            net.arrays["conv1/0"] *= np.float32(conv1)
        if norm:
            net.norm(f"batch_{name}")
        net.relu(f"relu{place}").tell(name)
        if lrn and place < 3:
            net.lrn(f"norm{place}")
        if place in (1, 2, 5):
            net.pool(f"pool{place}").tell(f"pool{place}")
    wide = dict(pad=5, dilation=2) if deploy else {}
    for name, size, how in (("fc6", 6, wide), ("fc7", 1, {})):
        net.conv(name, WIDE, size, **how)
        if norm:
            net.norm(f"batch_{name}")
        net.relu(f"relu_{name}").tell(name)
    return net


def vgg16():
    """Larsson's, 1.2, of a sixteenth of its width."""
    net = Net(1, 64, 3)
    for block, (outputs, count) in enumerate(
        zip((4, 8, 16, 32, 32), (2, 2, 3, 3, 3)), start=1
    ):
        for place in range(1, count + 1):
            name = f"conv{block}_{place}"
            net.conv(name, outputs, 3, pad=1).norm(f"batch_{name}")
            net.relu(f"relu{block}_{place}").tell(name)
        net.pool(f"pool{block}", 2)
    for name, size in (("fc6", 7), ("fc7", 1)):
        net.conv(name, WIDE, size, pad=size // 2).norm(f"batch_{name}")
        net.relu(f"relu_{name}").tell(name)
    return net


STAGES = {  # Of 152 layers; and of 50, whose units He names by letters alone.
    152: (
        "abc",
        ["a", *(f"b{i}" for i in range(1, 8))],
        ["a", *(f"b{i}" for i in range(1, 36))],
        "abc",
    ),
    50: ("abc", "abcd", "abcdef", "abc"),
}


def resnet(depth=152, scaled=True):
    """Larsson's, 1.5, of a thirty-second; the stride on the first 1x1."""
    net = Net(1, 64, 4).conv("conv1", 2, 7, 2, 3, bias=False).norm("bn_conv1")
    if scaled:
        net.scale("scale_conv1")
    net.relu("conv1_relu").pool("pool1").tell("after_root")

    def branch(stage, name, outputs, size, stride=1):
        title = f"{stage}_{name}"
        net.conv(f"res{title}", outputs, size, stride, size // 2, bias=False)
        if name == "branch2c":  # Or a deep sum grows without end.
            net.arrays[f"res{title}/0"] *= np.float32(0.3)
        net.norm(f"bn{title}")
        if scaled:
            net.scale(f"scale{title}")

    for group, units in enumerate(STAGES[depth], start=1):
        width = 2 * 2 ** (group - 1)
        for unit in units:
            stage, shortcut = f"{group + 1}{unit}", net.top
            stride = 2 if unit == "a" and group > 1 else 1
            branch(stage, "branch2a", width, 1, stride)
            net.relu(f"res{stage}_branch2a_relu")
            branch(stage, "branch2b", width, 3)
            net.relu(f"res{stage}_branch2b_relu")
            branch(stage, "branch2c", 4 * width, 1)
            deep = net.top
            if unit == "a":
                net.top = shortcut
                branch(stage, "branch1", 4 * width, 1, stride)
                shortcut = net.top
            net.layer(f"res{stage}", "Eltwise", "", 4 * width, [shortcut, deep])
            net.relu(f"res{stage}_relu")
        net.tell(f"block{group}")
    return net


NETS = {
    "split_brain": split_brain,
    "split_brain_deploy": lambda: split_brain(deploy=True),
    "alexnet": lambda: alexnet(norm=False, lrn=True),
    "alexnet_norm": lambda: alexnet(norm=True, lrn=False),
    "alexnet_both": lambda: alexnet(norm=True, lrn=True),
    "vgg16": vgg16,
    "resnet152": resnet,
    "resnet50": lambda: resnet(50, scaled=False),
}


def photos(side):
    """Two photographs, `[2, side, side, 3]`, RGB in [0, 1]."""
    both = skimage.data.astronaut(), skimage.data.coffee()
    step = 1 if side > 100 else 4
    images = [image[60::step, 90::step][:side, :side] for image in both]
    return np.stack(images).astype("float32") / 255


def gray(images):
    return images.mean(-1, keepdims=True, dtype="float64") - GRAY


def color_conv(images):
    """Lab as the layer ColorConv of the authors' Caffe has it: sheet, 2.4."""
    rgb = images.astype("float64")
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    matrix = [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
    t = linear @ np.transpose(matrix) / [0.95074, 1.0, 1.08883]
    x, y, z = np.moveaxis(
        np.where(t > 0.008867, np.cbrt(t), (903.3 * t + 16) / 116), -1, 0
    )
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def sampled(maps):
    """Some places of large maps, `[n, h, w, c]`, all of small ones."""
    step = max(1, maps.shape[1] // 4)
    return maps[:, ::step, ::step]


# name of the reference -> (its network, what that is shown).
SHOWN = {
    "split_brain": ("split_brain", lambda: color_conv(photos(227))),
    "split_brain_skimage": (
        "split_brain",
        lambda: skimage.color.rgb2lab(photos(227).astype("float64")),
    ),
    "split_brain_deploy": ("split_brain_deploy", lambda: color_conv(photos(227))),
    "alexnet": ("alexnet", lambda: gray(photos(227))),
    "alexnet_norm": ("alexnet_norm", lambda: gray(photos(227))),
    "alexnet_both": ("alexnet_both", lambda: gray(photos(227))),
    "vgg16": ("vgg16", lambda: gray(photos(64))),
    "resnet152": ("resnet152", lambda: gray(photos(64))),
    "resnet50": ("resnet50", lambda: gray(photos(64))),
}


def snapshot(path, arrays):
    """A file of HDF5 as Caffe writes it: layers without weights are empty groups."""
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[f"data/{name}"] = array
            file.require_group(f"data/relu_{name.partition('/')[0]}")
        file.create_group("diff")
    return path
