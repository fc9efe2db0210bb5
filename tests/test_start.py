"""tools/start.py demo: its steps, shown and run, again and after Ctrl-C.

What stands for `sslzoo` here notes its words and leaves what the real one would.
"""

import importlib.util
import os
import pathlib
import shlex
import signal
import subprocess
import sys

import pytest

import sslzoo
from sslzoo import cli
from sslzoo.data import sources

TOOLS = pathlib.Path(__file__).resolve().parents[1] / "tools"
VERBS = ["train", "export", "list", "sheet", "features", "report"]
SSLZOO = f"""#!{sys.executable}
import os, pathlib, signal, sys
verb, words = sys.argv[1], sys.argv[2:]
with open("log", "a") as log:
    print(*sys.argv[1:], file=log)
if verb == os.environ.get("FAILS"):
    sys.exit(3)
if verb == os.environ.get("WAITS"):
    try:
        print("waiting", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        print("saved", flush=True)
        sys.exit(130)
makes = dict(train=words[-1], sheet=words[1], features=words[2:3] and words[2])
state = pathlib.Path("runs/first/checkpoints/step-00000001/manifest.json")
if verb == "train" and not state.exists():
    state.parent.mkdir(parents=True)
    state.touch()
if verb == "export":
    card = pathlib.Path(words[-1], words[2], "card.json")
    card.parent.mkdir(parents=True, exist_ok=True)
    card.touch()
if verb in ("train", "sheet"):
    pathlib.Path(makes[verb]).mkdir(parents=True, exist_ok=verb == "train")
if verb == "features":
    pathlib.Path(makes[verb]).touch(exist_ok=False)
"""
MAIN = "import sys, start; sys.exit(start.main(sys.argv[1:]))"


