"""Features by our ResNet-50, folded, in bfloat16, on JAX or torch: for accelerators.

    python tools/elsewhere.py jax [--batch 256]
    python tools/elsewhere.py torch [--batch 256]

Images and features stay on the device, where there is one. Prints one line of JSON: the
median, in images a second, and what it ran on. TensorFlow is not imported.
"""

import json
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools" / "peers")]  # Else its own folder alone.

import timing  # noqa: E402


def network(width):
    """The twin of a network whose normalisation is folded, with halves of numbers."""
    import keras

    from sslzoo import backbones
    from sslzoo.backbones import fold
    from sslzoo.zoo import load

    light = fold.folded(backbones.build("resnet50", width=width))
    entry = json.loads(light.to_json())
    load.set_dtype(entry, "bfloat16")
    twin = keras.models.model_from_json(json.dumps(entry))
    twin.set_weights(light.get_weights())
    return twin


def on_jax(model, shape):
    import jax

    images = jax.random.uniform(jax.random.key(0), shape)
    weights = [[v.value for v in model.trainable_variables]]
    weights.append([v.value for v in model.non_trainable_variables])
    run = jax.jit(lambda *given: model.stateless_call(*given)[0]["pooled"])
    where = jax.devices()[0].device_kind
    return lambda: run(*weights, images).block_until_ready(), where


def on_torch(model, shape):
    import torch

    there = torch.cuda.is_available()
    images = torch.rand(shape, device="cuda" if there else "cpu")
    compiled = torch.compile(lambda x: model(x, training=False)["pooled"])

    def run():
        with torch.inference_mode():
            features = compiled(images)
        if there:
            torch.cuda.synchronize()
        return features

    return run, torch.cuda.get_device_name() if there else "cpu"


KINDS = {"jax": on_jax, "torch": on_torch}


def main():
    parser = timing.parser(__doc__, batch=256, turns=20)
    parser.add_argument("backend", choices=KINDS)
    parser.add_argument("--width", type=float, default=1.0)
    args = parser.parse_args()
    os.environ["KERAS_BACKEND"] = args.backend
    sys.modules["tensorflow"] = None  # As where it is not installed.
    model = network(args.width)
    shape = (args.batch, args.size, args.size, 3)
    run, where = KINDS[args.backend](model, shape)
    timing.report(run, args.batch, args.turns, warm=5, device=where)


if __name__ == "__main__":
    main()
