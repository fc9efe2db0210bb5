"""TensorFlow's checkpoints, in each form in which the papers' weights came."""

import numpy as np
import pytest
import tensorflow as tf

from sslzoo.converters.readers import tensorflow_checkpoint
from sslzoo.errors import BadInput, MissingFile

ARRAYS = {
    "base/conv2d/kernel": np.arange(24, dtype="f4").reshape(2, 3, 4),
    "base/conv2d/bias": np.array([1.5], "f2"),
    "global_step": np.array(7, "i8"),
}


def write(prefix, arrays=ARRAYS):
    """A checkpoint by TF1's Saver, with the names as they are."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for name, array in arrays.items():
            tf.compat.v1.get_variable(name, initializer=array)
        session.run(tf.compat.v1.global_variables_initializer())
        saver = tf.compat.v1.train.Saver()
        saver.save(session, str(prefix), write_meta_graph=False, write_state=False)
    return prefix


def check(found):
    assert set(found) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("ending", ["", ".index", ".data-00000-of-00001"])
def test_a_checkpoint_is_given_by_its_prefix_or_by_a_file(ending, tmp_path):
    prefix = write(tmp_path / "model.ckpt-225206")
    check(tensorflow_checkpoint.read(f"{prefix}{ending}"))


def test_a_folder_has_one_or_has_it_in_variables(tmp_path):
    write(tmp_path / "alone" / "model.ckpt-7")
    write(tmp_path / "hub" / "variables" / "variables")  # A module, a SavedModel.
    for folder in ("alone", "hub"):
        check(tensorflow_checkpoint.read(tmp_path / folder))


def test_texts_are_left_out(tmp_path):
    prefix = write(tmp_path / "model", {**ARRAYS, "text": np.array(["a"])})
    check(tensorflow_checkpoint.read(prefix))


def test_a_saved_model_has_its_variables_under_its_own_names(tmp_path):
    module = tf.Module()
    module.kernel = tf.Variable([1.0, 2.0])
    tf.saved_model.save(module, str(tmp_path / "saved"))
    found = tensorflow_checkpoint.read(tmp_path / "saved")
    np.testing.assert_array_equal(
        found["kernel/.ATTRIBUTES/VARIABLE_VALUE"], [1.0, 2.0]
    )


def test_what_has_no_checkpoint_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingFile, match="has no checkpoint.*Unpack"):
        tensorflow_checkpoint.read(tmp_path / "empty")
    with pytest.raises(MissingFile, match="model.ckpt is not there"):
        tensorflow_checkpoint.read(tmp_path / "model.ckpt")
    (tmp_path / "hub.tar.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(BadInput, match="unpacked first"):
        tensorflow_checkpoint.read(tmp_path / "hub.tar.gz")
    for step in (1, 2):
        write(tmp_path / "two" / f"model.ckpt-{step}")
    with pytest.raises(BadInput, match="several checkpoints.*ckpt-1, .*ckpt-2"):
        tensorflow_checkpoint.read(tmp_path / "two")


def test_a_damaged_checkpoint_is_refused(tmp_path):
    prefix = write(tmp_path / "model")
    index, data = (
        prefix.with_suffix(".index"),
        prefix.with_suffix(".data-00000-of-00001"),
    )
    whole = index.read_bytes(), data.read_bytes()
    for content in (b"", b"<html>", whole[0][:-30], whole[0][30:]):
        index.write_bytes(content)
        with pytest.raises(BadInput, match="cannot be read"):
            tensorflow_checkpoint.read(prefix)
    index.write_bytes(whole[0])
    for content in (whole[1][:10], whole[1][::-1]):
        data.write_bytes(content)
        with pytest.raises(BadInput, match="cannot be read"):
            np.asarray(tensorflow_checkpoint.read(prefix)["base/conv2d/kernel"])
    data.unlink()
    with pytest.raises(BadInput, match="cannot be read"):
        np.asarray(tensorflow_checkpoint.read(prefix)["base/conv2d/kernel"])


def test_the_file_that_names_the_latest_is_not_followed(tmp_path):
    """TF's file "checkpoint" may name any path; what lies in the folder counts."""
    write(tmp_path / "elsewhere" / "other", {"other": np.ones(2, "f4")})
    write(tmp_path / "given" / "model")
    other = tmp_path / "elsewhere" / "other"
    (tmp_path / "given" / "checkpoint").write_text(
        f'model_checkpoint_path: "{other}"\n'
    )
    check(tensorflow_checkpoint.read(tmp_path / "given"))
