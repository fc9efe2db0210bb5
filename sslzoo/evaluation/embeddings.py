"""Features of your images, `[n, d]`, in a file that knows what made them.

Numbers of two networks, or of one network shown its images in two ways, cannot be
compared, though nothing looks wrong when they are. So what decides the numbers goes
with them, and two kinds are never mixed in one file.

    x.npz       "vectors", "files", "labels", "classes", and "about", a JSON text
    x.parquet   columns "file", "label", "vector"; the same text in its metadata
"""

import dataclasses
import json
import logging
import os
import pathlib
import zipfile

import keras
import numpy as np
import tensorflow as tf

from sslzoo import __version__
from sslzoo.data import base, rgbd, sources
from sslzoo.data.quarantine import Quarantine
from sslzoo.errors import BadInput, MissingExtra, MissingFile
from sslzoo.evaluation import features as evaluation
from sslzoo.zoo import input as inputs
from sslzoo.zoo import load as zoo
from sslzoo.zoo import serving

SPACE = ("weights", "endpoint", "preprocessing", "l2")  # What decides the numbers.
# Beside it. Of its precision alone the last digits depend.
TOLD = ("model", "revision", "input", "precision", "source", "sslzoo")
CONTRACT = ("size", "crop", "interpolation", "antialias")  # How images are shown.
KINDS = (".npz", ".parquet")
# What reading raises where another program, or half of a copy, made the file.
NOT_OURS = (KeyError, ValueError, TypeError, AttributeError, OSError, EOFError)
NOT_OURS += (RuntimeError, zipfile.BadZipFile)


@dataclasses.dataclass
class Embeddings:
    """A vector for each image."""

    vectors: np.ndarray  # float32 [n, d]
    files: list[str]  # the names of the images, or their numbers where they have none
    provenance: dict  # "model", "revision", "endpoint", "input", "l2", "precision",
    #   "source", "sslzoo"; and for its space "weights" and "preprocessing": sha256
    labels: np.ndarray | None = None  # int64 [n]
    classes: tuple | None = None  # the names of the labels
    skipped: dict = dataclasses.field(default_factory=dict)  # unreadable file: reason

    def save(self, path):
        """Writes a .npz or .parquet file, at once or not at all."""
        path = _checked(path)
        draft = path.with_name(f".{path.name}.part")
        try:
            (_write_parquet if path.suffix == ".parquet" else _write_npz)(self, draft)
            os.replace(draft, path)
        except OSError as error:
            raise BadInput(
                f"Cannot write {path}: {error.strerror or error}. Give another place."
            ) from error
        finally:
            draft.unlink(missing_ok=True)

    def joined(self, more):
        """These, and then `more`, which must be of the same space and other images."""
        self.check_space(more.provenance)
        if twice := sorted(set(self.files) & set(more.files)):
            raise BadInput(
                f"{len(twice)} images are there already, such as {twice[0]!r}. Names "
                "are those below the folder given: give the folder above both."
            )
        sources = self.provenance["source"].split("+")
        if more.provenance["source"] not in sources:
            sources.append(more.provenance["source"])
        labels, classes = None, None
        known = self.labels is not None and more.labels is not None
        if known and self.classes == more.classes:
            labels, classes = np.append(self.labels, more.labels), self.classes
        return Embeddings(
            np.concatenate([self.vectors, more.vectors]),
            [*self.files, *more.files],
            {**self.provenance, "source": "+".join(sources)},
            labels,
            classes,
            {**self.skipped, **more.skipped},
        )

    def check_space(self, provenance):
        """Raises unless vectors of that provenance can be compared with these."""
        other = [k for k in SPACE if self.provenance.get(k) != provenance.get(k)]
        if other:
            there, here = (_told(which) for which in (self.provenance, provenance))
            raise BadInput(
                f"Features of two spaces: those there are of {there}, these of {here} "
                f"(other {' and '.join(other)}). Distances between them mean nothing. "
                "Give another file."
            )


