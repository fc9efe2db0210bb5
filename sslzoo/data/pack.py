"""Images of any source as JPEGs in one .npz file, which `npz:FILE#SPLIT` reads.

    SPLIT_bytes     the JPEGs, one after the other
    SPLIT_offsets   image i is SPLIT_bytes[SPLIT_offsets[i] : SPLIT_offsets[i + 1]]
    y_SPLIT         their labels, and class_names
    SPLIT_files     what they were called

They lie in a random order, so the first of them are a sample of all.
"""

import contextlib
import io
import os
import zipfile

import numpy as np
from PIL import Image

from sslzoo.data.base import file_of, has_labels, labelled
from sslzoo.errors import BadInput


def pack(source, path, split, size=None, each=None, quality=90, seed=0, progress=None):
    """Writes images of `source` to the file `path`, beside the splits that it has.

    Args:
        size: a side; of every image the middle square is brought to it. Else each
            keeps its own size.
        each: images of each class, taken at random; all without.
        quality: of the JPEGs, 1 to 100.
        progress: called as progress(done, count) after each image.

    Returns:
        The number of images.
    """
    if size is not None and size < 1:
        raise BadInput(f"Images have a side of 1 or more, not {size}.")
    if not 1 <= quality <= 100:
        raise BadInput(f"The quality of a JPEG is 1 to 100, not {quality}.")
    arrays = beside(path, split, source.classes)
    indices, images, names = chosen(source, each, seed), [], []
    draft = f"{path}.writing"
    try:
        with open(draft, "wb") as file:  # Now: what cannot be kept is not made.
            for index in indices.tolist():
                item = source.read(index, only=("image",))
                images.append(jpeg(item["image"], size, quality))
                names.append(file_of(source, index))
                if progress:
                    progress(len(images), len(indices))
            arrays[f"{split}_bytes"] = np.frombuffer(b"".join(images), np.uint8)
            arrays[f"{split}_offsets"] = np.cumsum([0, *map(len, images)])
            if any(names):
                arrays[f"{split}_files"] = np.array(names)
            if has_labels(source):
                arrays[f"y_{split}"] = labelled(source)[indices]
            if source.classes is not None:
                arrays["class_names"] = np.array(source.classes)
            np.savez(file, **arrays)
        os.replace(draft, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)
    return len(images)


def beside(path, split, classes):
    """What the file has already, if `split` can be added to it."""
    if not split.isidentifier():
        raise BadInput(f"{path}#{split}: name the images, as in {path}#train.")
    if not os.path.exists(path):
        return {}
    try:
        with np.load(path) as opened:
            arrays = dict(opened)
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise BadInput(f"{path!r} cannot be read as .npz: {error}") from error
    if f"{split}_bytes" in arrays:
        raise BadInput(
            f"{path!r} has images {split!r} already. Name others, or a file."
        )
    names = tuple(arrays["class_names"].tolist()) if "class_names" in arrays else None
    if names != classes:
        raise BadInput(
            f"{path!r} has the classes {shown(names)}, and these images "
            f"{shown(classes)}. One file has one list of them: give another file."
        )
    return arrays


def shown(classes):
    if classes is None:
        return "none"
    return ", ".join(classes[:5]) + (" ..." if len(classes) > 5 else "")


def chosen(source, each, seed):
    """Indices in a random order; `each` of them of each class."""
    order = np.random.default_rng(seed).permutation(source.count)
    if each is None:
        return order
    labels = labelled(source)[order]
    kept = np.zeros(source.count, bool)
    for label in range(labels.max() + 1):
        found = np.flatnonzero(labels == label)
        if not 1 <= each <= len(found):
            name = source.classes[label] if source.classes else label
            raise BadInput(
                f"{source.name} has {len(found)} images of {name!r}: cannot take "
                f"{each} of each class."
            )
        kept[found[:each]] = True
    return order[kept]


def jpeg(image, size, quality):
    """The bytes of an image, uint8 or float32 in [0, 1]."""
    if image.dtype != np.uint8:
        image = np.rint(image * 255).astype(np.uint8)
    picture = Image.fromarray(image)
    if size is not None:
        wide, tall = picture.size
        side = min(wide, tall)
        left, top = (wide - side) // 2, (tall - side) // 2
        picture = picture.crop((left, top, left + side, top + side))
        picture = picture.resize((size, size), Image.BICUBIC)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
