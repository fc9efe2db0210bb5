"""Runs one of our benches and a peer in turn, A B A B ..., and prints the ratio.

    python tools/compare.py step --peers PEERS_PYTHON [--turns 3] [--out docs/step.json]

PEERS_PYTHON has what tools/peers/requirements.txt names; tools/peers/ says what each
peer does. What is compared: views, views-device, step, step-bf16, forward (against
keras.applications), forward-told (the same, told to use oneDNN too), forward-torch,
forward-bf16, supervised, supervised-bf16, features, features-small, linear, cifar,
cifar-bf16; onednn, onednn-small and onednn-alone, ours with it and without; and where
there is a GPU, accelerator-jax and accelerator-torch. Ratios are of the same minutes on
the same machine; seconds and images a second are not to be carried to another.
"""

import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys

from sslzoo import workdir

TOOLS = pathlib.Path(__file__).parent
EXACT = ("difference", "cosine")
TOLD = ("objective", *EXACT)
ONE_CORE = ["taskset", "-c", "0"]
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"  # Which `import sslzoo` sets. Peers are as they come.


def bench(*words):
    return [sys.executable, "-m", "sslzoo.cli", "bench", *words, "--json"]


def without(command):
    return ["env", f"{ONEDNN}=0", *command]


def loop(photo, **knobs):
    """Features of a folder, and the plain loop that does the same: both need Keras."""
    knobs["photo"] = photo
    words = [f"--{k.replace('_', '-')}={v}" for k, v in knobs.items()]
    plain = [sys.executable, str(TOOLS / "peers" / "features.py"), *words]
    return bench("features", *(f"{k}={v}" for k, v in knobs.items())), plain


def pairs(peers, data, photo):
    """What is compared -> (our command, the peer's command)."""

    def peer(name, *words):
        return [peers, str(TOOLS / "peers" / f"{name}.py"), *words]

    views = [*ONE_CORE, *peer("views", photo)]
    cifar = peer("cifar", data)
    small = dict(backbone="resnet18", width=0.25, stem="small", image_size=32)
    step = bench("step", "optimizer=sgd")  # As the peer.
    little = bench("step", "backbone=resnet18", "image_size=32", "batch_size=64")
    forward = bench("forward", "precision=float32")
    alone = bench("forward", "precision=float32", "batch_size=1", "turns=21")
    keras, torch = peer("forward", "keras")[1:], peer("forward", "torchvision")
    gpu = [*torch, "--bf16", "--accelerator", "--batch=256", "--turns=20"]
    ours = bench("cifar", f"data=npz:{data}#train", "batches=50")
    return {
        "views": ([*ONE_CORE, *bench("views", f"photo={photo}")], views),
        "views-device": (
            [*ONE_CORE, *bench("views", f"photo={photo}", "augment=device")],
            views,
        ),
        "step": (step, peer("step")),
        "step-bf16": ([*step, "precision=mixed_bfloat16"], peer("step", "--bf16")),
        "forward": (forward, [sys.executable, *keras]),
        "forward-told": (forward, ["env", f"{ONEDNN}=1", sys.executable, *keras]),
        "forward-torch": (forward, torch),
        "forward-bf16": (
            bench("forward", "precision=bfloat16"),
            [*torch, "--bf16"],
        ),
        "supervised": (bench("supervised"), peer("supervised")),
        "supervised-bf16": (
            bench("supervised", "precision=mixed_bfloat16"),
            peer("supervised", "--bf16"),
        ),
        "onednn": (bench("supervised"), without(bench("supervised"))),
        "onednn-small": (little, without(little)),
        "onednn-alone": (alone, without(alone)),
        "linear": (
            bench("linear"),
            [
                sys.executable,
                f"{TOOLS}/peers/logistic.py",
                "synthetic:50000x2048x10",
                *("1", "400", "1e-6"),  # By default it stops 24 % above the optimum.
            ],
        ),
        "features": loop(photo, images=500),
        "features-small": loop(photo, **small),
        "cifar": (ours, cifar),
        "cifar-bf16": ([*ours, "precision=mixed_bfloat16"], cifar),
        "accelerator-jax": ([sys.executable, f"{TOOLS}/elsewhere.py", "jax"], gpu),
        "accelerator-torch": ([sys.executable, f"{TOOLS}/elsewhere.py", "torch"], gpu),
    }


def figure(command):
    """What a command prints in its last line: its rate, and what else is told of it.

    Of a fit that is its objective, of ours how far its features are from the unfolded
    network's in single precision.
    """
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    env.pop(ONEDNN, None)
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    line = done.stdout.strip().splitlines()[-1]
    if not line.startswith("{"):
        return float(line.split(":")[1].split()[0]), {}
    found = json.loads(line)
    told = {key: found[key] for key in TOLD if key in found}
    if "objective" in found:
        return 1 / found["seconds"], told
    return next(found[key] for key in found if key.endswith("_per_second")), told


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what")
    parser.add_argument("--peers", required=True, metavar="PYTHON")
    parser.add_argument("--data", default="cifar10_jpeg.npz")
    parser.add_argument("--photo", default="")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    known = pairs(args.peers, args.data, args.photo)
    if args.what not in known:
        sys.exit(f"{args.what!r} is none of: {', '.join(known)}.")
    ours, theirs, others = [], [], []
    for turn in range(args.turns):
        for command, rates in zip(known[args.what], (ours, theirs)):
            rate, told = figure(command)
            rates.append(rate)
            others.append(told)
            print(f"turn {turn + 1}: {command[-1]}  {rates[-1]:.2f}", file=sys.stderr)
    result = {
        "what": args.what,
        "date": datetime.date.today().isoformat(),
        "machine": workdir.machine(),
        "command": f"python tools/compare.py {args.what} --peers PYTHON "
        f"--turns {args.turns}",
        "ours": ours,
        "peer": theirs,
        "ratio": statistics.median(a / b for a, b in zip(ours, theirs)),
    }
    objectives = [told["objective"] for told in others if "objective" in told]
    if objectives:
        result["objectives"] = {"ours": objectives[::2], "peer": objectives[1::2]}
    result |= {key: value for key, value in others[0].items() if key in EXACT}
    print(json.dumps(result, indent=1))
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