def features(
    model,
    images,
    batch_size=64,
    endpoint=None,
    l2=False,
    out=None,
    append=False,
    quick=False,
    contract=None,
    precision="auto",
    progress=None,
    registry=None,
    revision=None,
    cache_dir=None,
    offline=None,
    allow_http=False,
    accept_license=False,
):
    """The features of images, by a model of the zoo or any other.

        found = sslzoo.features("byol_r18w16", "photos/", out="photos.npz")
        found.vectors, found.files

    Pictures that cannot be read are left out, and named in `skipped`.

    Args:
        model: a name, as `load` takes it; or a `keras.Model`.
        images: a folder; a picture; a list of them; arrays, `[n, h, w, 3]` or of
            several sizes, uint8 or float in [0, 1]; or a source of `sslzoo.data`. Of
            a model that sees depth, a source that has it: "rgbd:FILE".
        batch_size: images at once.
        endpoint: the name of a feature; of a map, the mean over its places is taken.
        l2: makes each vector one of length 1.
        out: a .npz or .parquet file to write.
        append: adds to that file, if it is there. Arrays, which have no names, are
            numbered on.
        quick: decodes large JPEGs at a half, a quarter or an eighth of their size, at
            least twice what the model is shown. Faster, and slightly another space.
        contract: how images are shown, as the "input" of a card, for a model that has
            none: {"size": 224, "crop": 0.875, "interpolation": "bicubic", "antialias":
            False}.
        precision: "float32"; or "bfloat16", in which processors with units for it are
            faster (docs/measured.md), at a cosine of 0.9999 with float32's; "auto"
            takes that where they are.
        progress: called with (images done, images in all) after every batch.
        registry, revision, cache_dir, offline, allow_http, accept_license: of a model
            that is named, as `load` takes them.
    """
    if keras.config.backend() != "tensorflow":
        raise BadInput(
            "sslzoo.features reads images by TensorFlow, and this process has Keras "
            f"run on {keras.config.backend()}. There sslzoo.load_preprocessor(NAME) "
            "and sslzoo.load(NAME) do."
        )
    precision = serving.known_precision(precision)
    source = _source(images)
    earlier = _earlier(out, append)
    first = _first(source, earlier, out)
    if isinstance(model, (str, os.PathLike)):
        model = zoo.load(
            model,
            features_only=True,
            registry=registry,
            revision=revision,
            cache_dir=cache_dir,
            offline=offline,
            allow_http=allow_http,
            accept_license=accept_license,
        )
    contract = _contract(model, contract)
    source = rgbd.seen(source, contract.get("sees", "image"))
    source = Quarantine(source, threshold=1.0)
    provenance = _provenance(model, endpoint, contract, l2, quick)
    provenance["precision"] = precision
    if earlier:
        earlier.check_space(provenance)

    with serving.computing_in(precision):
        found = evaluation.features(
            _vectors(serving.quick(model), endpoint),
            source,
            batch_size=batch_size,
            progress=progress,
            contract=contract,
            smallest=2 * contract["size"] if quick else None,
        )
    made = _embeddings(found, source, l2, {**provenance, "source": source.name}, first)
    if made.skipped:
        some = ", ".join(list(made.skipped)[:5])
        logging.getLogger("sslzoo").warning(
            "%s of %s images cannot be read and are left out: %s%s",
            *(len(made.skipped), source.count, some),
            " ..." if len(made.skipped) > 5 else "",
        )
    if out is not None:
        (earlier.joined(made) if earlier else made).save(out)
    return made


def read(path):
    """The embeddings in a file that `Embeddings.save` wrote."""
    path = _checked(path)
    if not path.is_file():
        raise MissingFile(f"No such file: {path}.")
    try:
        found = (_read_parquet if path.suffix == ".parquet" else _read_npz)(path)
        _check_whole(found)
    except NOT_OURS as error:
        raise BadInput(
            f"{path} is no file of features that sslzoo wrote: {error!r}"
        ) from None
    return found


def _source(images):
    if hasattr(images, "read") and hasattr(images, "count"):
        return images
    if isinstance(images, (str, os.PathLike)):
        path = os.fspath(images)
        if os.path.isfile(path):
            return sources.Files([path])
        kind = path.partition(":")[0]
        if kind in sources.KINDS and not os.path.exists(path):
            return sources.from_spec(path)
        return sources.Folder(path)
    if hasattr(images, "convert"):  # One of Pillow.
        images = [images]
    if isinstance(images, (list, tuple)):
        if images and all(isinstance(one, (str, os.PathLike)) for one in images):
            return sources.Files([sources.existing(os.fspath(one)) for one in images])
        return sources.Arrays([np.asarray(inputs.picture(one)) for one in images])
    if hasattr(images, "element_spec"):
        raise BadInput(
            "The images of a dataset have no names. sslzoo.load(NAME).predict(dataset) "
            "gives their features; or give a folder, pictures or arrays."
        )
    if not np.ndim(images):
        raise BadInput(
            f"There are no images in {images!r:.60}. Give a folder, pictures or arrays."
        )
    return sources.Arrays(np.asarray(images))


def _earlier(out, append):
    """What the file holds to which is appended; before anything long is begun."""
    if out is None:
        if append:
            raise BadInput("append=True: say to which file, out=...")
        return None
    path = _checked(out)
    if not os.access(path.absolute().parent, os.W_OK):
        raise BadInput(f"Cannot write {out}: its folder is not there or not ours.")
    if not path.exists():
        return None
    if not append:
        raise BadInput(
            f"{out} is there already. Give another name, or append=True (--append) to "
            "add to it."
        )
    return read(out)


def _first(source, earlier, out):
    """The number of the first image, where they have no names."""
    if not earlier:
        return 0
    there = earlier.provenance["source"].split("+")
    known = source.name != "arrays" and not base.file_of(source, 0)
    if known and source.name in there:
        raise BadInput(
            f"{out} has the images of {source.name} already. Give others, or another "
            "file."
        )
    return len(earlier.files) + len(earlier.skipped)


