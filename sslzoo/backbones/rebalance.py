"""Activations brought to unit variance (Larsson et al., 2017), arXiv:1703.04044, 4.1.

A network trained without normalisation may have layers of very different scales, which
one rate for all, or one hypercolumn of all, does not suit. With m_k the scale of what
layer k gives, on images, and m_0 = 1:

    W_k <- W_k m_{k-1} / m_k,   b_k <- b_k / m_k

Every layer then gives 1 / m_k of what it gave, and the last what it gave before.
"""

import numpy as np
from keras import ops

from sslzoo.backbones import chain, layers

STATISTICS = {
    "rms": lambda z, axes: np.sqrt(np.mean(np.square(z), axis=axes)),
    "std": lambda z, axes: np.std(z, axis=axes),
}


def rebalanced(
    model,
    images,
    statistic="rms",
    of="layer",
    behind_relu=True,
    keep_output=True,
):
    """A twin of the model whose layers give activations of scale 1 on `images`.

    The paper does not say which scale it is; its code logs the RMS of activations.

    Args:
        model: a row of layers, see `chain`, such as a VGG without normalisation.
        images: `[n, h, w, channels]`, as the model takes them.
        statistic: m, "rms" or "std".
        of: "layer", one m for each; or "channel", one for each of its channels.
        behind_relu: whether m is that of the activations, or of what goes into them.
        keep_output: leave the last layer at the scale it had, as logits need it.
    """
    layers.known(statistic, STATISTICS, "statistic")
    layers.known(of, ("layer", "channel"), "of")
    twin, row = chain.copied(model)
    before, segments = chain.segments(row)
    x = chain.run(before, ops.convert_to_tensor(images, dtype="float32"))
    scale = np.ones(x.shape[-1])
    for first, *others in segments:
        kernel, bias = chain.weights_of(first)
        kernel = kernel * _of_inputs(first, scale)
        scale = np.ones(kernel.shape[-1])
        if not (keep_output and first is segments[-1][0]):
            chain.assign(first, kernel, bias)
            z = _activations(first, others, x, behind_relu)
            found = STATISTICS[statistic](z, tuple(range(z.ndim - (of == "channel"))))
            scale = scale * np.where(found > 0, found, 1)  # What is dead stays so.
        chain.assign(first, kernel / scale, None if bias is None else bias / scale)
        x = chain.run([first, *others], x)
    return twin


def _activations(first, others, x, behind_relu):
    z = chain.linear(first, x)
    if first.use_bias:
        z = z + first.bias
    if behind_relu:
        z = first.activation(z)
        if others and isinstance(others[0], chain.ACTIVATIONS):
            z = others[0](z)
    return ops.convert_to_numpy(z).astype("float64")


def _of_inputs(layer, scale):
    """The scale of each channel that comes in, in the shape of the kernel."""
    inputs = layer.kernel.shape[-2]
    groups = getattr(layer, "groups", 1)
    if len(scale) < inputs:  # Flattened: each channel comes once for each place.
        scale = np.tile(scale, inputs // len(scale))
    of_groups = np.reshape(scale, (groups, inputs))
    return np.repeat(of_groups, layer.kernel.shape[-1] // groups, axis=0).T
