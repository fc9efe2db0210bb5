"""Every command, every line of Python and every link of README.md and docs/ works.

The blocks of a document are run in their order, in one temporary folder:

    ```bash, ```sh     by bash, until a command fails
    ```console         so are its lines after "$ "; the others show what they print
    ```python          all in one process: a block knows the names of those before it
    ```text, ```json   are for the reader only

A comment directly above a block says what the test runs in its place, or why nothing:

    <!-- test: sslzoo train byol_r18w16_toyworld epochs=1 --workdir runs/first -->
    <!-- test: skip because it needs a TPU -->

One document by hand, in this folder: python tests/test_docs.py README.md
There `sslzoo` starts as it does for a user; in tests see `warm`.
"""

import dataclasses
import linecache
import os
import pathlib
import re
import shlex
import subprocess
import sys
import traceback
import urllib.parse

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN = {"bash": "bash", "sh": "bash", "console": "console", "python": "python"}
SHOWN = {"text", "json", "toml", "yaml", "csv", "html", "diff", "bibtex"}
FENCE = re.compile(r"\s*(`{3,}|~{3,})\s*([^\s`]*)[^`]*$")


@dataclasses.dataclass
class Block:
    line: int
    kind: str  # "bash" or "python"
    text: str
    skipped: str = ""  # why


def blocks(document):
    """The blocks of a document's text that run, each as the test runs it."""
    lines = enumerate(document.splitlines(), 1)
    instead, found = None, []
    for number, line in lines:
        fence = FENCE.match(line)
        if line.strip().startswith("<!-- test:"):
            require(instead is None, number, "a second test comment for one block")
            while "-->" not in line:
                line += "\n" + next(lines, (0, "-->"))[1]
            instead = line.strip().removeprefix("<!-- test:").removesuffix("-->")
            instead = instead.strip("\n").rstrip()
            require(instead.strip(), number, "an empty test comment")
        elif fence:
            mark, language = fence.groups()
            closed, text = False, []
            for _, inner in lines:
                closed = re.fullmatch(rf"\s*{mark}{mark[0]}*\s*", inner)
                if closed:
                    break
                text.append(inner)
            require(closed, number, "a block that is never closed")
            text = dedent(text, line)
            if language in RUN:
                found.append(block(number, RUN[language], text, instead))
            else:
                require(
                    language in SHOWN,
                    number,
                    f"a block of {language or 'no language'}: "
                    f"{', '.join(RUN)} run; {', '.join(sorted(SHOWN))} do not",
                )
                require(
                    instead is None, number, "a test comment; this block never runs"
                )
            instead = None
        elif line.strip():
            require(instead is None, number, "no block, but a test comment above it")
    require(instead is None, number, "a test comment above no block")
    return found


def block(number, kind, text, instead):
    if instead is not None and instead.strip().startswith("skip"):
        reason = re.fullmatch(r"\s*skip because (.*\w.*)", instead, re.DOTALL)
        require(reason, number, 'a skip without reason: "skip because ..."')
        return Block(number, kind, "", skipped=reason.group(1))
    text = instead.strip() + "\n" if instead is not None else text
    if kind == "console":
        # Commands, with what follows a backslash; a shortened form may be bare.
        typed = re.findall(r"^\$ ((?:.*\\\n)*.*)$", text, re.MULTILINE)
        require(typed or instead is not None, number, 'a console without "$ "')
        kind, text = "bash", "\n".join(typed) or text
    return Block(number, kind, text)


def dedent(lines, fence):
    """Lines without the indent of their fence, which may stand in a list."""
    indent = len(fence) - len(fence.lstrip())
    return "".join(line[min(indent, spaces(line)) :] + "\n" for line in lines)


def spaces(line):
    return len(line) - len(line.lstrip())


def require(fact, number, words):
    if not fact:
        raise ValueError(f"line {number}: {words}")


