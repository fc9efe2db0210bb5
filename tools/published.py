"""The models that their authors publish: the table of which their cards are made.

`python tools/cards.py` writes the cards into savedmodels/; a test holds them to this.
Each line below is of a model, its file, and what its authors say of it; what a card
says of the network is read off the network, built without numbers.

None of the files was at hand: addresses and figures are from the sheets (byol, 2 and 3;
revisiting, 4; split_brain, 7 and 8; color_proxy, 6 and 7), the names of SimCLR's files
and of its folders of version 1 from scripts of others that fetch them
(Separius/SimCLRv2-Pytorch and the like). The steps of SimCLR do not tell its epochs, so
its tags do not say any.
"""

import functools

import keras

from sslzoo import backbones
from sslzoo.methods.byol import BYOL
from sslzoo.zoo import export
from sslzoo.zoo.card import Card

IMAGENET = "ImageNet (ILSVRC 2012), train"
DATA = (
    "ImageNet's photographs: non-commercial research and education only, copyright "
    "stays with the photographers"
)
LIMITS = (
    "It has seen photographs of ImageNet's thousand classes: it is not for text, "
    "medical or aerial pictures, unless that was tried.",
    "Nothing was tried of decisions about people: it is not for them.",
    "The authors' figures are theirs: nothing was measured here.",
    "Conversion was tested on synthetic files of the same format, not on the authors' "
    "own, which could not be fetched when this was written.",
    "It has no heads: its training cannot be gone on with.",
)
SIMCLR = """@inproceedings{chen2020simclr,
  title = {A Simple Framework for Contrastive Learning of Visual Representations},
  author = {Chen, Ting and Kornblith, Simon and Norouzi, Mohammad and Hinton, Geoffrey},
  booktitle = {International Conference on Machine Learning},
  year = {2020}
}"""
SIMCLRV2 = """@inproceedings{chen2020big,
  title = {Big Self-Supervised Models are Strong Semi-Supervised Learners},
  author = {Chen, Ting and Kornblith, Simon and Swersky, Kevin and Norouzi, Mohammad
    and Hinton, Geoffrey},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2020}
}"""
REVISITING = """@inproceedings{kolesnikov2019revisiting,
  title = {Revisiting Self-Supervised Visual Representation Learning},
  author = {Kolesnikov, Alexander and Zhai, Xiaohua and Beyer, Lucas},
  booktitle = {Conference on Computer Vision and Pattern Recognition},
  year = {2019}
}"""
SPLIT_BRAIN = """@inproceedings{zhang2017splitbrain,
  title = {Split-Brain Autoencoders: Unsupervised Learning by Cross-Channel Prediction},
  author = {Zhang, Richard and Isola, Phillip and Efros, Alexei A.},
  booktitle = {Conference on Computer Vision and Pattern Recognition},
  year = {2017}
}"""
COLOR_PROXY = """@inproceedings{larsson2017colorproxy,
  title = {Colorization as a Proxy Task for Visual Understanding},
  author = {Larsson, Gustav and Maire, Michael and Shakhnarovich, Gregory},
  booktitle = {Conference on Computer Vision and Pattern Recognition},
  year = {2017}
}"""

# BYOL: of the ablations tag -> file below DEEPMIND, top-1 in percent, what it is.
DEEPMIND = "https://storage.googleapis.com/deepmind-byol/checkpoints/"
README = "README of deepmind-research/byol (about)"
TABLES = "Grill et al. 2020, Tables 16 and 17: mean of 3 seeds, of which this is one"
ABLATIONS = {
    "baseline": ("baseline", 72.5, "batch 4096, all transformations"),
    "batch2048": ("batchsize_2048", 72.4, "batch 2048"),
    "batch1024": ("batchsize_1024", 72.2, "batch 1024"),
    "batch512": ("batchsize_512", 72.2, "batch 512"),
    "batch256": ("batchsize_256", 71.8, "batch 256"),
    "batch128": ("batchsize_128", 69.6, "batch 128"),
    "batch64": ("batchsize_64", 59.7, "batch 64"),
    "no_gray": ("no_grayscale", 70.3, "no grayscale"),
    "no_color": ("no_color", 63.4, "no colour: neither jitter nor grayscale"),
    "crop_blur": ("crop_and_blur_only", 61.1, "crops and blur only"),
    "crop": ("crop_only", 59.4, "crops only"),
    "crop_color": ("crop_and_color_only", 70.7, "crops and colour only"),
}

