"""One supervised step of torchvision's ResNet-50, on the CPU, channels last.

    python tools/peers/supervised.py [--batch 32] [--bf16]

In an environment with torchvision, not in ours. Random images, plain SGD. Prints one
line of JSON: the median over the steps, in images a second.
"""

import argparse
import json
import statistics
import time

import torchvision_shim  # noqa: F401, before what imports torchvision.

# isort: split
import torch
import torchvision


def make_step(batch, size, bf16):
    """A function of nothing that takes one step."""
    network = torchvision.models.resnet50().to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    images = torch.rand(batch, 3, size, size).to(memory_format=torch.channels_last)
    labels = torch.zeros(batch, dtype=torch.long)

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = network(images)
        loss = torch.nn.functional.cross_entropy(logits.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--turns", type=int, default=5)
    args = parser.parse_args()
    step = make_step(args.batch, args.size, args.bf16)
    seconds = []
    for _ in range(args.turns + 1):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    print(
        json.dumps({"images_per_second": args.batch / statistics.median(seconds[1:])})
    )


if __name__ == "__main__":
    main()
