"""What is built of the checkout is whole: a wheel, and an sdist that gives the same."""

import ast
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distributions

import numpy as np
import PIL.Image
import pytest

import sslzoo
from sslzoo import backbones
from sslzoo.methods import byol

ROOT = pathlib.Path(__file__).resolve().parents[1]
PARTS = ("sslzoo", "train", "savedmodels", "tests", "tools", "docs", ".ci")
FILES = ("setup.py", "pyproject.toml", "MANIFEST.in", "LICENSE", "README.md")
HOMES = {
    "sslzoo": "sslzoo",
    "train": "sslzoo/train",
    "savedmodels": "sslzoo/savedmodels",
}
MODEL = "byol_tiny.toy_ep1"
RUN = {
    "recipe": "byol_tiny_toy",
    "knobs": {},
    "seed": 0,
    "steps": 1,
    "images": {"": 8},
    "data": {"": "f00d"},
    "versions": {},
}
NAMES = {
    "PIL": "pillow",
    "jinja2": "Jinja2",
    "tensorflow_datasets": "tensorflow-datasets",
}


def build(folder, *kinds):
    """Builds in `folder`, with the tools of this environment; its dist/."""
    command = [sys.executable, "-m", "build", "--no-isolation", *kinds, folder]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "dist"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy, since a build leaves traces; with one more model, as it is shipped."""
    copy = tmp_path_factory.mktemp("source")
    hidden = shutil.ignore_patterns("__pycache__", ".*_cache")
    for part in PARTS:
        shutil.copytree(ROOT / part, copy / part, ignore=hidden)
    for file in FILES:
        shutil.copy(ROOT / file, copy)
    method = byol.BYOL(backbones.build("tiny"), 1, byol.example(32), hidden=16)
    run = {"recipe_text": "def recipe(): ...\n", **RUN}
    for _ in range(2):  # What is not of the newest revision stays at home.
        method.export(MODEL, registry=copy / "savedmodels", run=run, heads=False)
    assert (copy / "savedmodels" / ".revisions" / MODEL / "1").is_dir()
    return copy


@pytest.fixture(scope="module")
def dist(source):
    return build(source, "--wheel", "--sdist")


@pytest.fixture(scope="module")
def wheel(dist):
    (path,) = dist.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def metadata(wheel):
    (name,) = (n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
    return wheel.read(name).decode()


def content(wheel):
    return {name: wheel.read(name) for name in wheel.namelist()}


def sources(root=ROOT):
    """Every file that an installed sslzoo must have, {its path there: the file}."""
    found = {}
    for part, home in HOMES.items():
        for file in (root / part).rglob("*"):
            path = file.relative_to(root / part)
            hidden = any(name.startswith((".", "__pycache__")) for name in path.parts)
            if file.is_file() and not hidden:
                found[f"{home}/{path.as_posix()}"] = file
    return found


def test_the_wheel_has_every_file_of_package_recipes_and_models(source, wheel):
    ours = {n for n in wheel.namelist() if ".dist-info/" not in n}
    assert ours == set(sources(source))
    for name, file in sources(source).items():
        assert wheel.read(name) == file.read_bytes(), name


def test_the_sdist_has_what_a_maintainer_needs_and_builds_the_same_wheel(dist, wheel):
    (path,) = dist.glob("*.tar.gz")
    shutil.unpack_archive(path, dist)
    (unpacked,) = (p for p in dist.iterdir() if p.is_dir())
    for name in (*FILES, "tests/conftest.py", "tools/start.py", ".ci/run"):
        assert (unpacked / name).is_file(), name
    (again,) = build(unpacked, "--wheel").glob("*.whl")
    with zipfile.ZipFile(again) as archive:
        assert content(archive) == content(wheel)


def test_the_metadata_say_what_setup_says(wheel, metadata):
    assert f"\nVersion: {sslzoo.__version__}\n" in metadata
    assert "\nRequires-Python: >=3.11\n" in metadata
    (name,) = (n for n in wheel.namelist() if n.endswith("/entry_points.txt"))
    assert "sslzoo = sslzoo.cli:main" in wheel.read(name).decode()


def test_what_the_package_imports_is_what_it_requires(metadata):
    """Else it works for us, who have more installed, and not for who installs it."""
    required = re.findall(r"^Requires-Dist: ([\w-]+)(.*?)$", metadata, re.M)
    always = {name for name, rest in required if "extra ==" not in rest}
    extras = {n for n, rest in required if "extra ==" in rest and "test" not in rest}
    imported = set()
    for file in sources().values():
        if file.suffix == ".py":
            imported |= set(imports(file))
    imported -= {*sys.stdlib_module_names, "sslzoo"}
    imported = {NAMES.get(name, name) for name in imported}
    assert imported <= always | extras
    assert always <= imported


def imports(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.partition(".")[0]


@pytest.fixture(scope="module")
def alone(wheel, tmp_path_factory):
    """Runs Python with the unpacked wheel, in an empty folder, without a network."""
    home, empty = (tmp_path_factory.mktemp(name) for name in ("site", "empty"))
    wheel.extractall(home)
    models = home / "sslzoo" / "savedmodels"  # Beside their recipes pip does this.
    subprocess.run([sys.executable, "-m", "compileall", "-q", models], check=True)
    assert list(models.rglob("*.pyc"))

    def run(code):
        done = subprocess.run(
            [sys.executable, "-c", NO_NETWORK + code],
            cwd=empty,
            env={
                **os.environ,
                "PYTHONPATH": str(home),
                "SSLZOO_CACHE": str(empty / "cache"),
            },
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return home, json.loads(done.stdout.splitlines()[-1])

    return run


NO_NETWORK = """
import socket
def refuse(*_): raise OSError("this machine has no network")
socket.socket.connect = socket.getaddrinfo = refuse
"""


def test_an_unpacked_wheel_alone_finds_the_recipes_by_name(alone):
    home, (module, names, files) = alone(
        "import json; from sslzoo import recipe;"
        "print(json.dumps([recipe.__file__, recipe.names(),"
        "[str(recipe.find(name)) for name in recipe.names()]]))"
    )
    assert module == str(home / "sslzoo" / "recipe.py")
    assert names == sorted(path.stem for path in (ROOT / "train").glob("[!_]*_*.py"))
    assert files == [str(home / "sslzoo" / "train" / f"{name}.py") for name in names]


def test_an_unpacked_wheel_alone_lists_its_models_and_loads_one_by_its_name(
    alone, source
):
    _, rows = alone("from sslzoo import cli; cli.main(['list', '--json'])")
    shipped = {path.parent.name for path in source.glob("savedmodels/*/card.json")}
    assert {row["name"] for row in rows} == shipped and MODEL in shipped
    home, (place, shape, revision) = alone(
        "import json, numpy, sslzoo; from sslzoo.zoo import registry;"
        f"model = sslzoo.load({MODEL!r});"
        "features = model(numpy.zeros((2, 32, 32, 3), 'float32'));"
        f"entry = registry.find({MODEL!r});"
        "print(json.dumps([str(entry.path), [*features.shape], entry.card.revision]))"
    )
    assert place == str(home / "sslzoo" / "savedmodels" / MODEL)
    assert shape == [2, 16] and revision == 2


@pytest.fixture(scope="module")
def installed(dist, tmp_path_factory):
    """(words) -> what `sslzoo`, as pip puts it there, says in an empty folder."""
    home, empty = (tmp_path_factory.mktemp(name) for name in ("pip", "nothing"))
    (wheel,) = dist.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    done = subprocess.run(
        [*pip, "--disable-pip-version-check", "--target", home, wheel],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr

    def run(*words):
        return subprocess.run(
            [home / "bin" / "sslzoo", *words],
            cwd=empty,
            env={
                **os.environ,
                "PYTHONPATH": str(home),
                "SSLZOO_CACHE": str(empty / "cache"),
            },
            capture_output=True,
            text=True,
        )

    return run


def test_the_installed_command_knows_its_verbs_models_and_recipes(installed):
    told = installed("--help")
    assert told.returncode == 0 and "pack" in told.stdout, told.stderr
    assert installed("--version").stdout == f"sslzoo {sslzoo.__version__}\n"
    assert "Example: sslzoo train" in installed("train", "--help").stdout
    rows = json.loads(installed("list", "--json").stdout)
    assert MODEL in {row["name"] for row in rows}
    assert f'"{MODEL}"' in installed("info", MODEL, "--json").stdout
    # Found by its name, or else its knobs would not be known.
    told = installed("train", "byol_r50_folder", "epoch=1", "--workdir", "run")
    assert told.returncode == 1
    assert "no knob 'epoch'. Did you mean 'epochs'?" in told.stderr


def test_what_the_installed_command_ships_is_loaded_and_answers(installed, tmp_path):
    """In a folder of its own, of an installation, without network."""
    image = tmp_path / "pictures" / "a.png"
    image.parent.mkdir()
    PIL.Image.new("RGB", (40, 40), "red").save(image)
    told = installed("features", "byol_r18w16", image.parent, tmp_path / "red.npz")
    assert told.returncode == 0, told.stderr
    with np.load(tmp_path / "red.npz") as found:
        assert found["vectors"].shape == (1, 128) and found["vectors"].std() > 0


def test_no_test_is_skipped_for_what_the_extra_test_would_install(metadata):
    """Such skips are for who tries one file; a whole run shall not pass by them."""
    asked = re.findall(
        r"^Requires-Dist: ([\w-]+).*extra == [\"']test[\"']$", metadata, re.M
    )
    assert {"pytest", "jax", "onnxruntime", "safetensors"} <= set(asked)
    there = {each.name.lower().replace("_", "-") for each in distributions()}
    missing = {name.lower().replace("_", "-") for name in asked} - there
    assert not missing, "pip install 'sslzoo[test]'"
