"""Published checkpoints -> our weights; one file per publisher.

Each has `convert(path, backbone)`, which fills a network that is built as the weights
were trained, and returns a `mapping.Report` of what went where. `readers` turn a file
into named arrays; `mapping` moves them.
"""

# By which a card names it; told without importing it, and keras with it.
NAMES = (
    "deepmind_byol",
    "google_simclr",
    "larsson",
    "split_brain",
    "torch_resnet",
    "vtab",
)
