"""Features tried on labelled images, apart from those trained on, as `fit` goes on."""

import dataclasses

import keras

from sslzoo.data import rgbd
from sslzoo.data.base import has_labels, labelled
from sslzoo.evaluation import ladder


@dataclasses.dataclass(frozen=True)
class Probe:
    """Labelled images, apart from those of the run, on which its features are tried.

    Args:
        train, test: sources with labels.
        size: images are brought to this side.
        crop: part of the shorter side that is kept before; 1 for small images.
    """

    train: object
    test: object
    size: int
    crop: float = 0.875

    def __post_init__(self):
        for source in (self.train, self.test):
            if not has_labels(source):
                labelled(source)  # It says what is missing.

    def seen(self, sees):
        """It as a network is shown it that sees each item's "image", or its "hha"."""
        train, test = (rgbd.seen(source, sees) for source in (self.train, self.test))
        return dataclasses.replace(self, train=train, test=test)


class Probes(keras.callbacks.Callback):
    """Writes into the logs of an epoch how well the features tell each set apart.

        probes = Probes({"pets": Probe(known, unseen, size=224)})
        history = method.fit(images, epochs=10, callbacks=[probes]).history
        history["pets/knn"], history["pets/linear"]

    Args:
        probes: name -> Probe, any number of them.
        every: epochs from one trial to the next; the last epoch always has one.
        path, bad_images: of images that cannot be read, see `ladder.guarded`.
    """

    def __init__(self, probes, every=1, path=None, bad_images=0.01):
        super().__init__()
        self.every = every
        self.probes = {
            name: ladder.guarded(probe, path, bad_images)
            for name, probe in probes.items()
        }

    @property
    def sources(self):
        sets = self.probes.values()
        return [source for probe in sets for source in (probe.train, probe.test)]

    def scores(self, method):
        """{set: {"knn", "linear"}} of the method as it is now."""
        return {
            name: ladder.quick(method.deployable(), probe)
            for name, probe in self.probes.items()
        }

    def due(self, epochs, last):
        """Whether there is a trial after so many epochs."""
        return last or bool(self.every and epochs % self.every == 0)

    def on_epoch_end(self, epoch, logs=None):
        if self.due(epoch + 1, epoch + 1 == self.params["epochs"]):
            for name, scores in self.scores(self.model).items():
                logs.update({f"{name}/{key}": top1 for key, top1 in scores.items()})
