"""How the authors of split-brain began their AlexNet of colours: by k-means.

conv1 to conv5 are drawn from what each is shown of some images, layer after layer (see
`data_dependent.within_layers`); fc6 and fc7 stay as `alexnet` draws them. Of two halves
each is drawn by itself, of the colours that it sees.
"""

import keras

from sslzoo.backbones import alexnet, data_dependent

DRAWN = ("conv1", "conv2", "conv3", "conv4", "conv5")
HALVES = {"lab": ("l", "ab"), "l": ("l", "l")}  # What those of layout "split" see.


def kmeans(network, images, patches=10_000, seed=0, **options):
    """Gives an AlexNet the weights that it begins with, in place.

    Its batch normalisation is left out meanwhile: what is drawn has mean 0.1 and
    variance 1 by itself.

    Args:
        network: `alexnet(**options)`, of form "split", "half" or "single".
        images: RGB in [0, 1], `[n, size, size, 3]`: all go through at once.
        patches: of which each layer learns.
    """
    options = {key: v for key, v in options.items() if key != "momentum"}
    options["norm"] = "none"
    plain = alexnet.alexnet(**options)

    def drawn(net, seed):
        return data_dependent.within_layers(net, images, patches, seed, names=DRAWN)

    if options["form"] == "split":
        seen = HALVES[options.get("pixels", "lab")]
        halves = [options | {"form": "half", "pixels": pixels} for pixels in seen]
        each = [drawn(alexnet.alexnet(**of), seed + i) for i, of in enumerate(halves)]
        alexnet.carry(each, plain)
    else:
        plain = drawn(plain, seed)
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2D) and layer.name.startswith(DRAWN):
            layer.set_weights(plain.get_layer(layer.name).get_weights())
