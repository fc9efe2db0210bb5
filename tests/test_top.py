"""What `import sslzoo` gives, and what it does not cost."""

import subprocess
import sys

import pytest

import sslzoo


def test_the_names_at_the_top_are_there():
    for name in dir(sslzoo):
        assert getattr(sslzoo, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        sslzoo.lod  # noqa: B018


def test_importing_it_costs_nothing():
    code = (
        "import sys, sslzoo; print({'keras', 'tensorflow', 'numpy'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
