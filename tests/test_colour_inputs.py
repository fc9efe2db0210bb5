"""Colour methods are given what is not as it should be, by the commands."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from sslzoo import recipe
from sslzoo.workdir import Workdir

COLOR, SPLIT = "colorization_alexnet_cifar10", "split_brain_alexnet_cifar10"


def pictures(folder, colours=(), gray=(), black=0):
    """PNG, JPEG and gray files, 40 pixels wide, in folders of two classes."""
    noise = np.random.default_rng(0).integers(0, 255, (12, 5, 5, 3), np.uint8)
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True)
        for i in range(max(len(colours), len(gray), black)):
            rgb = Image.fromarray(noise[i]).resize((40, 40))
            if i < len(colours):
                rgb.save(folder / label / f"colour{i}.{colours[i]}")
            if i < len(gray):
                rgb.convert("L").save(folder / label / f"gray{i}.{gray[i]}")
            if i < black:
                Image.new("RGB", (40, 40)).save(folder / label / f"black{i}.png")
    return f"folder:{folder}"


def words(name, path, spec, **knobs):
    small = {**recipe.module(recipe.find(name)).SMALL, "data": spec, **knobs}
    if "test" in small:
        small["test"] = spec
    said = [f"{knob}={value}" for knob, value in small.items()]
    return ["train", name, *said, "--workdir", path]


def finite(history):
    losses = [row["loss"] for row in history if "loss" in row]
    return losses and np.isfinite(losses).all()


@pytest.mark.parametrize("name", [COLOR, SPLIT])
def test_gray_pictures_are_trained_on_and_counted(command, tmp_path, name):
    """Six files of gray beside ten in colours, PNG and JPEG, of 8 or 24 bits."""
    spec = pictures(tmp_path / "in", 5 * ["png"], ["png", "jpg", "jpg"])
    run = tmp_path / "run"
    code, _, err = command(*words(name, run, spec, batch_size=16, epochs=2))
    assert code == 0, err
    assert [row["gray"] for row in Workdir(run).history()[1:]] == [6 / 16, 6 / 16]
    assert finite(Workdir(run).history()) and not Workdir(run).result()["bad_images"]


@pytest.mark.parametrize(
    "name, knobs",
    [
        (COLOR, {}),
        (SPLIT, {}),
        pytest.param(SPLIT, {"row": "equation5"}, marks=pytest.mark.slow),
        pytest.param(
            COLOR,
            {"target": "bins", "scale": 1.0, "rebalance": True},
            marks=pytest.mark.slow,
        ),
    ],
    ids=str,
)
def test_black_pictures_are_trained_on_and_shown(command, tmp_path, name, knobs):
    spec, run = pictures(tmp_path / "in", black=4), tmp_path / "run"
    code, _, err = command(*words(name, run, spec, **knobs))
    assert code == 0, err
    history = Workdir(run).history()
    assert finite(history) and history[-1].get("gray", 1) == 1
    page = ["show", run, tmp_path / "in", "--count", 2, "--out", tmp_path / "a.png"]
    code, out, err = command(*page, "--json")
    assert code == 0, err
    figures = json.loads(out)["figures"]
    assert np.isfinite([*figures.values()]).all()


def frames(path, holes):
    """NYU's format: frames at 2 m, of depth only where `holes` is not 1."""
    random, files = np.random.default_rng(0), {"image": [], "depth": []}
    for hole in holes:
        image = random.integers(0, 256, (480, 640, 3), np.uint8)
        depth = np.full((480, 640) if hole is not None else (240, 320), 50, np.uint8)
        depth[random.random(depth.shape) < (hole or 0)] = 0
        for name, pixels in (("image", image), ("depth", depth)):
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "png")
            files[name].append(np.frombuffer(buffer.getvalue(), np.uint8))
    arrays = {"depth_metres_per_unit": np.float32(0.04)}
    for name, parts in files.items():
        arrays[f"{name}_bytes"] = np.concatenate(parts)
        arrays[f"{name}_offsets"] = np.cumsum([0, *map(len, parts)])
    np.savez(path, **arrays)
    return f"rgbd:{path}?every=8"


@pytest.mark.parametrize(
    "row", ["RGB_HHA", pytest.param("HHA_Lab", marks=pytest.mark.slow)]
)
def test_holes_of_depth_and_frames_without_any_are_trained_on(command, tmp_path, row):
    """Of four frames one is whole, one has holes, two have no depth at all."""
    spec, run = frames(tmp_path / "a.npz", [0, 0.5, 1, 1]), tmp_path / "run"
    name = "split_brain_alexnet_rgbd"
    code, _, err = command(*words(name, run, spec, row=row, epochs=2))
    assert code == 0, err
    assert finite(Workdir(run).history())
    page = ["show", run, spec, "--count", 4, "--out", tmp_path / "a.png", "--json"]
    code, out, err = command(*page)
    assert code == 0, err
    assert np.isfinite([*json.loads(out)["figures"].values()]).all()


def test_depth_of_another_size_is_left_out_and_named_and_never_stretched(
    command, tmp_path
):
    """One frame of four is left out; where two are wrong, it is no accident."""
    name, run = "split_brain_alexnet_rgbd", tmp_path / "run"
    spec = frames(tmp_path / "a.npz", [0, 0, 0, None])
    code, _, err = command(*words(name, run, spec))
    assert code == 0, err
    assert Workdir(run).result()["bad_images"] == 1
    (_, told) = Workdir(run).quarantine.read_text().strip().splitlines()
    assert "a.npz" in told and ",3," in told and "(240, 320)" in told
    spec = frames(tmp_path / "b.npz", [0, None, 0, None])
    code, _, err = command(*words(name, tmp_path / "other", spec))
    assert code == 1 and "(240, 320) pixels" in " ".join(err.split())


def test_a_tree_that_lacks_a_class_is_told_before_anything_is_made(command, tmp_path):
    spec, run = pictures(tmp_path / "in", 4 * ["png"]), tmp_path / "run"
    (tmp_path / "tree.json").write_text('{"animal": ["cat"], "plant": ["oak"]}')
    knobs = {"labels": "H2", "tree": tmp_path / "tree.json"}
    code, _, err = command(*words("supervised_alexnet_cifar10", run, spec, **knobs))
    assert code == 1 and not run.exists()
    assert "does not cover the labels" in err and "it lacks dog, 1 of 2" in err
    (tmp_path / "tree.json").write_text('{"animal": ["cat", "dog"], "pet": ["dog"]}')
    code, _, err = command(*words("supervised_alexnet_cifar10", run, spec, **knobs))
    assert code == 1 and "has dog in two places" in err