# SimCLR: depth, width -> top-1 in percent by folder, and the step in names of files.
GOOGLE = "https://storage.googleapis.com/simclr-checkpoints/"
V1 = {
    "pretrain": {1: (69.1, 225206), 2: (74.2, 225206), 4: (76.6, 225206)},
    "finetune_10pct": {1: (65.8, 939), 2: (71.6, 939), 4: (74.5, 470)},
    "finetune_100pct": {1: (75.6, 9384), 2: (79.2, 18768), 4: (80.8, 4692)},
}
V2_STEPS = {
    "pretrained": 250228,
    "finetuned_1pct": 751,
    "finetuned_10pct": 3754,
    "finetuned_100pct": 37535,
    "supervised": 28151,
}
V2 = {  # In the order of V2_STEPS.
    (50, 1): (71.7, 57.9, 68.4, 76.3, 76.6),
    (50, 2): (75.6, 66.3, 73.9, 79.1, 77.8),
    (101, 1): (73.6, 62.1, 71.4, 78.2, 78.0),
    (101, 2): (77.0, 69.1, 75.8, 80.7, 78.9),
    (152, 1): (74.5, 64.0, 73.0, 79.3, 78.3),
    (152, 2): (77.4, 70.2, 76.6, 81.1, 79.1),
}

# VTAB's modules of TF-Hub: our method -> their name.
VTAB = {
    "rotation": "rotation",
    "exemplar": "exemplar",
    "jigsaw": "jigsaw",
    "relative_patch": "relative-patch-location",
}

# Split-brain: layer -> top-1 of a linear classifier on it, in percent; and of the file
# that was rescaled, what it was fine-tuned for -> percent.
BERKELEY = "https://people.eecs.berkeley.edu/~rich.zhang/projects/2017_splitbrain/files/models/"
LAYERS = {"conv1": 17.7, "conv2": 29.3, "conv3": 35.4, "conv4": 35.2, "conv5": 32.8}
RESCALED = {
    ("VOC 2007, test", "classification, fc6 to fc8 trained, mAP"): 63.0,
    ("VOC 2007, test", "classification, all layers trained, mAP"): 67.1,
    ("VOC 2007, test", "detection, Fast R-CNN, all layers trained, mAP"): 46.7,
    ("VOC 2012, validation", "segmentation, FCN-32s, all layers trained, mIU"): 36.0,
}

# Larsson: our arch -> (their file, the network); and VOC 2007 mAP, VOC 2012 mIU.
CHICAGO = "https://people.cs.uchicago.edu/~larsson/color-proxy/models/"
PROXY = {
    "alexnet": ("alexnet", ("alexnet", {"form": "larsson", "geometry": "fixed"})),
    "vgg16": ("vgg16", ("vgg16", {"norm": False})),
    "r152": ("resnet152", ("resnet152", {"style": "caffe"})),
}
TASKS = {"alexnet": (65.9, 38.4), "vgg16": (77.2, 56.0), "r152": (77.3, 60.0)}
UNTRIED = (
    "The address is that of the authors, by https; whether it answers was not tried."
)


def cards():
    """All of them, by name."""
    return sorted(
        [*byol(), *simclr(), *vtab(), *split_brain(), *color_proxy()],
        key=lambda card: card.name,
    )


