"""BYOL steps made of lightly's parts, on the CPU.

    python tools/peers/step.py [--size 224] [--batch 16] [--arch resnet50] [--bf16]

In an environment with lightly and torchvision, not in ours. Random images, channels
last, plain SGD. Prints one line of JSON: the median over the steps, in images a second.
"""

import argparse
import copy
import json
import statistics
import time

import torchvision_shim  # noqa: F401, before what imports torchvision.

# isort: split
import torch
import torchvision
from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules import BYOLPredictionHead, BYOLProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum


def make_step(size, batch, arch, bf16):
    """A function of nothing that takes one step."""
    network = getattr(torchvision.models, arch)()
    width = network.fc.in_features
    network.fc = torch.nn.Identity()
    online = torch.nn.Sequential(network, BYOLProjectionHead(width, 4096, 256))
    online = online.to(memory_format=torch.channels_last)
    target = copy.deepcopy(online)
    deactivate_requires_grad(target)
    predictor = BYOLPredictionHead(256, 4096, 256)
    weights = [*online.parameters(), *predictor.parameters()]
    optimizer = torch.optim.SGD(weights, lr=0.06)
    distance = NegativeCosineSimilarity()
    views = [
        torch.randn(batch, 3, size, size).to(memory_format=torch.channels_last)
        for _ in range(2)
    ]

    def step():
        update_momentum(online, target, 0.99)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            with torch.no_grad():
                targets = [target(view) for view in views]
            told = [predictor(online(view)) for view in views]
        loss = distance(told[0].float(), targets[1].float())
        loss = loss + distance(told[1].float(), targets[0].float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--arch", default="resnet50")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--turns", type=int, default=5)
    args = parser.parse_args()
    step = make_step(args.size, args.batch, args.arch, args.bf16)
    seconds = []
    for turn in range(args.turns + 1):
        start = time.perf_counter()
        step()
        if turn:
            seconds.append(time.perf_counter() - start)
    rate = args.batch / statistics.median(seconds)
    print(json.dumps({"images_per_second": rate}))


if __name__ == "__main__":
    main()
