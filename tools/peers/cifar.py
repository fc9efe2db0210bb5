"""BYOL on CIFAR-10 by lightly, end to end: augment in two workers, train.

    python tools/peers/cifar.py CIFAR.npz [--batches 50]

In an environment with lightly and torchvision, not in ours. The network is a ResNet-18
of base width 16 with a small stem, the heads 1024 wide, batches of 256. Prints one line
of JSON: images a second over the batches, the first three left out.
"""

import argparse
import copy
import io
import itertools
import json
import time

import numpy as np
import torchvision_shim  # noqa: F401, before what imports torchvision.

# isort: split
import torch
from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules import BYOLPredictionHead, BYOLProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.transforms import (
    BYOLTransform,
    BYOLView1Transform,
    BYOLView2Transform,
)
from PIL import Image
from torch import nn


class Unit(nn.Module):
    """Two 3x3 convolutions beside a shortcut, projected where the shape changes."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False),
                nn.BatchNorm2d(outputs),
            )

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


def network(base=16):
    parts = [nn.Conv2d(3, base, 3, 1, 1, bias=False), nn.BatchNorm2d(base), nn.ReLU()]
    width = base
    for group in range(4):
        for unit in range(2):
            outputs = base * 2**group
            parts.append(Unit(width, outputs, 2 if group and not unit else 1))
            width = outputs
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class Pictures(torch.utils.data.Dataset):
    def __init__(self, path):
        with np.load(path) as file:
            data, ends = file["train_bytes"], file["train_offsets"]
        self.images = [
            Image.open(io.BytesIO(data[a:b].tobytes())).convert("RGB")
            for a, b in itertools.pairwise(ends)
        ]
        self.transform = BYOLTransform(
            view_1_transform=BYOLView1Transform(input_size=32, gaussian_blur=0.0),
            view_2_transform=BYOLView2Transform(input_size=32, gaussian_blur=0.0),
        )

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.transform(self.images[index])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--batches", type=int, default=50)
    args = parser.parse_args()
    online = nn.Sequential(network(), BYOLProjectionHead(128, 1024, 256))
    target = copy.deepcopy(online)
    deactivate_requires_grad(target)
    predictor = BYOLPredictionHead(256, 1024, 256)
    weights = [*online.parameters(), *predictor.parameters()]
    optimizer = torch.optim.SGD(weights, lr=0.12, momentum=0.9, weight_decay=5e-4)
    distance = NegativeCosineSimilarity()
    loader = torch.utils.data.DataLoader(
        Pictures(args.data), 256, shuffle=True, drop_last=True, num_workers=2
    )
    for turn, views in enumerate(loader):
        if turn == 3:
            start = time.perf_counter()
        if turn == args.batches + 3:
            break
        update_momentum(online, target, 0.99)
        with torch.no_grad():
            targets = [target(view) for view in views]
        told = [predictor(online(view)) for view in views]
        loss = distance(told[0], targets[1]) + distance(told[1], targets[0])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    rate = 256 * args.batches / (time.perf_counter() - start)
    print(json.dumps({"images_per_second": rate}))


if __name__ == "__main__":
    main()