def byol():
    def card(arch, depth, width, tag, file, top1, figure, size, **more):
        return published(
            f"byol_{arch}.in1k_{tag}",
            (f"resnet{depth}", {"width": width}),
            source={
                "converter": "deepmind_byol",
                "url": f"{DEEPMIND}{file}.pkl",
                "size": size,
            },
            published=[linear(top1, figure)],
            origin="DeepMind, with the paper: deepmind-research/byol",
            licences={
                "weights": "CC-BY-NC-4.0",
                "notice": "https://github.com/google-deepmind/deepmind-research/tree/"
                "master/byol",
            },
            citation=BYOL.citation,
            **more,
        )

    for arch, depth, width, file, top1, size in (
        ("r50", 50, 1, "pretrain_res50x1", 74.4, "about 570 MB"),
        ("r200w2", 200, 2, "pretrain_res200x2", 79.6, "about 4.6 GB"),
    ):
        summary = f"BYOL features of ResNet-{depth} {width}x, 1000 epochs, by DeepMind"
        learned = {"learned_from": IMAGENET, "epochs": 1000}
        words = dict(summary=summary, training=learned, default=True)
        tag = "ep1000_deepmind"
        yield card(arch, depth, width, tag, file, top1, README, size, **words)
    for name, (file, top1, what) in ABLATIONS.items():
        summary = f"BYOL features of ResNet-50, 300 epochs, by DeepMind; {what}"
        learned = {"learned_from": IMAGENET, "epochs": 300}
        words = dict(summary=summary, training=learned)
        tag, file = f"ep300_deepmind_{name}", f"ablations/res50x1_{file}"
        yield card("r50", 50, 1, tag, file, top1, TABLES, "about 640 MB", **words)


def simclr():
    def card(version, folder, depth, width, place, step, top1):
        method, kind, tag, protocol = of_folder(version, folder)
        arch = f"r{depth}" + (f"w{width}" if width > 1 else "")
        name = f"{depth} {width}x"
        return published(
            f"{method}_{arch}.in1k_{tag}google",
            (f"resnet{depth}", {"width": width, "style": "simclr"}),
            source={
                "converter": "google_simclr",
                "url": f"{GOOGLE}{place}/",
                "files": [
                    f"model.ckpt-{step}.index",
                    f"model.ckpt-{step}.data-00000-of-00001",
                ],
            },
            published=[linear(top1, "README of google-research/simclr", protocol)],
            origin=f"Google Research, with the paper: google-research/simclr, {folder}",
            licences={"weights": "not stated"},
            citation=SIMCLRV2 if version == 2 else SIMCLR,
            summary=f"{kind} features of ResNet-{name}, by Google",
            training={"learned_from": IMAGENET, "steps": step},
            default=folder in ("pretrain", "pretrained", "supervised"),
            limits=[
                "No licence is stated of the weights; the repository's is Apache-2.0.",
                "The names of its files are those of a script of others that fetches "
                "them.",
                "How its authors show images (the centre, 0.875, bicubic) is recalled, "
                "not recorded.",
            ],
        )

    for folder, models in V1.items():
        for width, (top1, step) in models.items():
            place = f"simclrv1/{folder}/{width}x"
            yield card(1, folder, 50, width, place, step, top1)
    for (depth, width), figures in V2.items():
        for (folder, step), top1 in zip(V2_STEPS.items(), figures):
            place = f"simclrv2/{folder}/r{depth}_{width}x_sk0"
            yield card(2, folder, depth, width, place, step, top1)


def of_folder(version, folder):
    """(method, what it is, tag, what its figure is of) of one of SimCLR's folders."""
    if folder == "supervised":
        return "supervised", "Supervised", "", "supervised training, top-1"
    method, kind = ("simclr", "SimCLR") if version == 1 else ("simclrv2", "SimCLRv2")
    if folder.startswith("pretrain"):
        return method, kind, "", "linear evaluation, top-1"
    part = folder.partition("_")[2].removesuffix("pct")
    return (
        method,
        f"{kind}, then on labels of {part} % fine-tuned,",
        f"ft{part}pct_",
        f"fine-tuned on {part} % of the labels, top-1",
    )


def vtab():
    for method, theirs in VTAB.items():
        yield published(
            f"{method}_r50v2.in1k_vtab",
            ("resnet50v2", {}),
            source={
                "converter": "vtab",
                "url": f"https://storage.googleapis.com/vtab/{theirs}/1.tar.gz",
                "inside": "variables.index",
            },
            origin=f"Google Research, VTAB's collection: tfhub.dev/vtab/{theirs}/1",
            licences={"weights": "not stated"},
            citation=REVISITING,
            summary=f"Features of ResNet50-v2 by {method.replace('_', ' ')}, of VTAB",
            training={"learned_from": IMAGENET},
            default=True,
            input={"interpolation": "bilinear", "antialias": True},
            limits=[
                "No licence is stated of the weights.",
                "The module is of ordinary width: the paper's figures are of others.",
                "The names of its variables, whether it ends in a ReLU and how images "
                "were shown to it are not recorded: weights are mapped by order and "
                "shape, and views are the paper's, nearly.",
            ],
        )


