"""What is removed is gone, and nothing else is."""

import os

import pytest

from sslzoo.errors import BadInput, UnknownName
from sslzoo.zoo import registry
from tests.zoo.folders import content, hidden, names


def test_what_is_removed_is_gone_with_its_revisions(publish, models):
    publish("byol_tiny.a")
    publish("byol_tiny.a")
    publish("byol_tiny.b")
    registry.remove("byol_tiny.a", models)
    assert names(models) == ["byol_tiny.b"] and not hidden(models)
    with pytest.raises(UnknownName):
        registry.find("byol_tiny.a", models, revision=1)


def test_without_its_newest_revision_a_model_is_the_one_before(publish, models):
    for number in (1, 2, 3):
        publish("byol_tiny.a", f"{number}")
    registry.remove("byol_tiny.a", models, revision=2)
    registry.remove("byol_tiny.a", models, revision=3)
    entry = registry.find("byol_tiny.a", models)
    assert content(entry) == "1" and entry.path == models / "byol_tiny.a"
    assert not hidden(models)


def test_what_is_not_there_cannot_be_removed(publish, models):
    publish("byol_tiny.a")
    with pytest.raises(UnknownName, match="has no tag 'b'"):
        registry.remove("byol_tiny.b", models)
    with pytest.raises(UnknownName, match="no revision 3. It has: 1"):
        registry.remove("byol_tiny.a", models, revision=3)
    with pytest.raises(BadInput, match="<method>_<arch>.<tag>"):
        registry.remove("byol_tiny", models)


@pytest.mark.parametrize("revision", ["", ".", "..", "../..", "01", 0, 7])
def test_what_is_no_revision_removes_nothing(publish, models, revision):
    """As the part of a path it would be the folder of all."""
    for _ in range(3):
        publish("byol_tiny.a")
    with pytest.raises(UnknownName, match="has no revision"):
        registry.remove("byol_tiny.a", models, revision=revision)
    for number in (1, 2, 3):
        assert registry.find("byol_tiny.a", models, revision=number)


def test_a_damaged_model_can_be_removed(publish, models):
    (publish("byol_tiny.a").path / "card.json").write_text("{")
    registry.remove("byol_tiny.a", models)
    assert os.listdir(models / ".drafts") == []
    assert not (models / "byol_tiny.a").exists()
