"""From a fresh checkout to a first result, by one command and plain Python.

    python3 tools/start.py demo [FOLDER]         train, export, features, a page of it
    python3 tools/start.py test [ARGUMENT ...]   lint, format, and pytest ARGUMENT ...

Both make .venv beside the source and install the project into it, once, and again when
setup.py or pyproject.toml have changed. Nothing outside the checkout is touched, but
for Debian's package of Python's venv: where it is missing and we are root, apt
installs it. What the demo makes goes to runs/; run again, it goes on where it was, and
keeps the model that it has made of the run.
"""

import hashlib
import importlib.util
import itertools
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
# What .venv was made from. Written last: while it is empty, .venv is not to be trusted.
STAMP = VENV / "made-by-start.json"

RUN, FEATURES, PAGE = "runs/first", "runs/first/features.npz", "runs/first/report.html"
MODELS, MODEL = "runs/models", "byol_r18w16.toyworld"
SHIPPED = "byol_r18w16"  # Which has seen photographs, as that of the demo has not.
SCENES = "runs/toyworld"
PICTURES = (  # By what sslzoo takes them for such.
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp"),
    *(".tif", ".tiff", ".ppm", ".pgm"),
)
# A second process fills the second core; a file's tests share what they set up. Files
# in their order: the largest first would leave a slow one of few tests for the end.
SPREAD = ("--dist=loadfile", "--no-loadscope-reorder")


def demo(folder=None):
    """From no data to neighbours among pictures, a step at a time, each shown."""
    if folder is not None:
        look(folder)
    pictures = SCENES if folder is None else os.path.abspath(folder)
    install("")
    step("Train, without labels", f"train byol_r18w16_toyworld --workdir {RUN}")
    # Not into savedmodels/: git keeps that.
    words = f"export {RUN} --name {MODEL} --registry {MODELS}"
    if exported():
        say(f"the model of this run, {MODEL}, is in {MODELS} already.")
    else:
        step("Make a model of the run, with a name", words)
    step("The models that there are", f"list --registry {MODELS}")
    if folder is None and not (ROOT / SCENES).exists():
        step("Make a folder of pictures", f"sheet --folder {SCENES}")
    (ROOT / FEATURES).unlink(missing_ok=True)  # Of a demo before; it is not written on.
    what = f"{shlex.quote(pictures)} {FEATURES}"
    if folder is None:
        words = f"features {MODEL} {what} --registry {MODELS}"
        step("Load the model by its name: features of pictures", words)
    else:
        words = f"features {SHIPPED} {what}"
        step("Load a model that knows photographs: features of yours", words)
    step("All of it on a page", f"report {RUN} --features {FEATURES}")
    say("to type such lines yourself: source .venv/bin/activate")
    say(f"the page: {ROOT / PAGE}")


def look(folder):
    """Ends here, before any of the long work, if there is nothing to compare."""
    if not os.path.isdir(folder):
        fail(f"{folder} is no folder. Give one of pictures, or none.")
    names = (
        name for _, _, files in os.walk(folder, followlinks=True) for name in files
    )
    pictures = (name for name in names if name.lower().endswith(PICTURES))
    found = len(list(itertools.islice(pictures, 2)))
    if found < 2:
        fail(
            f"{folder} has {found or 'no'} picture{'s' * (not found)}, and the page "
            "shows which of several are alike: give a folder of two or more "
            f"({', '.join(PICTURES)}), or none."
        )


def exported():
    """Whether there is a model of the run as it stands; another would be equal."""
    card = ROOT / MODELS / MODEL / "card.json"
    states = [file.stat() for file in (ROOT / RUN / "checkpoints").glob("*/*.json")]
    return card.exists() and all(s.st_mtime <= card.stat().st_mtime for s in states)


def step(why, words):
    """Shows a line of sslzoo to learn from, and runs it; ends here if it fails."""
    print(f"\n# {why}\n$ sslzoo {words}", file=sys.stderr, flush=True)
    try:
        code = run(tool("sslzoo"), *shlex.split(words))
    except SystemExit:
        say("stopped. The command that you typed goes on from here.")
        raise
    if code:
        sys.exit(code)


def test(*arguments):
    install("test")
    lint = run(tool("ruff"), "check", ".")
    shape = run(tool("ruff"), "format", "--check", ".")
    tests = run(tool("python"), "-m", "pytest", "-n2", *SPREAD, *arguments)
    if lint or shape:
        say("ruff found something: see above, before the tests.")
    return tests or lint or shape


