"""ResNets of dm-haiku, an implementation by others, with random weights.

Haiku pads as TensorFlow's "SAME", on one side more than on the other where images have
even sides. Of `odd` photographs each map has odd sides, down to the last: there "SAME"
is the same on both sides, as the networks of others pad whatever the size.
"""

import haiku as hk
import jax
import numpy as np
import skimage

from sslzoo import backbones
from sslzoo.backbones import resnet
from sslzoo.zoo import load, registry

SIDE = 65  # Then 33, 17, 9, 5, 3.


def odd():
    """Two photographs, `[2, 65, 65, 3]`, RGB in [0, 1]."""
    images = [skimage.data.astronaut()[::5, ::7], skimage.data.coffee()[::4, ::9]]
    return np.stack([i[:SIDE, :SIDE] for i in images]).astype("float32") / 255


def network(depth, width, **options):
    """Haiku's own network, its logits an identity; and the size of its features."""
    units, bottleneck = resnet.UNITS[depth]
    outputs = [int(c * width) * (4 if bottleneck else 1) for c in (64, 128, 256, 512)]

    def forward(images, is_training=False):
        net = hk.nets.ResNet(
            units,
            outputs[-1],
            bottleneck=bottleneck,
            channels_per_group=outputs,
            use_projection=(True,) * 4,  # As BYOL has it, also of basic units.
            initial_conv_config={"output_channels": int(64 * width)},
            name=f"res_net{depth}",
            **options,
        )
        return net(images, is_training)

    return hk.without_apply_rng(hk.transform_with_state(forward)), outputs[-1]


def drawn(net, outputs, random_like):
    """(params, state) in Haiku's trees of modules; of the logits, an identity."""
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), "float32")
    trees = jax.eval_shape(
        lambda key, image: net.init(key, image, is_training=True),
        jax.random.PRNGKey(0),
        image,
    )
    params, state = (
        {
            module: {n: random_like(f"{module}/{n}", v.shape) for n, v in d.items()}
            for module, d in tree.items()
        }
        for tree in trees
    )
    for module, values in state.items():
        values["counter"] = np.array(1000, np.int32)
        if "var_ema" in module:
            values["average"] = 0.5 + abs(values["average"])
        # They are one in the published files; here they tell which is read.
        values["hidden"] = values["average"] + 1
    logits = next(module for module in params if module.endswith("/logits"))
    params[logits] = {"w": np.eye(outputs, dtype="f4"), "b": np.zeros(outputs, "f4")}
    return params, state


def features(net, params, state, images):
    return jax.jit(net.apply)(params, state, images.astype("float32"))[0]


def norm(params, state, module):
    """A batch norm by the names of TensorFlow."""
    found = {
        "gamma": params[module]["scale"],
        "beta": params[module]["offset"],
        "moving_mean": state[f"{module}/~/mean_ema"]["average"],
        "moving_variance": state[f"{module}/~/var_ema"]["average"],
    }
    return {name: array.reshape(-1) for name, array in found.items()}


def units(depth):
    """Haiku's modules of residual units, with the places of the units."""
    for group, count in enumerate(resnet.UNITS[depth][0]):
        for unit in range(count):
            name = f"res_net{depth}/~/block_group_{group}/~/block_{unit}/~"
            yield name, (group, unit)


def loaded(name, checkpoint, models, **options):
    """`sslzoo.load` of a packaged card, with other options of its network."""
    card = registry.card(name, registry.packaged()[0])
    card.backbone["options"].update(options)
    network = backbones.build(card.backbone["builder"], **card.backbone["options"])
    card.backbone["parameters"] = network.count_params()
    with registry.publishing(card.name, models) as draft:
        (draft.path / "card.json").write_text(card.text())
    return load.load(name, checkpoint=checkpoint, registry=models)
