"""Nobody sees half a model, whatever happens to who writes it."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]

# These run in processes without TensorFlow, which may be forked and die quickly. What
# one process sees of another does not depend on fsync, and it takes most of the time.
COMMON = f"""
import importlib.util, json, os, pathlib, random, shutil, signal, sys, time
import filelock, rich
from sslzoo.zoo import registry, store
from sslzoo.zoo.index import Index
file = {str(HERE / "conftest.py")!r}
spec = importlib.util.spec_from_file_location("made", file)
made = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made)
os.fsync = lambda handle: None

def publish(name, content, place):
    with registry.publishing(name, place) as draft:
        made.fill(draft.path, name, content, summary=content)
    return draft.entry.card.revision

def content(name, place, revision=None):
    def read(entry):
        one = (entry.path / "backbone.weights.h5").read_text()
        two = (entry.path / "saved_model" / "saved_model.pb").read_text()
        assert two == f"graph of {{one}}" and entry.card.summary == one, (one, two)
        return one
    return registry.whole(name, read, registry=place, revision=revision)

def visible(place):
    "What anyone may see: {{name: {{revision: content}}}}."
    seen = {{}}
    for card in registry.cards(place):
        index = Index(place, place.parent)
        numbers = store.numbers(index, card.name)
        assert card.revision == numbers[0], (card.revision, numbers)
        seen[card.name] = {{n: content(card.name, place, n) for n in numbers}}
        assert content(card.name, place) == seen[card.name][card.revision]
    return seen

def is_tidy(place):
    "Whether nothing is left of those that died."
    assert os.listdir(place / ".drafts") == [], os.listdir(place / ".drafts")
    for card in registry.cards(place):
        assert (place / card.name / "card.json").exists()
    strays = [n for n in os.listdir(place) if n.startswith(".index.json.")]
    assert not strays, strays
"""

KILLED_EVERYWHERE = """
# Python tells a hook of each thing that it is about to do with a file.
CHANGES = {"os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.link", "os.truncate"}

def changes(event, arguments):
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT
    return event in CHANGES or event == "open" and arguments[2] & writes

template = pathlib.Path(sys.argv[1]) / "template"
publish("byol_tiny.x", "x1", template)
publish("byol_tiny.x", "x2", template)
publish("byol_tiny.y", "y1", template)
donor = registry.find("byol_tiny.y", template)
before = {"byol_tiny.x": {1: "x1", 2: "x2"}, "byol_tiny.y": {1: "y1"}}
y = {"byol_tiny.y": {1: "y1"}}
CASES = {
    "new": (
        lambda place: publish("byol_tiny.z", "z1", place),
        [{**before, "byol_tiny.z": {1: "z1"}}],
    ),
    "replaced": (
        lambda place: publish("byol_tiny.x", "x3", place),
        [{**y, "byol_tiny.x": {1: "x1", 2: "x2", 3: "x3"}}],
    ),
    "removed": (
        lambda place: registry.remove("byol_tiny.x", place),
        [{**y, "byol_tiny.x": {2: "x2"}}, y],
    ),
    "newest removed": (
        lambda place: registry.remove("byol_tiny.x", place, revision=2),
        [{**y, "byol_tiny.x": {1: "x1"}}],
    ),
}
act, after = CASES[sys.argv[2]]
moments = 0
while True:
    moments += 1
    place = template.parent / str(moments)
    shutil.copytree(template, place)
    child = os.fork()
    if not child:
        left = moments
        def hook(event, arguments):
            global left
            if changes(event, arguments):
                left -= 1
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(hook)
        act(place)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), status
    seen = visible(place)
    assert seen in [before, *after], (moments, seen)
    publish("byol_tiny.other", "other", place)
    is_tidy(place)
    assert visible(place) == {**seen, "byol_tiny.other": {1: "other"}}, moments
    shutil.rmtree(place)
    if status == 0:
        assert seen == after[-1], seen
        break
