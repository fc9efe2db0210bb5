"""Against dm-haiku, whose networks the authors trained, in files as theirs are."""

import functools
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from haiku._src import data_structures

from sslzoo import backbones
from sslzoo.converters import deepmind_byol
from sslzoo.converters.readers import pickles
from sslzoo.errors import BadInput, MissingFile
from tests.converters import deepmind
from tests.converters.deepmind import WIDTH, write


@pytest.fixture
def published(random_like):
    """(depth, width) -> what the file holds, and Haiku's network of its weights."""
    return functools.partial(deepmind.published, random_like=random_like)


@pytest.fixture
def file(tmp_path, published):
    """(depth, width) -> a file as the authors', and Haiku's network of its weights."""

    def make(depth, width=WIDTH):
        value, theirs = published(depth, width=width)
        return write(tmp_path / f"pretrain_res{depth}.pkl", value), theirs

    return make


def network(depth, **options):
    return backbones.build(f"resnet{depth}", **{"width": WIDTH, **options})


NARROW = [(18, WIDTH), (50, WIDTH)]
# The authors' other file is of ResNet-200 twice as wide: so is this, of the narrow one.
WIDE = pytest.param(200, 2 * WIDTH, marks=pytest.mark.slow)


@pytest.mark.parametrize("depth, width", [*NARROW, WIDE])
def test_features_are_those_of_haiku(depth, width, file, photos, same):
    path, theirs = file(depth, width)
    assert all(word in path.read_bytes() for word in (b"_namedtuple", b"FlatMapping"))
    ours = network(depth, width=width)
    deepmind_byol.convert(path, ours)
    same(ours(photos)["pooled"], theirs(photos))


def test_units_beyond_the_tenth_are_taken_by_name(file):
    """Sorted as texts, block_10 is before block_2; ResNet-101 has 23 in a group."""
    path, _ = file(101)
    ours = network(101)
    report = deepmind_byol.convert(path, ours)
    for unit in (2, 10, 22):
        name = report[f"block3_{unit}_conv2/kernel"]
        assert name == f"res_net101/~/block_group_2/~/block_{unit}/~/conv_1/w"
        theirs = pickles.read(path)["experiment_state"]["online_params"]
        module, _, weight = name.rpartition("/")
        np.testing.assert_array_equal(
            ours.get_layer(f"block3_{unit}_conv2").kernel, theirs[module][weight]
        )


def test_a_file_may_call_its_stem_initial_conv_1(published, tmp_path):
    value, _ = published(18)
    state = value["experiment_state"]
    weights = {k: dict(v) for k, v in state.online_params.items()}
    stem = weights.pop("res_net18/~/initial_conv")
    weights["res_net18/~/initial_conv_1"] = stem
    value["experiment_state"] = state._replace(online_params=weights)
    ours = network(18)
    deepmind_byol.convert(write(tmp_path / "a.pkl", value), ours)
    np.testing.assert_array_equal(ours.get_layer("root_conv").kernel, stem["w"])


def test_older_files_have_frozendicts_and_read_with_pickle(published, tmp_path):
    """Before August 2020 Haiku's mappings were `frozendict`s."""
    value, _ = published(18)
    state = value["experiment_state"]

    def frozen(tree):
        return data_structures.frozendict({k: dict(v) for k, v in tree.items()})

    value["experiment_state"] = {
        "online_params": frozen(state.online_params),
        "online_state": frozen(state.online_state),
    }
    path = tmp_path / "old.pkl"
    path.write_bytes(pickle.dumps(value, protocol=2))
    assert b"frozendict" in path.read_bytes()
    deepmind_byol.convert(path, network(18))


def test_linear_evaluations_own_files_are_read(published, tmp_path):
    value, _ = published(18)
    state = value["experiment_state"]
    value["experiment_state"] = {
        "backbone_params": state.online_params,
        "backbone_state": state.online_state,
    }
    deepmind_byol.convert(write(tmp_path / "eval.pkl", value), network(18))


def test_what_is_left_out_is_counted(published, tmp_path):
    """Also where a container holds itself, as in a file that was tampered with."""
    value, _ = published(18)
    state, knot = value["experiment_state"], []
    knot += [knot, np.ones(2)]
    value["experiment_state"] = {**state._asdict(), "opt_state": [knot, knot]}
    report = deepmind_byol.convert(write(tmp_path / "a.pkl", value), network(18))
    arrays = sum(len(module) for module in state.target_params.values())
    assert report.left["opt_state"] == ["opt_state/1/1"]
    assert len(report.left["target_params"]) == arrays > 60
    heads = "7 of projector/*, 7 of predictor/*, 2 of classifier/*"
    assert f"left out: {heads}, {arrays} of target_params, " in report.line()


