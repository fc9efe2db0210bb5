"""One supervised step of torchvision's ResNet-50, on the CPU, channels last.

    python tools/peers/supervised.py [--batch 32] [--bf16]

In an environment with torchvision, not in ours. Random images, plain SGD. Prints one
line of JSON: the median over the steps, in images a second.
"""

import timing
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
    args = timing.parser(__doc__, batch=32, turns=5).parse_args()
    step = make_step(args.batch, args.size, args.bf16)
    timing.report(step, args.batch, args.turns)


if __name__ == "__main__":
    main()
