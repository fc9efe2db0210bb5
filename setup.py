"""What sslzoo needs, and how train/ and savedmodels/ come into its wheels."""

import pathlib
import re

import setuptools

ROOT = pathlib.Path(__file__).resolve().parent
# Read, not imported: TensorFlow is not installed yet where this runs.
VERSION = re.search(
    r'^__version__ = "(.+)"$', (ROOT / "sslzoo/__init__.py").read_text("utf-8"), re.M
).group(1)

ONNX = ["onnx", "onnxruntime", "tf2onnx>=1.17"]  # Before, its protobuf was too old.
TFDS = ["tensorflow-datasets", "importlib_resources"]  # Which its etils asks for.

TEST = [
    "build",
    "dill",  # Which wrote the files of BYOL, of
    "dm-haiku",  # the networks in this library of
    "jax",
    "opencv-python-headless",
    "pyarrow",
    "pytest>=8",
    "pytest-xdist>=3.7",
    "ruff==0.17.*",  # Another minor version formats and judges otherwise.
    "safetensors",
    "scikit-image",
    "scikit-learn",
    "scipy",
    "setuptools>=77,<81",  # tensorflow_hub imports its pkg_resources, which went.
    "tensorflow_hub",
    "tf-keras",  # Keras 2, for hub.KerasLayer.
    *ONNX,
    *TFDS,
]

setuptools.setup(
    name="sslzoo",
    version=VERSION,
    description="Self-supervised models for images, in Keras 3: train, load, use them",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license_expression="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    install_requires=[
        "Jinja2",
        "filelock",
        "h5py",
        "keras>=3.12",
        "matplotlib",
        "numpy",
        "pillow",
        "rich",
        "tensorflow>=2.20",
    ],
    extras_require={
        "onnx": ONNX,
        "test": TEST,
        "tfds": TFDS,
        "parquet": ["pyarrow"],
        "gpu": ["tensorflow[and-cuda]"],
    },
    entry_points={"console_scripts": ["sslzoo=sslzoo.cli:main"]},
    packages=[
        *setuptools.find_packages(include=["sslzoo", "sslzoo.*"]),
        "sslzoo.train",
        "sslzoo.savedmodels",
    ],
    package_dir={"sslzoo.train": "train", "sslzoo.savedmodels": "savedmodels"},
    # Templates, tables and the like of any kind; of the models, whole folders.
    package_data={"": ["*"], "sslzoo.savedmodels": ["**/*"]},
)