def install(extra):
    """Brings .venv to what setup.py says now, with that extra, if it is not so yet."""
    before = json.loads((STAMP.exists() and STAMP.read_text(encoding="utf-8")) or "{}")
    setup = b"".join(
        (ROOT / name).read_bytes() for name in ("setup.py", "pyproject.toml")
    )
    now = {
        "python": sys.version,
        "root": str(ROOT),
        "setup": hashlib.sha256(setup).hexdigest(),
        "extras": sorted({*before.get("extras", []), extra}),
    }
    if before == now:
        return
    if any(before.get(fixed) != now[fixed] for fixed in ("python", "root")):
        make_empty()
    STAMP.write_text("")
    extras = ",".join(filter(None, now["extras"]))
    what = f".[{extras}]" if extras else "."
    say(f"installing sslzoo and TensorFlow into {VENV}. Some minutes, once ...")
    pip = [tool("python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    code = run(*pip, "install", "--editable", what)
    if code:
        fail(
            "pip could not install it; its own words are above. It needs a package "
            "index that it can reach, some 3 GB of disk, and a Python that TensorFlow "
            "has wheels for (3.11 to 3.13 as of 2.21); this is "
            f"{sys.version.split()[0]}.",
            code,
        )
    STAMP.write_text(json.dumps(now))


def make_empty():
    """A new .venv, in place of one of ours that is unfinished or of another Python."""
    if VENV.exists() and not STAMP.exists():
        fail(
            f"{VENV} was not made by this script. Move it away; or go on by hand: "
            "activate it, and pip install --editable '.[test]'."
        )
    need_venv()
    shutil.rmtree(VENV, ignore_errors=True)
    VENV.mkdir()
    STAMP.write_text("")
    code = run(sys.executable, "-m", "venv", VENV)
    if code:
        fail("Python could not make an environment; its own words are above.", code)


def need_venv():
    """Debian and its kin keep a part of Python's own venv in a package apart."""
    if has_venv():
        return
    package = f"python3.{sys.version_info.minor}-venv"
    if shutil.which("apt-get") and os.geteuid() == 0:
        say(f"this Python cannot make environments: asking apt for {package} ...")
        apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
        run(*apt, "update")
        run(*apt, "install", "-y", "--no-install-recommends", package)
        if has_venv():
            return
    fail(
        "this Python cannot make environments: it lacks venv or ensurepip. On Debian "
        f"or Ubuntu, as root: apt-get update && apt-get install {package} (for the "
        "system's own Python: python3-venv). Then run this again."
    )


def has_venv():
    importlib.invalidate_caches()
    return all(importlib.util.find_spec(name) for name in ("venv", "ensurepip"))


def tool(name):
    return VENV / ("Scripts" if os.name == "nt" else "bin") / name


def run(*command):
    """The exit code of a command. After Ctrl-C we end too, but not before it has ended.

    It gets the signal as well and may have work to save, which `subprocess.run` would
    cut off after a quarter of a second.
    """
    interrupted = False
    with subprocess.Popen([str(word) for word in command], cwd=ROOT) as process:
        default = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        while process.returncode is None:
            try:
                process.wait()
            except KeyboardInterrupt:
                interrupted = True
        signal.signal(signal.SIGTERM, default)
    code = process.returncode
    code = 128 - code if code < 0 else code  # As shells have it: 143 for SIGTERM.
    if interrupted or code == 128 + signal.SIGTERM:
        sys.exit(130 if interrupted else code)
    return code


def say(words):
    print(f"start: {words}", file=sys.stderr, flush=True)


def fail(words, code=1):
    say(words)
    sys.exit(code)


def main(arguments):
    if sys.version_info < (3, 11):  # noqa: UP036 (any Python may be tried)
        fail(f"this needs Python 3.11 or later; here is {sys.version.split()[0]}.")
    verb, rest = "".join(arguments[:1]), arguments[1:]
    if verb == "demo" and len(rest) < 2 and not "".join(rest).startswith("-"):
        return demo(*rest)
    if verb == "test":
        return test(*rest)
    print(__doc__.strip())
    if arguments[-1:] in (["-h"], ["--help"]):
        return 0
    if arguments:
        say(f"that was {' '.join(arguments)}; it takes the two lines above.")
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        fail("stopped.", 130)
