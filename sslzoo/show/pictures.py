"""What a person can see of a model, as one picture for a file or a page.

    answers    what a method says of images, see `Method.sheet`, and its figures
    filters    the kernels of the first convolution
    excited    the windows that excite channels of a layer most

Each gives a `Page`; `of` finds the model, or the run, that it is asked for by name.
"""

import dataclasses
import itertools
import os
import warnings

import keras
import numpy as np
from PIL import Image

from sslzoo import runner
from sslzoo.backbones import layers
from sslzoo.color import lab_to_rgb
from sslzoo.data import rgbd, sources
from sslzoo.data.quarantine import Quarantine
from sslzoo.errors import BadInput
from sslzoo.evaluation import top_activations
from sslzoo.show import sheet
from sslzoo.show.sheet import as_bytes
from sslzoo.show.tiles import spread
from sslzoo.workdir import Workdir
from sslzoo.zoo import input as inputs
from sslzoo.zoo import load as loading
from sslzoo.zoo import registry, resume

TILE = 128  # The side of a picture on a page.
COLUMNS = 12  # Of filters.
CHANNELS = 8  # Of a layer, evenly spread, where it has more.
TICK = (0, 0, 0)  # The ticks of bars.


@dataclasses.dataclass(frozen=True)
class Page:
    """Rows of (picture, caption), a title above each, and the means of its figures."""

    rows: list
    titles: list
    figures: dict

    def write(self, path):
        return sheet.sheet(self.rows, path, self.titles)

    def picture(self):
        return sheet.drawn(self.rows, self.titles)


def of(name, images, filters=False, top=None, count=8, where=None):
    """The page of a model or a run.

    Args:
        name: of a model, or the workdir of a run.
        images: a source; filters need none.
        filters, top: these kernels, or the windows of that layer, in place of answers.
        count: how many images, evenly spread; or windows.
        where: the registry to look in.
    """
    if count < 1:
        raise BadInput(f"--count {count} shows nothing. Give 1 or more.")
    if images is None and not filters:
        raise BadInput(f"Which images? sslzoo show {name} FOLDER; or --filters.")
    if os.path.isfile(os.path.join(name, "run.json")):
        method, _ = runner.trained(Workdir(name))
        network, served = method.backbone, method.deployable()
    elif filters or top:
        network = served = loading.load(name, features_only=True, registry=where)
        method = None
    else:
        method = registry.whole(name, _with_heads, registry=where, weights=False)
    if filters or top:
        sees = method.sees if method else served.card.input.get("sees", "image")
    if filters:
        return kernels(network, sees)
    if top:
        size = side(method) if method else served.card.input["size"]
        return excited(served, images, top, size, count, sees)
    return answers(method, images, count)


def _with_heads(entry):
    with warnings.catch_warnings():  # That its schedule has ended is all the same here.
        warnings.simplefilter("ignore")
        return resume.load(entry)


def images_of(words):
    """A source of a folder, or of a spec of data."""
    spec = ":" in words and not os.path.exists(words)
    return sources.from_spec(words if spec else f"folder:{words}")


def side(method):
    """Of the images that a method is shown, where it is known."""
    found = getattr(method.example, "size", None) or method.backbone.input_shape[1]
    if not found:
        raise BadInput(
            f"This {type(method).__name__} does not say how large the images are that "
            "it is shown. Give its example a `size`, as methods.byol.example has it."
        )
    return found


def answers(method, source, count=8):
    """What the method says of `count` images of the source, evenly spread."""
    source = Quarantine(source, threshold=1.0)
    names = {"image", *method.uses}
    _need(source, names, type(method).__name__)
    items = [source.read(i, only=names) for i in spread(source.count, count)]
    batch = {
        name: np.stack([_square(item[name], side(method), name) for item in items])
        for name in sorted(names & {"image", "hha"})
    }
    found = method.sheet(batch)
    rows, titles = [], []
    for i in range(len(items)):
        row = []
        for name, each in found.pictures.items():
            if np.ndim(each) == 3:
                low, high = each.min(), each.max()
                heat = tile(as_heat(each[i], low, high))
                row.append((heat, f"{name}: {low:.2f} to {high:.2f}"))
            else:
                words = found.words[name][i] if name in found.words else name
                row.append((tile(each[i]), words))
        for name, bars in found.bars.items():
            drawn = as_bars(bars.said[i], bars.found[i], bars.colours)
            row.append((drawn, f"{name}; ticks: truth"))
        rows.append(row)
        titles.append(in_words({name: v[i] for name, v in found.figures.items()}))
    means = {name: float(np.mean(v)) for name, v in found.figures.items()}
    return Page(rows, titles, means)