def test_the_heads_can_be_had(published, tmp_path):
    value, _ = published(18)
    state = value["experiment_state"]
    heads = deepmind_byol.heads(write(tmp_path / "a.pkl", value))
    assert len(heads) == 2 * 7 + 2
    np.testing.assert_array_equal(
        heads["projector/linear/w"], state.online_params["projector/linear"]["w"]
    )
    mean = state.online_state["predictor/batch_norm/~/mean_ema"]["average"]
    np.testing.assert_array_equal(heads["predictor/batch_norm/mean_ema"], mean[0])
    assert heads["classifier/w"].shape[1] == 5


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: backbones.build("resnet34", width=WIDTH), "ResNet-18.*is ResNet-34"),
        (lambda: backbones.build("resnet18", width=0.125), "width 0.0625.*width 0.125"),
        (lambda: network(18, channels=4), "takes 3 channels.*takes 4 channels"),
        (lambda: network(18, stem="small"), "7x7.*3x3"),
        (lambda: backbones.build("tiny"), "is no ResNet"),
        (lambda: network(18, shortcut="identity"), "shortcut_conv/w"),
        (lambda: network(18, residual=False), "shortcut_conv/w"),
    ],
)
def test_another_network_is_refused_and_stays_as_it_was(make, words, file):
    path, _ = file(18)
    ours = make()
    before = ours.get_weights()
    with pytest.raises(BadInput) as error:
        deepmind_byol.convert(path, ours)
    assert re.search(words, str(error.value), re.S)
    for old, new in zip(before, ours.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_what_is_not_the_authors_file_is_refused(tmp_path):
    for value in ({"a": np.ones(3)}, [1], {"experiment_state": {"online_params": {}}}):
        with pytest.raises(BadInput, match="no checkpoint of DeepMind's BYOL"):
            deepmind_byol.convert(write(tmp_path / "a.pkl", value), network(18))
    with pytest.raises(MissingFile, match="no file"):
        deepmind_byol.convert(tmp_path / "none.pkl", network(18))


def test_a_stem_that_is_no_kernel_is_refused(published, tmp_path):
    value, _ = published(18)
    state = value["experiment_state"]._asdict()
    params = {name: dict(module) for name, module in state["online_params"].items()}
    params["res_net18/~/initial_conv"]["w"] = np.ones(3)
    value["experiment_state"] = {**state, "online_params": params}
    with pytest.raises(BadInput, match="stem has the shape .3,., where one has four"):
        deepmind_byol.convert(write(tmp_path / "a.pkl", value), network(18))


def test_a_part_without_a_name_is_left_out(published, tmp_path):
    value, _ = published(18)
    state = value["experiment_state"]._asdict()
    value["experiment_state"] = {**state, 7: {"a": np.ones(2)}}
    report = deepmind_byol.convert(write(tmp_path / "a.pkl", value), network(18))
    assert report.left["7"] == ["7/a"]


def test_numbers_that_are_not_finite_are_refused(published, tmp_path):
    value, _ = published(18)
    module = "res_net18/~/initial_batchnorm"
    value["experiment_state"].online_params[module]["scale"][0, 0, 0, 0] = np.nan
    with pytest.raises(BadInput, match="initial_batchnorm/scale.*not finite"):
        deepmind_byol.convert(write(tmp_path / "a.pkl", value), network(18))


def test_a_file_that_breaks_off_is_refused(file):
    path, _ = file(18)
    data = path.read_bytes()
    for length in (0, 1, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(BadInput, match="breaks off|is empty"):
            deepmind_byol.convert(path, network(18))


SIZES = """
import os, sys, time
from sslzoo import backbones
from sslzoo.converters import deepmind_byol, resnets

def memory(of):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(of))

network = backbones.build("resnet50")
open("/proc/self/clear_refs", "w").write("5")  # The peak starts anew.
before, start = memory("VmRSS"), time.process_time()
deepmind_byol.convert(sys.argv[1], network)
taken = time.process_time() - start
print(taken, (memory("VmHWM") - before) / os.path.getsize(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Linux says what memory was taken")
def test_a_resnet50_takes_seconds_and_about_the_memory_of_its_file(tmp_path):
    """Issue 4 allows 10 seconds, and three times the file."""
    file = deepmind.write_resnet50(tmp_path / "r50.pkl")
    said = subprocess.run(
        [sys.executable, "-c", SIZES, str(file)], capture_output=True, text=True
    )
    seconds, share = map(float, said.stdout.split())
    assert seconds < 10 and share < 1.5