def split_brain():
    def card(tag, file, what, figures, **more):
        return published(
            f"split_brain_alexnet.in1k_{tag}zhang",
            ("alexnet", {"form": "release"}),
            source={"converter": "split_brain", "url": f"{BERKELEY}{file}.caffemodel"},
            published=figures,
            origin="Zhang, Isola and Efros, with the paper: richzhang/splitbrainauto",
            licences={"weights": "not stated"},
            citation=SPLIT_BRAIN,
            summary=f"Split-brain features of AlexNet, by its authors; {what}",
            training={"learned_from": IMAGENET},
            input={"crop": 227 / 256, "interpolation": "bilinear"},
            limits=[
                "No licence is stated of the weights; the repository's is MIT.",
                "What keeps its halves apart are zeros among the weights alone, as far "
                "as is known: training that goes on mixes them.",
                "Its authors make images 256 x 256 first, whatever their sides were, "
                "and take the middle 227; here the middle square is taken.",
            ],
            **more,
        )

    file, source = "model_splitbrainauto_clcl", "Zhang et al. 2017, Table"
    figures = [
        linear(percent, f"{source} 2", f"linear classifier on {layer}, top-1")
        for layer, percent in LAYERS.items()
    ]
    yield card("", file, "as it was trained", figures, default=True)
    figures = [
        figure(data, task, percent, f"{source} 4")
        for (data, task), percent in RESCALED.items()
    ]
    what = "rescaled for fine-tuning, its Lab too"
    yield card("rescaled_", f"{file}_rs", what, figures)


def color_proxy():
    for arch, (file, built) in PROXY.items():
        classified, segmented = TASKS[arch]
        source = "Larsson et al. 2017, Table 1"
        more = "" if arch == "alexnet" else " and two blocks more"
        yield published(
            f"color_proxy_{arch}.in1k_places205_larsson",
            built,
            source={"converter": "larsson", "url": f"{CHICAGO}{file}.caffemodel.h5"},
            published=[
                figure(
                    *("VOC 2007, test", "classification, all layers trained, mAP"),
                    *(classified, source),
                ),
                figure(
                    "VOC 2012, validation",
                    f"segmentation, on a hypercolumn{more}, all layers trained, mIU",
                    *(segmented, source),
                ),
            ],
            origin="Larsson, with the paper: gustavla/self-supervision",
            licences={
                "weights": "not stated",
                "data": f"{DATA}; those of Places205 by its own terms",
            },
            citation=COLOR_PROXY,
            summary=f"Features of {file} that has learned to colour gray images, by "
            "Larsson",
            training={"learned_from": f"{IMAGENET}, and Places205, train"},
            default=True,
            limits=[
                "No licence is stated of the weights; the repository's is BSD-3.",
                "It sees no colours: images are made gray, by their mean.",
                "Which of the paper's runs the file is, and what else it holds, is not "
                "recorded; what is left over is known by its shape or refused.",
                "How its authors show single images is not recorded: the view is that "
                "of other models here.",
            ],
        )


def linear(percent, source, protocol="linear evaluation, top-1"):
    return figure("ImageNet, validation", protocol, percent, source)


def figure(data, protocol, percent, source):
    value = round(percent / 100, 6)
    return {"data": data, "protocol": protocol, "value": value, "source": source}


def published(name, built, *, licences, limits=(), published=(), input=None, **values):
    """A card, of what its table says and of the network."""
    builder, options = built
    network = _about(builder, tuple(options.items()))
    return Card(
        name=name,
        backbone={"builder": builder, "options": options, **network["backbone"]},
        input={**network["input"], **(input or {})},
        features=network["features"],
        licences={"code": "Apache-2.0", "data": DATA, **licences},
        limits=[*limits, UNTRIED, *LIMITS],
        published=list(published),
        **values,
    )


@functools.cache
def _about(builder, options):
    with keras.StatelessScope(initialize_variables=False):  # No numbers are drawn.
        backbone = backbones.build(builder, **dict(options))
        contract = export.input_of(backbone, 224)
        return {
            "backbone": {"parameters": backbone.count_params()},
            "input": contract,
            "features": export.features_of(backbone, contract["size"]),
        }
