"""Models by their names: the start, lists, loads, conversions."""

import copy
import json
import pathlib
import pickle
import tempfile

import numpy as np

from sslzoo import watch
from sslzoo.bench import timing
from sslzoo.zoo import registry


def startup(turns=5):
    """`import sslzoo`, and `sslzoo --help`, each in a new process."""
    said = "import sslzoo.cli; sslzoo.cli.main(['--help'])"
    return {
        "import_seconds": timing.process(turns, "import sslzoo"),
        "help_seconds": timing.process(turns, said),
    }


def listing(cards=500, turns=3):
    """`sslzoo.list_models()` of a registry with many cards, from `import sslzoo` on."""
    (card, *_) = registry.cards()
    code = "import sys, sslzoo; assert len(sslzoo.list_models(registry=sys.argv[1]))"
    with tempfile.TemporaryDirectory() as folder:
        text = (registry.find(card.name).path / "card.json").read_text(encoding="utf-8")
        for i in range(cards):
            name = f"{card.name}{i}"
            pathlib.Path(folder, name).mkdir()
            found = text.replace(f'"{card.name}"', f'"{name}"')
            pathlib.Path(folder, name, "card.json").write_text(found, encoding="utf-8")
        code += f"== {cards}"
        return {"seconds": timing.process(turns, code, folder)}


def verify(turns=1):
    """`sslzoo verify`, the conformance tests of what is installed, in a new process."""
    code = "import sslzoo.cli; assert sslzoo.cli.main(['verify']) == 0"
    return {"seconds": timing.process(turns, code)}


def load(name="byol_r18w16", turns=3, backbone="", width=1.0):
    """A model by its name, from `import sslzoo` to the features of one image.

    Beside it the import of TensorFlow alone, which is most of that. And, on Linux, the
    peak of memory while it is loaded, over the size of its weights' file: beside what
    Keras, TensorFlow and another model have taken before.

    Args:
        backbone: with `width`: instead, an untrained model that is made for this.
    """
    with tempfile.TemporaryDirectory() as folder:
        name = _untrained(folder, backbone, width) if backbone else name
        weights = registry.find(name).path / "backbone.weights.h5"
        size = weights.stat().st_size
        return {
            "seconds": timing.process(turns, LOAD, name),
            "tensorflow_seconds": timing.process(turns, "import tensorflow"),
            "megabytes": size / 1e6,
            **(_peak(name, size) if timing.LINUX else {}),
        }


LOAD = """
import sys, numpy as np, sslzoo
model = sslzoo.load(sys.argv[1])
model(np.zeros((1, model.card.input["size"], model.card.input["size"], 3), "float32"))
"""


MEMORY = """
import json, pathlib, re, sys, time, sslzoo
def memory(of):
    status = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(re.search(of + r":\\s+(\\d+) kB", status)[1])
def begin():
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # The peak starts anew.
    return memory("VmRSS")
"""


PEAK = """
sslzoo.load("byol_r18w16")
before = begin()
model = sslzoo.load(sys.argv[1])
print(memory("VmHWM") - before)
"""


def _peak(name, size):
    return {"peak_over_file": int(timing.said(MEMORY + PEAK, name)) / size}


def _untrained(folder, backbone, width):
    """The path of a model with a network as it begins, but for training."""
    from sslzoo import backbones
    from sslzoo.methods import byol

    network = backbones.build(backbone, width=width)
    method = byol.BYOL(network, 1, byol.example(64), hidden=8, outputs=8)
    return str(method.export("bench_r1.made", registry=folder, heads=False).path)


def convert(turns=3, whole=False):
    """`sslzoo.load` of a ResNet-50 out of a file as DeepMind's, of random weights.

    The seconds, and on Linux the peak of memory over the size of the file, beside what
    a process has that built such a network before; medians of new processes.

    Args:
        whole: with the target network and the optimizer's momentum in the file, as in
            the published ones; else the online network alone, which is a smaller file
            for the same network.
    """
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = _checkpoint(pathlib.Path(folder, "r50.pkl"), whole)
        size = path.stat().st_size
        for turn in range(turns):
            watch.tell(turn, turns)
            found.append(json.loads(timing.said(MEMORY + CONVERT, str(path))))
    told = {key: float(np.median([each[key] for each in found])) for key in found[0]}
    if "peak" in told:
        told["peak_over_file"] = told.pop("peak") / size
    return {"megabytes": size / 1e6, **told}


CONVERT = """
linux, told = sys.platform == "linux", {}
first = sslzoo.load("byol_r50", pretrained=False, accept_license=True)
if linux:
    before = begin()
start = time.perf_counter()
sslzoo.load("byol_r50", checkpoint=sys.argv[1])
told["seconds"] = time.perf_counter() - start
if linux:
    told["peak"] = memory("VmHWM") - before
print(json.dumps(told))
"""


def _checkpoint(path, whole):
    """Writes it by the names that the converter wants, in plain dicts."""
    from sslzoo import backbones
    from sslzoo.converters import deepmind_byol

    backbone = backbones.build("resnet50")
    arrays = {weight.path: np.asarray(weight) for weight in backbone.weights}
    names = deepmind_byol.table(backbone, "res_net50", "res_net50/~/initial_conv/w")
    trees = {"online_params": {}, "online_state": {}}
    for ours, (name, _) in names.items():
        module, _, weight = name.rpartition("/")
        tree = trees["online_state" if weight == "average" else "online_params"]
        tree.setdefault(module, {})[weight] = arrays[ours]
    if whole:
        for name in ("target_params", "opt_state"):
            trees[name] = copy.deepcopy(
                trees["online_params"]
            )  # Else it is stored once.
    path.write_bytes(pickle.dumps({"experiment_state": trees}))
    return path
