"""Features without TensorFlow: the same numbers on another backend of Keras."""

import importlib.util
import inspect
import os
import subprocess
import sys

import numpy as np
import pytest

BACKEND = next((b for b in ("jax", "torch") if importlib.util.find_spec(b)), None)


def given(zoo, images):
    """Features in several ways, by the backend of the process: {way: array}."""
    import keras
    import numpy as np

    import sslzoo

    found, zoo = {}, str(zoo)
    for name in ("byol_tiny", "byol_r18w16", "split_brain_fc"):
        prepare = sslzoo.load_preprocessor(name, registry=zoo)
        found[name] = sslzoo.load(name, registry=zoo)(prepare(images))
    gray = sslzoo.load("byol_tiny", registry=zoo, in_chans=1)
    found["gray"] = gray(images[..., :1])
    six = sslzoo.load("byol_tiny", registry=zoo, in_chans=6)
    found["six"] = six(np.concatenate([images, images], axis=-1))
    maps = sslzoo.load("byol_tiny", registry=zoo, features_only=True)
    found["block1"] = maps(images)["block1"]
    found["layer"] = sslzoo.FeatureLayer(zoo + "/byol_tiny.toy")(images)
    return {way: keras.ops.convert_to_numpy(v) for way, v in found.items()}


CODE = f"""
import sys
sys.modules["tensorflow"] = None  # As where it is not installed.
import keras, numpy as np, sslzoo

{inspect.getsource(given)}

np.savez("given.npz", **given(sys.argv[1], np.load("images.npy")))
"""


@pytest.mark.skipif(BACKEND is None, reason="neither jax nor torch is installed")
def test_features_are_those_of_tensorflow(zoo, tmp_path):
    """To the rounding of another order of additions, 1e-4 of the largest."""
    images = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)
    np.save(tmp_path / "images.npy", images)
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(zoo)],
        cwd=tmp_path,
        env={**os.environ, "KERAS_BACKEND": BACKEND},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    theirs = np.load(tmp_path / "given.npz")
    for way, ours in given(zoo, images).items():
        far = 1e-4 * np.abs(ours).max()
        np.testing.assert_allclose(theirs[way], ours, rtol=0, atol=far, err_msg=way)