@pytest.fixture
def start(tmp_path, monkeypatch):
    """The script, in a checkout that is ready and empty."""
    spec = importlib.util.spec_from_file_location("start", TOOLS / "start.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    checkout = tmp_path / "check out"
    (checkout / ".venv" / "bin").mkdir(parents=True)
    sslzoo = checkout / ".venv" / "bin" / "sslzoo"
    sslzoo.write_text(SSLZOO)
    sslzoo.chmod(0o755)
    monkeypatch.setattr(module, "ROOT", checkout)
    monkeypatch.setattr(module, "VENV", checkout / ".venv")
    monkeypatch.setattr(module, "install", lambda extra: None)
    return module


def ran(start):
    """The words of each step that was run."""
    log = start.ROOT / "log"
    lines = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return [line.split() for line in lines]


def shown(err):
    """The lines that were shown before they were run."""
    return [line[2:] for line in err.splitlines() if line.startswith("$ ")]


def test_every_step_is_shown_and_run_in_order(start, capsys):
    assert not start.main(["demo"])
    err = capsys.readouterr().err
    steps = ran(start)
    assert [words[0] for words in steps] == VERBS
    assert shown(err) == [shlex.join(["sslzoo", *words]) for words in steps]
    assert err.endswith(f"{start.ROOT}/runs/first/report.html\n")


def test_every_step_is_a_line_that_sslzoo_understands(start):
    start.main(["demo"])
    for words in ran(start):
        args, rest = cli.parser().parse_known_args(words)
        assert not rest and args.run.__module__.endswith(f".{words[0]}")


def test_the_lines_that_the_readme_is_tested_with_are_those_of_the_demo(start):
    """But for what makes them quick: another network, fewer scenes, other knobs."""
    start.main(["demo"])
    readme = (TOOLS.parent / "README.md").read_text()
    block = readme.split("\npython3 tools/start.py demo\n")[0].split("<!-- test:\n")[-1]
    lines = [shlex.split(line) for line in block.split("\n-->")[0].splitlines()]
    lines = [words[1:] for words in lines if words[0] == "sslzoo"]
    quick = {"byol_tiny.toyworld": "byol_r18w16.toyworld"}
    lines = [[quick.get(w, w) for w in words if "=" not in w] for words in lines]
    fewer = {"sheet": ["--count", "24"]}
    assert lines == [[*words, *fewer.get(words[0], [])] for words in ran(start)]


def test_all_that_a_demo_makes_is_left_out_by_git(start):
    """Its model neither lies among those that are kept, nor stands before one."""
    start.main(["demo"])
    places = {word for words in ran(start) for word in words if "/" in word}
    assert places and all(place.startswith("runs/") for place in places)
    assert "/runs/" in (TOOLS.parent / ".gitignore").read_text().splitlines()


def test_it_can_be_run_again(start):
    """With the model and scenes that are there, in place of the features that were."""
    start.main(["demo"])
    first = ran(start)
    assert not start.main(["demo"])
    made = ("export", "sheet")
    assert ran(start) == [words for words in first if words[0] not in made]


def test_run_again_it_makes_another_model_only_of_a_run_that_went_on(start):
    start.main(["demo"])
    ran(start)
    (state,) = start.ROOT.glob("runs/first/checkpoints/*/manifest.json")
    later = state.stat().st_mtime + 60
    os.utime(state, (later, later))
    assert not start.main(["demo"])
    assert "export" in [words[0] for words in ran(start)]


def test_a_folder_of_ones_own_takes_the_place_of_the_scenes(
    start, tmp_path, monkeypatch, capsys
):
    (tmp_path / "my photos" / "deeper").mkdir(parents=True)
    (tmp_path / "my photos" / "0.JPG").touch()
    (tmp_path / "my photos" / "deeper" / "1.png").touch()
    monkeypatch.chdir(tmp_path)
    assert not start.main(["demo", "my photos"])
    assert [words[0] for words in ran(start)] == [v for v in VERBS if v != "sheet"]
    (features,) = (x for x in shown(capsys.readouterr().err) if " features " in x)
    model, pictures = shlex.split(features)[2:4]
    assert pictures == str(tmp_path / "my photos")
    # The network of the demo has seen drawn scenes alone, the shipped one photographs.
    assert sslzoo.info(model).card.name == "byol_r18w16.imagenette96_ep200"


def test_a_folder_that_is_none_is_said_before_anything_is_done(start, capsys):
    with pytest.raises(SystemExit) as left:
        start.main(["demo", "nowhere"])
    assert left.value.code == 1 and not ran(start)
    assert "nowhere is no folder. Give one of pictures" in capsys.readouterr().err


@pytest.mark.parametrize(
    "names, words", [(["a.txt"], "has no pictures,"), (["a.png"], "has 1 picture,")]
)
def test_a_folder_of_fewer_than_two_pictures_is_said_before_anything_is_done(
    start, tmp_path, monkeypatch, capsys, names, words
):
    monkeypatch.setattr(start, "install", lambda extra: pytest.fail("it takes long"))
    (tmp_path / "mine" / "deeper").mkdir(parents=True)
    for name in names:
        (tmp_path / "mine" / "deeper" / name).touch()
    with pytest.raises(SystemExit) as left:
        start.main(["demo", str(tmp_path / "mine")])
    assert left.value.code == 1 and not ran(start)
    said = capsys.readouterr().err
    assert words in said and "give a folder of two or more (.jpg, " in said


def test_pictures_are_what_sslzoo_takes_for_such(start):
    assert start.PICTURES == sources.EXTENSIONS


@pytest.mark.parametrize("verb", VERBS)
def test_a_step_that_fails_ends_it(start, monkeypatch, capfd, verb):
    monkeypatch.setenv("FAILS", verb)
    with pytest.raises(SystemExit) as left:
        start.main(["demo"])
    assert left.value.code == 3 and ran(start)[-1][0] == verb
    assert "the page" not in capfd.readouterr().err
    monkeypatch.delenv("FAILS")
    assert not start.main(["demo"]) and ran(start)[-1][0] == "report"


@pytest.mark.parametrize("verb", VERBS)
def test_after_ctrl_c_the_step_ends_in_its_own_way_and_no_other_begins(start, verb):
    setting = f"start.ROOT = start.pathlib.Path({str(start.ROOT)!r})\n"
    setting += "start.VENV, start.install = start.ROOT / '.venv', lambda extra: None\n"
    # Who is started in the background by a script is deaf to Ctrl-C; its heirs too.
    setting += "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    process = subprocess.Popen(
        [sys.executable, "-c", f"import start\n{setting}\n{MAIN}", "demo"],
        env={**os.environ, "PYTHONPATH": str(TOOLS), "WAITS": verb},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert process.stdout.readline() == "waiting\n"
        os.killpg(process.pid, signal.SIGINT)  # As a terminal does: to both.
        assert process.stdout.read() == "saved\n"
        said = process.stderr.read().splitlines()[-1]
    assert said == "start: stopped. The command that you typed goes on from here."
    assert process.returncode == 130 and ran(start)[-1][0] == verb
    assert not start.main(["demo"]) and ran(start)[-1][0] == "report"


@pytest.mark.parametrize(
    "words, code",
    [([], 2), (["--help"], 0), (["demo", "--help"], 0), (["demo", "a", "b"], 2)],
)
def test_other_words_are_answered_by_the_help(start, capsys, words, code):
    assert start.main(words) == code and not ran(start)
    assert "start.py demo [FOLDER]" in capsys.readouterr().out
