"""BYOL steps made of lightly's parts, on the CPU.

    python tools/peers/step.py [--size 224] [--batch 16] [--arch resnet50] [--bf16]

In an environment with lightly and torchvision, not in ours. Random images, channels
last, plain SGD. Prints one line of JSON: the median over the steps, in images a second.
"""

import copy

import timing
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
    parser = timing.parser(__doc__, batch=16, turns=5)
    parser.add_argument("--arch", default="resnet50")
    args = parser.parse_args()
    step = make_step(args.size, args.batch, args.arch, args.bf16)
    timing.report(step, args.batch, args.turns)


if __name__ == "__main__":
    main()