print(json.dumps(moments))
"""

KILLED_AT_RANDOM = """
place, random = pathlib.Path(sys.argv[1]) / "models", random.Random(0)
publish("byol_tiny.x", "0", place)
told = 0
for _ in range(50):
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        for number in range(told + 1, told + 1000):
            publish("byol_tiny.x", str(number), place)
            os.write(writer, b"%d " % number)
        os._exit(0)
    os.close(writer)
    time.sleep(random.uniform(0, 0.04))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(reader) as said:
        known = max([told, *map(int, said.read().split())])
    there = visible(place)["byol_tiny.x"]
    told = len(there) - 1
    assert told in (known, known + 1), (told, known)
    assert there == {n + 1: str(n) for n in range(told + 1)}, there
publish("byol_tiny.y", "y", place)
is_tidy(place)
print(json.dumps(told))
"""


def alone(script, *words):
    """What `script` prints, run in a process without TensorFlow."""
    done = subprocess.run(
        [sys.executable, "-c", COMMON + script, *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "case",
    [
        "new",
        "newest removed",
        pytest.param("replaced", marks=pytest.mark.slow),
        pytest.param("removed", marks=pytest.mark.slow),
    ],
)
def test_a_writer_killed_at_any_moment_leaves_what_was_or_what_will_be(case, tmp_path):
    moments = alone(KILLED_EVERYWHERE, tmp_path, case)
    assert moments > 20  # It did die in many places before it did not.


@pytest.mark.slow
def test_a_publisher_killed_at_50_random_moments_leaves_no_trace(tmp_path):
    assert alone(KILLED_AT_RANDOM, tmp_path) > 10  # It had time to publish, too.


TOGETHER = """
# Each publishes, loads, lists and removes; what it did must be there at the end.
place = pathlib.Path(sys.argv[1]) / "models"
processes, operations = map(int, sys.argv[2:])
shared = [f"byol_tiny.s{n}" for n in range(4)]
for name in shared:
    publish(name, f"{name} first", place)

def work(me):
    random_ = random.Random(me)
    mine, own, there = [], f"byol_own.p{me}", None
    for turn in range(operations):
        act = random_.choice(["publish", "load", "list", "remove", "own"])
        if act == "publish":
            name, text = random_.choice(shared), f"{me} {turn}"
            mine.append((name, publish(name, text, place), text))
        elif act == "remove" and mine:
            name, revision, text = mine.pop(random_.randrange(len(mine)))
            assert content(name, place, revision) == text
            registry.remove(name, place, revision)
        elif act == "own":
            if there is None:
                there = f"{me} {turn}"
                publish(own, there, place)
            else:
                assert content(own, place) == there
                registry.remove(own, place)
                there = None
        elif act == "list":
            names = {card.name for card in registry.cards(place)}
            assert {*shared} <= names and (own in names) == (there is not None), names
        else:
            content(random_.choice(shared), place)
    left = [[name, text] for name, _, text in mine]
    return left if there is None else [*left, [own, there]]

children = {}
for me in range(processes):
    reader, writer = os.pipe()
    if child := os.fork():
        os.close(writer)
        children[child] = reader
    else:
        os.write(writer, json.dumps(work(me)).encode())
        os._exit(0)
expected = [[name, f"{name} first"] for name in shared]
for child, reader in children.items():
    with os.fdopen(reader) as said:
        expected += json.loads(said.read())
    assert os.waitpid(child, 0)[1] == 0
seen = visible(place)
found = [[name, text] for name in seen for text in seen[name].values()]
assert sorted(found) == sorted(expected)
publish("byol_tiny.last", "last", place)
is_tidy(place)
print(json.dumps(len(found)))
"""


def test_16_processes_lose_nothing_and_see_nothing_half(tmp_path):
    assert alone(TOGETHER, tmp_path, 16, 50) > 16
