"""The pages of the models that the repository ships, made anew from their cards.

    python tools/cards.py            each README.md in savedmodels/, its own, and the
                                     cards of tools/published.py
    python tools/cards.py FOLDER     the same of another folder of models

To be run after a model was exported into savedmodels/ or removed from it, and when
sslzoo/zoo/page.py has changed; tests/zoo/test_shipped.py fails until it was. Of the
sums of a model only that of its README.md is written anew: whatever else was changed
there stays an error.
"""

import pathlib
import sys

from sslzoo import disk
from sslzoo.zoo import card, files, page, sums

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # As a script, it has its own folder there alone.


def models(registry):
    """The folders of the models in `registry`, by name."""
    return sorted(file.parent for file in pathlib.Path(registry).glob("*/card.json"))


def card_of(folder):
    path = folder / "card.json"
    return card.parse(path.read_text(encoding="utf-8"), path)


def contents(registry):
    """The text of the registry's own README.md."""
    return page.contents([(card_of(f), files.size(f)) for f in models(registry)])


def write(registry):
    """Writes what is not as it should be, and gives those files."""
    changed = []
    for folder in models(registry):
        if _written(folder / "README.md", page.page(card_of(folder))):
            digest = disk.sha256(folder / "README.md")
            sums.write(folder, {**sums.read(folder), "README.md": digest})
            changed.append(folder / "README.md")
    if _written(pathlib.Path(registry) / "README.md", contents(registry)):
        changed.append(pathlib.Path(registry) / "README.md")
    return changed


def publish(made, registry):
    """Writes the folders of models of which there is a card alone."""
    changed = []
    for each in made:
        folder = pathlib.Path(registry) / each.name
        folder.mkdir(exist_ok=True)
        if _written(folder / "card.json", each.text()):
            names = {"card.json": each.text(), "README.md": page.page(each)}
            for name, text in names.items():
                (folder / name).write_text(text, encoding="utf-8")
            sums.write(folder, {name: disk.sha256(folder / name) for name in names})
            changed.append(folder / "card.json")
    return changed


def _written(path, text):
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    path.write_text(text, encoding="utf-8")
    return True


if __name__ == "__main__":
    changed = []
    if not sys.argv[1:]:
        from tools import published

        changed = publish(published.cards(), ROOT / "savedmodels")
    for path in changed + write(*(sys.argv[1:] or [ROOT / "savedmodels"])):
        print(path)
