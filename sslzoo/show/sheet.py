"""Contact sheets: many small pictures on one page."""

import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from sslzoo import disk
from sslzoo.data.toyworld import ToyWorld
from sslzoo.errors import BadInput
from sslzoo.zoo import files

PAPER, INK = (250, 249, 246), (40, 40, 44)
GAP, LINE = 6, 14
# One hue for each class of a mask; 0, what is around, is pale.
HUES = np.uint8(
    [[230, 228, 222], [68, 119, 170], [238, 102, 119], [34, 136, 51], [204, 187, 68],
     [102, 204, 238], [170, 51, 119], [238, 119, 51], [0, 153, 136], [136, 34, 85],
     [221, 170, 51], [51, 34, 136], [136, 204, 170]]
)  # fmt: skip


def sheet(rows, path, titles=(), scale=1):
    """Draws rows of pictures and writes them as one file.

    Args:
        rows: lists of pictures `[h, w, 3]`, uint8 or float in [0, 1], of one size; or
            of (picture, caption).
        path: where to write; the suffix says in which format.
        titles: a line, or some, above each row.
        scale: by how much a picture is enlarged, pixels staying sharp.

    Returns:
        The path.
    """
    path = Path(path)
    with files.writing(path, "Give another file."):
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn(rows, titles, scale).save(path, optimize=True)
    return path


def drawn(rows, titles=(), scale=1):
    """The page that `sheet` writes, as a picture of Pillow."""
    rows = [[c if isinstance(c, tuple) else (c, "") for c in row] for row in rows]
    titles = [*titles, *[""] * (len(rows) - len(titles))]
    height, width = (scale * side for side in np.shape(rows[0][0][0])[:2])
    # Of each row: the height of its title, and of its captions.
    heads = [LINE * len(title.splitlines()) + 4 if title else 0 for title in titles]
    feet = [LINE if any(caption for _, caption in row) else 0 for row in rows]
    tall = GAP + sum(heads) + sum(feet) + len(rows) * (height + GAP)
    wide = GAP + max(len(row) for row in rows) * (width + GAP)

    pen = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    lines = [line for title in titles for line in title.splitlines()]
    wide = max([wide, *(2 * GAP + int(pen.textlength(line)) for line in lines)])

    page = Image.new("RGB", (wide, tall), PAPER)
    pen, top = ImageDraw.Draw(page), GAP
    for row, title, head, below in zip(rows, titles, heads, feet):
        pen.text((GAP, top), title, INK)
        top += head
        for column, (picture, caption) in enumerate(row):
            left = GAP + column * (width + GAP)
            tile = Image.fromarray(as_bytes(picture))
            page.paste(tile.resize((width, height), Image.NEAREST), (left, top))
            pen.text((left, top + height + 1), caption, INK)
        top += height + below + GAP
    return page


def as_bytes(picture):
    """uint8 `[h, w, 3]` of uint8 or of float in [0, 1]."""
    picture = np.asarray(picture)
    if picture.dtype == np.uint8:
        return picture
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def with_boxes(image, boxes, labels, hues=HUES):
    """The image with each (ymin, xmin, ymax, xmax) drawn in the colour of its class."""
    page = Image.fromarray(as_bytes(image))
    pen = ImageDraw.Draw(page)
    for (top, left, bottom, right), label in zip(np.asarray(boxes), labels):
        hue = tuple(int(c) for c in hues[1 + label % (len(hues) - 1)])
        pen.rectangle((left, top, right - 1, bottom - 1), outline=hue)
    return np.asarray(page)


def as_hues(mask, hues=HUES):
    """A mask `[h, w]` of integers as colours; 0 is pale."""
    mask = np.asarray(mask)
    return hues[np.where(mask > 0, 1 + (mask - 1) % (len(hues) - 1), 0)]


def as_heat(depth):
    """Metres `[h, w]` on a logarithmic scale: near is bright, far is dark."""
    from matplotlib import colormaps

    nearness = -np.log(depth)
    low, high = nearness.min(), nearness.max()
    return colormaps["magma"]((nearness - low) / max(high - low, 1e-6))[..., :3]


def with_motion(frame, motion):
    """The frame, what moves by itself reddened and the rest grey."""
    grey = np.repeat(frame.mean(-1, keepdims=True), 3, -1) * 0.6 + 60
    red = np.uint8([255, 70, 60])
    return np.where(motion[..., None], 0.6 * frame + 0.4 * red, grey).astype(np.uint8)


def toyworld_sheet(path, size=64, columns=12, seed=0):
    """What the toy world holds: classes, boxes, masks, depth, clips; returns `path`."""
    world = ToyWorld(size=size, seed=seed)
    examples = [[] for _ in world.classes]
    for index in range(world.count):
        label = world.read(index, only=("label",))["label"]
        if len(examples[label]) < 5:
            examples[label].append(index)
        if min(len(found) for found in examples) == 5:
            break
    images = [
        [world.read(found[n], only=("image",))["image"] for found in examples]
        for n in range(5)
    ]
    rows = [list(zip(images[0], world.classes)), *images[1:]]
    items = [world.read(index) for index in range(20, 20 + columns)]
    rows += [
        [
            with_boxes(item["image"], item["boxes"], item["box_labels"])
            for item in items
        ],
        [as_hues(item["mask"]) for item in items],
        [as_hues(item["instances"]) for item in items],
        [as_heat(item["depth"]) for item in items],
    ]
    for item in items[:3]:
        marked = map(with_motion, item["clip"], item["motion"])
        rows.append([*item["clip"][: columns // 2], *list(marked)[: columns // 2]])
    titles = ["Twelve classes", "", "", "", "", "Boxes", "Semantic masks"]
    titles += ["Instances", "Depth", "Clips: frames, and what moves by itself (red)"]
    return sheet(rows, path, titles)


def toyworld_folder(path, count=200):
    """Writes the toy world's first test pictures as PNG files, one folder a class.

    Args:
        path: of the folder, which is there in the end, whole, or not at all.

    Returns:
        The path.
    """
    world, place = ToyWorld("test", count), Path(os.path.abspath(path))
    if place.exists() and not (place.is_dir() and not any(place.iterdir())):
        raise BadInput(f"{path} is there already. Give another folder.")
    draft = place.with_name(f".{place.name}.writing")
    with files.writing(path, "Give another folder."):
        shutil.rmtree(draft, ignore_errors=True)  # Of one that was killed.
        try:
            for i in range(count):
                item = world.read(i, only=("image", "label"))
                file = draft / world.classes[item["label"]] / f"{i:04d}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(item["image"]).save(file)
            disk.sync_tree(draft)
            os.replace(draft, place)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return path