def _contract(model, contract):
    known = contract or getattr(getattr(model, "card", None), "input", None)
    if known is None:
        raise BadInput(
            f"The model {getattr(model, 'name', model)!r} does not say how it is shown "
            "images. Give contract={'size': 224, 'crop': 0.875, 'interpolation': "
            "'bicubic', 'antialias': False}."
        )
    contract = {key: known[key] for key in CONTRACT}
    return contract | ({"sees": known["sees"]} if "sees" in known else {})


def _provenance(model, endpoint, contract, l2, quick):
    card = getattr(model, "card", None)
    shown = {**contract, "quick": quick}
    return {
        "model": card.name if card else model.name,
        "revision": card.revision if card else None,
        "weights": base.sha256(*model.get_weights()),
        "endpoint": endpoint or "pooled",
        "input": shown,
        "preprocessing": base.sha256(*sorted(shown.items())),
        "l2": l2,
        "sslzoo": __version__,
    }


def _told(provenance):
    revision = provenance.get("revision")
    words = provenance["model"] + (f", revision {revision}" if revision else "")
    return f"{words}, {provenance['endpoint']}"


def _vectors(model, endpoint):
    """Images to `[n, d]`, by the one feature that is asked for."""

    def run(images, training):
        outputs = model(images, training=training)
        if isinstance(outputs, dict):
            outputs = outputs[zoo.known_feature(endpoint or "pooled", outputs)]
        elif endpoint not in (None, "pooled"):
            raise BadInput(
                f"The model gives one vector, not {endpoint!r}. Give its name, or load "
                "it with features_only=True."
            )
        return tf.reduce_mean(outputs, (1, 2)) if len(outputs.shape) == 4 else outputs

    return run


def _embeddings(found, source, l2, provenance, first):
    kept = np.setdiff1d(np.arange(source.count), list(source.bad))
    names = [base.file_of(source, i) or str(first + i) for i in range(source.count)]
    vectors = found["pooled"][kept]
    if l2:
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return Embeddings(
        vectors,
        [names[i] for i in kept],
        provenance,
        found["label"][kept] if "label" in found else None,
        source.classes,
        {names[i]: reason for i, reason in sorted(source.bad.items())},
    )


def _checked(path):
    """The path of a file of embeddings, of a kind that can be read and written."""
    path = pathlib.Path(path)
    if path.suffix not in KINDS:
        raise BadInput(
            f"Features go to a file {' or '.join(KINDS)}, not to {path.name!r}."
        )
    if path.suffix == ".parquet":
        _pyarrow()
    return path


def _pyarrow():
    try:
        import pyarrow.parquet
    except ImportError:
        raise MissingExtra(
            "A .parquet file needs pyarrow: pip install 'sslzoo[parquet]'"
        ) from None
    return pyarrow


def _check_whole(found):
    count, shape = len(found.files), np.shape(found.vectors)
    if len(shape) != 2 or shape[0] != count:
        raise ValueError(f"vectors of shape {shape} for {count} images")
    if found.labels is not None and np.shape(found.labels) != (count,):
        raise ValueError(f"labels of shape {found.labels.shape} for {count} images")
    missing = [key for key in (*TOLD, *SPACE) if key not in found.provenance]
    if missing:
        raise ValueError(f"its provenance lacks {', '.join(missing)}")


def _about(made):
    return json.dumps({"provenance": made.provenance, "skipped": made.skipped})


def _write_npz(made, path):
    arrays = {"vectors": made.vectors, "files": np.array(made.files, str)}
    if made.labels is not None:
        arrays["labels"] = made.labels
    if made.classes is not None:
        arrays["classes"] = np.array(made.classes, str)
    with open(path, "wb") as file:
        np.savez(file, about=_about(made), **arrays)


def _read_npz(path):
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    classes = arrays.get("classes")
    return Embeddings(
        arrays["vectors"],
        arrays["files"].tolist(),
        labels=arrays.get("labels"),
        classes=None if classes is None else tuple(classes.tolist()),
        **json.loads(str(arrays["about"])),
    )


def _write_parquet(made, path):
    pa = _pyarrow()
    flat = pa.array(made.vectors.ravel())
    columns = {
        "file": pa.array(made.files),
        "vector": pa.FixedSizeListArray.from_arrays(flat, made.vectors.shape[1]),
    }
    if made.labels is not None:
        columns["label"] = pa.array(made.labels)
    about = {"sslzoo": _about(made), "classes": json.dumps(made.classes)}
    table = pa.table(columns).replace_schema_metadata(about)
    pa.parquet.write_table(table, path)


def _read_parquet(path):
    pa = _pyarrow()
    table = pa.parquet.read_table(path)
    about = table.schema.metadata or {}
    vectors = table["vector"].combine_chunks()
    classes = json.loads(about[b"classes"])
    has_labels = "label" in table.column_names
    return Embeddings(
        vectors.values.to_numpy().reshape(len(vectors), -1),
        table["file"].to_pylist(),
        labels=table["label"].to_numpy() if has_labels else None,
        classes=None if classes is None else tuple(classes),
        **json.loads(about[b"sslzoo"]),
    )