def run(path):
    """Runs the document `path` here, in this process and folder."""
    here = pathlib.Path(sys.executable).parent  # Its tools come before any others.
    first = os.environ.get("COMMANDS_OF_TESTS", here)
    os.environ["PATH"] = os.pathsep.join([f"{first}", f"{here}", os.environ["PATH"]])
    os.environ.update(MPLBACKEND="Agg", TF_CPP_MIN_LOG_LEVEL="3")
    names = {"__name__": "__main__"}
    for block in blocks(path.read_text(encoding="utf-8")):
        place = f"{path.name}, line {block.line}"
        print(f"--- {place}: {block.kind} {block.skipped}", flush=True)
        if block.kind == "python":
            lines = block.text.splitlines(keepends=True)
            linecache.cache[place] = (len(block.text), None, lines, place)
            try:
                exec(compile(block.text, place, "exec", dont_inherit=True), names)
            except SystemExit as end:  # Or the blocks after it would go unseen.
                raise RuntimeError(f"{place} exits") from end
        else:
            bash = ["bash", "-e", "-o", "pipefail", "-c", block.text]
            subprocess.run(bash, check=True, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def warm(tmp_path_factory):
    """A folder with a `sslzoo` that need not import TensorFlow: see tests/warm.py."""
    folder = tmp_path_factory.mktemp("warm")
    server, socket = ROOT / "tests" / "warm.py", folder / "socket"
    start = [sys.executable, server, "serve", socket]
    environment = {**os.environ, "MPLBACKEND": "Agg", "TF_CPP_MIN_LOG_LEVEL": "3"}
    client = shlex.join(map(str, [sys.executable, "-S", server, socket]))
    (folder / "sslzoo").write_text(f'#!/bin/sh\nexec {client} "$@"\n')
    (folder / "sslzoo").chmod(0o755)
    piped = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
    with subprocess.Popen(start, env=environment, text=True, **piped) as process:
        assert process.stdout.readline() == "ready\n"
        yield folder
        process.stdin.close()


def outcome(path, folder, commands=None):
    """(whether the document ran to its end, what it printed), in a process apart."""
    first = {"COMMANDS_OF_TESTS": str(commands)} if commands else {}
    done = subprocess.run(
        [sys.executable, __file__, path],
        cwd=folder,
        env={**os.environ, **first},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )
    return done.returncode == 0, done.stdout


def broken_links(path):
    text = prose(path)
    links = re.findall(r"\]\(\s*<?([^)\s>]+)", text)
    links += re.findall(r"""\b(?:src|href)=["']([^"']+)["']""", text)
    links += re.findall(r"^\s*\[[^\]]+\]:\s*(\S+)", text, re.MULTILINE)
    return [link for link in links if not leads_somewhere(path, link)]


def leads_somewhere(path, link):
    if re.match(r"[a-z][a-z+.-]*:", link):
        return True  # The web is not ours.
    name, _, anchor = urllib.parse.unquote(link).partition("#")
    target = path.parent / name if name else path
    if not target.exists():
        return False
    return not anchor or target.suffix != ".md" or anchor in anchors(target)


def anchors(path):
    """The names of headings, as GitHub makes them, and those written out."""
    seen = set(re.findall(r"""\b(?:id|name)=["']([^"']+)["']""", prose(path)))
    for heading in re.findall(r"^ {0,3}#{1,6}\s+(.*)", prose(path, code=True), re.M):
        heading = re.sub(r"\]\([^)]*\)", "", heading)  # Of a link, the words alone.
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        seen.add(next(s for s in numbered(slug) if s not in seen))
    return seen


def numbered(slug):
    yield slug
    for k in range(1, 1000):
        yield f"{slug}-{k}"


def prose(path, code=False):
    """A document without its blocks and comments; with `code`, still with `code`."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"^\s*(`{3,}|~{3,}).*?^\s*\1[`~]*\s*$", "", text, flags=re.M | re.S)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    return text if code else re.sub(r"`[^`\n]*`", "", text)


def name_of(path):
    return str(path.relative_to(ROOT))


# They train many small runs: half a minute each, and more.
LONG = {"batch", "backbones", "colorization", "colour", "plane", "pretext", "measured"}
LONG |= {"method", "zoo", "studies/colour", "studies/depth", "studies/revisiting"}
LONG |= {"studies/transformations"}
LONG = {f"docs/{stem}.md" for stem in LONG}


def each(path):
    marks = (pytest.mark.slow,) if name_of(path) in LONG else ()
    return pytest.param(path, marks=marks, id=name_of(path))


@pytest.mark.parametrize("path", [each(path) for path in DOCUMENTS])
def test_every_block_of_a_document_runs(path, tmp_path, warm):
    fine, printed = outcome(path, tmp_path, warm)
    assert fine, printed


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_link_of_a_document_leads_somewhere(path):
    assert broken_links(path) == []


@pytest.fixture
def told(tmp_path):
    """Runs a document given as text, where every ''' stands for three backticks."""

    def run(text):
        path = tmp_path / "page.md"
        path.write_text(text.replace("'''", "```"))
        return outcome(path, tmp_path)

    return run


@pytest.mark.parametrize(
    "bad",
    [
        "'''bash\nfalse\ntrue\n'''",
        "'''sh\nfalse | cat\n'''",
        "'''console\n$ false\n$ true\n'''",
        "'''python\nraise RuntimeError\n'''",
        "'''python\nraise SystemExit(0)\n'''",
    ],
)
def test_a_failing_block_fails_and_stops_the_document(told, tmp_path, bad):
    fine, printed = told(f"Text.\n\n{bad}\n\n'''bash\ntouch after\n'''\n")
    assert not fine
    assert "page.md, line 3" in printed
    assert not (tmp_path / "after").exists()


def test_the_error_of_a_python_block_shows_its_line(told):
    _, printed = told("'''python\nsmall = 1\nsmall / 0\n'''\n")
    assert "small / 0" in printed and "ZeroDivisionError" in printed


def test_blocks_share_a_folder_and_the_python_ones_their_names(told):
    fine, printed = told(
        "'''python\nnumber = 6\n'''\n"
        "'''bash\necho 7 > seven\n'''\n"
        "'''python\nprint('it is', number * int(open('seven').read()))\n'''\n"
        "'''console\n$ cat \\\n    seven && touch eight\nnothing --like this\n'''\n"
        "'''bash\ntest -e eight\n'''\n"
    )
    assert fine, printed
    assert "it is 42" in printed


def test_the_shortened_form_runs_instead(told):
    fine, printed = told(
        "<!-- test: echo short -->\n'''bash\nfalse\n'''\n\n"
        "<!-- test:\nif True:\n    number = 6\n-->\n\n"
        "'''python\nraise RuntimeError\n'''\n"
        "'''python\nprint('number', number)\n'''\n"
        "1. In a list:\n\n"
        "   <!-- test: echo listed -->\n   '''console\n   $ false\n   '''\n"
    )
    assert fine, printed
    for word in ("short", "number 6", "listed"):
        assert word in printed


def test_an_indented_block_runs_without_its_indent(told):
    fine, printed = told(
        "- So:\n\n  '''python\n  if True:\n      print(6 * 7)\n  '''\n"
    )
    assert fine and "42" in printed, printed


def test_a_skipped_block_does_not_run_and_says_why(told):
    fine, printed = told(
        "<!-- test: skip because it needs a TPU -->\n'''bash\nfalse\n'''\n"
    )
    assert fine and "it needs a TPU" in printed


def test_text_is_not_run(told):
    fine, printed = told("'''text\n$ false\n'''\n~~~~json\n'''bash\nfalse\n'''\n~~~~\n")
    assert fine, printed


@pytest.mark.parametrize(
    "text, words",
    [
        ("<!-- test: skip -->\n'''bash\nfalse\n'''", "skip without reason"),
        ("<!-- test: skip because -->\n'''bash\nfalse\n'''", "skip without reason"),
        ("<!-- test: true -->\nWords.\n'''bash\ntrue\n'''", "no block"),
        ("<!-- test: true -->", "above no block"),
        ("<!-- test:  -->\n'''bash\nfalse\n'''", "empty test comment"),
        ("<!-- test: true -->\n'''text\nwords\n'''", "never runs"),
        ("'''\nsslzoo train\n'''", "no language"),
        ("'''shell\nsslzoo train\n'''", "a block of shell"),
        ("'''console\nsslzoo train\n'''", "a console without"),
        ("'''bash\ntrue", "never closed"),
    ],
)
def test_what_would_silently_not_run_is_an_error(text, words):
    with pytest.raises(ValueError, match=words):
        blocks(text.replace("'''", "```"))


def test_a_command_that_fails_stops_the_document_though_it_is_warm(tmp_path, warm):
    (tmp_path / "page.md").write_text("```bash\nsslzoo trian\ntouch after\n```\n")
    fine, printed = outcome(tmp_path / "page.md", tmp_path, warm)
    assert not fine and "Did you mean 'train'?" in printed
    assert not (tmp_path / "after").exists()


def test_a_warm_command_has_the_folder_and_the_environment_of_the_block(tmp_path, warm):
    text = "mkdir in\ncd in\nexport SSLZOO_CACHE=$PWD/kept\nsslzoo sheet --folder x "
    (tmp_path / "page.md").write_text(f"```bash\n{text}--count 2 > said\n```\n")
    fine, printed = outcome(tmp_path / "page.md", tmp_path, warm)
    assert fine, printed
    assert (tmp_path / "in" / "x").is_dir() and (tmp_path / "in" / "said").exists()


def test_commands_are_those_of_this_environment(told):
    fine, printed = told("'''bash\npython -c 'import sys; print(sys.prefix)'\n'''\n")
    assert fine and sys.prefix in printed


def test_a_broken_link_is_found(tmp_path):
    (tmp_path / "here.png").touch()
    (tmp_path / "other.md").write_text("# The `first`, again\n## Twice\n## Twice\n")
    page = tmp_path / "page.md"
    page.write_text(
        "# Title\n[a](#title) ![b](here.png) [c](https://example.org/x) `[d](code)`\n"
        "[`e`](other.md#the-first-again) [f](other.md#twice-1) <img src='here.png'>\n"
        "```text\n[g](block)\n```\n"
        "[h](#nowhere) ![i](gone.png) <img src='lost.png'> [j](other.md#twice-2)\n"
        "[![k](gone1.png)](gone2.md)\n[l]: gone3.md\n"
    )
    assert broken_links(page) == [
        *("#nowhere", "gone.png", "other.md#twice-2", "gone1.png", "gone2.md"),
        *("lost.png", "gone3.md"),
    ]


if __name__ == "__main__":
    sys.path[0] = ""  # As in an interactive session; not the folder of the tests.
    sys.excepthook = traceback.print_exception  # Which knows the lines of a block.
    run(pathlib.Path(sys.argv[1]).resolve())
