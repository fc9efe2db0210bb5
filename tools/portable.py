"""Every backbone on another backend of Keras, beside TensorFlow's numbers.

    python tools/portable.py jax
    python tools/portable.py torch resnet50 revnet50 --out portable.json

Each is built at its smallest width with random weights, saved, then built and loaded
in a process of the other backend in which TensorFlow cannot be imported. Shown is the
largest difference of all its features, as a part of the largest value; above 1e-4 the
command fails. The record of `--out` says how far each was.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

import numpy as np

TOLERANCE = 1e-4
SMALLEST = {  # Of the others, the width below.
    "tiny": {"width": 4},
    "vgg19bn": {"width": 1 / 16, "image_size": 64},
}
WIDTH = {"width": 1 / 16}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("backend", choices=("jax", "torch"))
    parser.add_argument("names", nargs="*", help="of backbones; without, all")
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    found = differences(args.backend, args.names)
    if args.out:
        args.out.write_text(
            json.dumps(record(args, found), indent=1) + "\n", encoding="utf-8"
        )
    return int(not all(far <= TOLERANCE for far in found.values()))  # Nor NaN.


def differences(backend, names):
    """{name: the largest difference of its features, over the largest value}."""
    far = {}
    with tempfile.TemporaryDirectory() as folder:
        here = answers(names, folder, save=True)
        command = [sys.executable, __file__, "--there", folder, *here]
        subprocess.run(command, env=os.environ | {"KERAS_BACKEND": backend}, check=True)
        for name, ours in here.items():
            theirs = np.load(pathlib.Path(folder, f"{name}.npz"))
            far[name] = apart(ours, theirs)
            print(f"{name:<16}{far[name]:.1e}", flush=True)
    return far


def apart(ours, theirs):
    """The largest difference of all features, over the largest value of each.

    NaN where any is: Python's own max would pass over one behind the first.
    """
    shapes = [{k: v.shape for k, v in found.items()} for found in (ours, theirs)]
    if shapes[0] != shapes[1]:
        raise SystemExit(f"There the features are {shapes[1]}, here {shapes[0]}.")
    return float(
        np.max([abs(theirs[k] - v).max() / abs(v).max() for k, v in ours.items()])
    )


def record(args, found):
    from sslzoo import workdir

    return {
        "date": datetime.date.today().isoformat(),
        "machine": workdir.machine(),
        "command": shlex.join(["python", "tools/portable.py", *sys.argv[1:]]),
        "backend": args.backend,
        "version": importlib.metadata.version(args.backend),
        "differences": found,
    }


def answers(names, folder, save):
    """{name: {feature: array}}, with weights that are saved there, or read."""
    from keras import initializers, ops

    from sslzoo import backbones

    # What is drawn now is written over; JAX compiles each shape of it, for minutes.
    drawing = "VarianceScaling", "TruncatedNormal", "RandomNormal"
    for kind in (getattr(initializers, name) for name in drawing):
        kind.__call__ = initializers.Zeros.__call__
    found = {}
    for name in names or backbones.BUILDERS:
        model = backbones.build(name, **SMALLEST.get(name, WIDTH))
        file = pathlib.Path(folder, f"{name}.weights.h5")
        if save:
            draw(model)
            model.save_weights(file)
        else:
            model.load_weights(file)
        side = model.input_shape[1] or 64
        shape = (1, side, side, model.input_shape[-1])
        images = np.random.default_rng(0).random(shape, np.float32)
        outputs = model(images, training=False)
        found[name] = {k: ops.convert_to_numpy(v) for k, v in outputs.items()}
        print(json.dumps({"backend": backend_of(), "built": name}), file=sys.stderr)
    return found


def draw(model):
    """Weights none of which is special, of sizes that keep deep networks finite."""
    random = np.random.default_rng(0)
    for weight in model.weights:
        fan = np.prod(weight.shape[:-1]) if len(weight.shape) > 1 else 100
        noise = random.normal(0, fan**-0.5, weight.shape)
        scale = weight.path.endswith(("gamma", "variance"))
        weight.assign(1 + noise if scale else noise)


def backend_of():
    import keras

    return keras.config.backend()


def there(folder, *names):
    """In the process of the other backend."""
    sys.modules["tensorflow"] = None  # As where it is not installed.
    for name, outputs in answers(names, folder, save=False).items():
        np.savez(pathlib.Path(folder, f"{name}.npz"), **outputs)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--there"]:
        there(*sys.argv[2:])
    else:
        sys.exit(main())
