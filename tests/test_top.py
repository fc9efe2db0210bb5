"""What `import sslzoo` gives, and what it does not cost."""

import ast
import inspect
import os
import pathlib
import platform
import re
import subprocess
import sys

import pytest

import sslzoo
from sslzoo.zoo.load import load


def test_the_names_at_the_top_are_there():
    for name in dir(sslzoo):
        assert getattr(sslzoo, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'lod'") as raised:
        sslzoo.lod  # noqa: B018
    # What Python says "Did you mean: 'load'?" by.
    assert raised.value.name == "lod" and raised.value.obj is sslzoo


def test_load_shows_its_arguments_and_tells_of_each():
    """To `help` and to editors: those of the zoo, and those of its methods."""
    shown = inspect.signature(sslzoo.load).parameters
    of_methods = {*sslzoo.RESUMES, "heads"}
    assert [p for p in shown.values() if p.name not in of_methods] == [
        *inspect.signature(load).parameters.values()
    ]
    assert of_methods < {*shown} and {*sslzoo.WHERE} < {*shown}
    args = inspect.getdoc(sslzoo.load).split("\nArgs:\n")[1].split("\nReturns:\n")[0]
    told = re.findall(r"^    (\w[\w, ]*):", args, re.M)
    assert sorted(", ".join(told).split(", ")) == sorted(shown)


def test_nothing_at_the_top_hides_its_arguments():
    loose = {"FeatureLayer", "load_recipe"}  # Options of a Keras layer; knobs.
    for name in sslzoo._HOMES:
        given = inspect.signature(getattr(sslzoo, name)).parameters.values()
        kinds = {parameter.kind for parameter in given}
        assert name in loose or not kinds & {
            inspect.Parameter.VAR_KEYWORD,
            inspect.Parameter.VAR_POSITIONAL,
        }


def test_editors_are_told_of_what_is_imported_late():
    tree = ast.parse(pathlib.Path(sslzoo.__file__).read_text())
    (block,) = (
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    assert {
        alias.asname: f"{one.module}:{alias.name}"
        for one in block.body
        for alias in one.names
    } == sslzoo._HOMES


def test_importing_it_costs_nothing():
    code = (
        "import sys, sslzoo; print({'keras', 'tensorflow', 'numpy'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def after_importing(code, **environment):
    """What a new process prints, in which nothing says what TensorFlow is to take."""
    clean = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    return subprocess.run(
        [sys.executable, "-c", f"import os, sslzoo; {code}"],
        capture_output=True,
        text=True,
        env={**clean, **environment},
    )


@pytest.mark.skipif(platform.machine() != "x86_64", reason="asked of x86 alone")
def test_the_quick_convolutions_are_asked_for_unless_the_user_says_no():
    code = "print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    assert after_importing(code).stdout == "1\n"
    assert after_importing(code, TF_ENABLE_ONEDNN_OPTS="0").stdout == "0\n"


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="asked of x86 alone")
def test_the_quick_convolutions_are_on():
    code = "import tensorflow as tf; tf.zeros(1)"
    loud = {"TF_CPP_MIN_LOG_LEVEL": "0"}
    words = "oneDNN custom operations are on"
    assert words in after_importing(code, **loud).stderr
    assert words not in after_importing(code, TF_ENABLE_ONEDNN_OPTS="0", **loud).stderr