def _need(source, names, who):
    if lacking := sorted(names - {"label"} - {*source.fields}):
        raise BadInput(
            f"{who} needs {', '.join(lacking)} beside each image. {source.name} has "
            f"{', '.join(source.fields)}. With depth: rgbd:FILE."
        )


def _square(image, size, name="image"):
    """The middle of it. Of HHA the nearest pixels: between a hole and what is known
    nothing is known.
    """
    if name == "hha":
        top, left, extent, _ = inputs.window(*image.shape[:2], 1.0)
        at = (2 * np.arange(size) + 1) * extent // (2 * size)
        image = image[top + at][:, left + at]
    contract = dict(size=size, crop=1.0, interpolation="bicubic", antialias=True)
    return inputs.view(image, contract)


def kernels(network, sees="image"):
    """The kernels of each first convolution, each scaled to its largest weight.

    Of L they are gray; of a and b, and of Lab, the colours of L = 50 and around; of HHA
    its three numbers, as pictures of it have them.

    Args:
        sees: what of an item the network is shown: its "image", or its "hha".
    """
    rows, titles = [], []
    for name, layer, part in _first_convolutions(network):
        part = "HHA" if (sees, part) == ("hha", "RGB") else part
        kernel = np.asarray(layer.kernel, "float32")
        pictures = [kernel[..., k] for k in range(kernel.shape[-1])]
        shown = [as_filter(each, part) for each in pictures]
        scale = max(1, TILE // 2 // kernel.shape[0])
        shown = [np.kron(each, np.ones((scale, scale, 1))) for each in shown]
        titles.append(
            f"{name}: {len(shown)} kernels of {kernel.shape[0]} x "
            f"{kernel.shape[1]}, of {part}"
        )
        for start in range(0, len(shown), COLUMNS):
            rows.append(shown[start : start + COLUMNS])
            titles += [""] * bool(start)
    return Page(rows, titles, {"kernels": sum(map(len, rows))})


def excited(network, source, name, size, count=8, sees="image"):
    """The windows of `count` images that excite some channels of a layer most.

    Args:
        sees: what of an item the network is shown: its "image", or its "hha".
    """
    last = network.output[loading.known_feature(name, network.output)].shape[-1]
    channels = spread(last, CHANNELS).tolist()
    source = Quarantine(source, threshold=1.0)
    _need(source, {sees}, network.name)
    seen = source if sees == "image" else rgbd.Seen(source, sees)
    found = top_activations.evaluate(network, seen, size, name, channels, count, 1.0)
    rows, titles = [], []
    for channel, best in found.items():
        row = []
        for each in best:
            image = source.read(each["image"], only=("image",))["image"]
            part = cut(_square(image, size), each["window"])
            row.append((tile(part), f"{each['value']:.3g}"))
        rows.append(row)
        silent = not any(each["value"] for each in best)
        titles.append(f"{name}, channel {channel}" + ", 0 everywhere" * silent)
    largest = [best[0]["value"] for best in found.values()]
    return Page(rows, titles, {"largest, mean of channels": float(np.mean(largest))})


def _first_convolutions(network):
    """The convolutions that no other comes before, two where a network has halves: of
    each its name, the layer, and what it sees.
    """
    behind, first = set(), []
    for layer in network.operations:
        inputs = keras.tree.flatten(getattr(layer, "input", []))
        outputs = {id(x) for x in keras.tree.flatten(layer.output)}
        if any(id(x) in behind for x in inputs):
            behind |= outputs
        elif isinstance(layer, keras.layers.Conv2D):
            first.append(layer)
            behind |= outputs
    if first:
        return [(layer.name, layer, _sees(layer)) for layer in first]
    # Halves that are networks themselves, behind the layer that makes their colours.
    lab = any(isinstance(each, layers.Lab) for each in network.operations)
    nested = [
        (f"{half.name}/{name}", layer, _named(layer, lab))
        for half in network.operations
        if isinstance(half, keras.Model)
        for name, layer, _ in _first_convolutions(half)
    ]
    if not nested:
        raise BadInput(f"{network.name} has no convolution, so no filters to show.")
    return nested


def _sees(layer):
    """What reaches a convolution: "L", "ab", "Lab", "gray", "RGB" or "BGR"."""
    before, x = [], layer.input
    while getattr(x, "_keras_history", None) is not None:
        operation = x._keras_history.operation
        before.append(operation)
        inputs = keras.tree.flatten(getattr(operation, "input", []))
        if not inputs or isinstance(operation, keras.layers.InputLayer):
            break
        x = inputs[0]
    lab, flipped = (
        any(isinstance(each, kind) for each in before)
        for kind in (layers.Lab, layers.Flipped)
    )
    return "BGR" if flipped else _named(layer, lab)


def _named(layer, lab):
    """What the channels of a convolution are, behind a layer of Lab or not."""
    channels = layer.kernel.shape[-2]
    if lab:
        return {1: "L", 2: "ab", 3: "Lab"}.get(channels, "Lab")
    return {1: "gray", 3: "RGB"}.get(channels, f"{channels} channels")


def as_filter(kernel, part):
    """RGB `[k, k, 3]` of a kernel `[k, k, channels]`; 0 is middle gray."""
    kernel = kernel / max(np.abs(kernel).max(), 1e-12)
    if part in ("ab", "Lab"):
        zero = np.zeros((*kernel.shape[:2], 3), "float32") + np.float32([50, 0, 0])
        zero[..., layers.PARTS[part]] += kernel * (60 if part == "ab" else 45)
        return np.asarray(lab_to_rgb(zero))
    kernel = kernel[..., ::-1] if part == "BGR" else kernel
    gray = kernel if part in ("RGB", "BGR", "HHA") else kernel.mean(-1, keepdims=True)
    return np.broadcast_to(0.5 + 0.5 * gray, (*kernel.shape[:2], 3))


def as_heat(values, low, high):
    """A map `[h, w]` as colours: `low` is dark, `high` is bright."""
    from matplotlib import colormaps

    return colormaps["magma"]((values - low) / max(high - low, 1e-6))[..., :3]


def as_bars(said, found, colours):
    """A histogram as bars, its bins by their colours, with ticks at the true one."""
    page = np.full((TILE, TILE, 3), sheet.PAPER, "uint8")
    most = max(said.max(), found.max(), 1e-6)
    edges = np.linspace(0, TILE, len(said) + 1).astype(int)
    for k, (left, right) in enumerate(itertools.pairwise(edges)):
        high = round((TILE - 8) * said[k] / most)
        page[TILE - high :, left:right] = as_bytes(colours[k])
        at = min(TILE - 2, TILE - round((TILE - 8) * found[k] / most))
        page[at : at + 2, left:right] = TICK
    return page


def cut(image, window):
    """A window of an image, moved inside and made smaller where it reaches beyond."""
    top, left, height, width = window
    height, width = min(height, image.shape[0]), min(width, image.shape[1])
    top = min(max(top, 0), image.shape[0] - height)
    left = min(max(left, 0), image.shape[1] - width)
    return image[top : top + height, left : left + width]


def tile(picture):
    """A picture at the side of all: pixels stay sharp where there are few."""
    picture = Image.fromarray(as_bytes(picture))
    few = max(picture.size) <= TILE // 2
    how = Image.Resampling.NEAREST if few else Image.Resampling.LANCZOS
    return np.asarray(picture.resize((TILE, TILE), how))


def in_words(figures):
    """Numbers in lines, what begins alike together: "PSNR 21.3 (of gray 20.1)".

    Those of one way, "L -> ab, cl: PSNR", are a line.
    """
    lines, last = {}, None
    for name, value in figures.items():
        way, _, what = name.rpartition(": ")
        line = lines.setdefault(way, [])
        if line and last and what.startswith(f"{last} "):
            line[-1] += f" ({what.removeprefix(last).strip()} {value:.2f})"
        else:
            line.append(f"{what} {value:.2f}")
            last = what
    return "\n".join(
        f"{way}: {'; '.join(line)}" if way else "; ".join(line)
        for way, line in lines.items()
    )
