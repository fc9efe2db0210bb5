"""Checkpoints of several files, archives, modules, files of Caffe."""

import io
import pathlib
import tarfile
import zipfile

import numpy as np
import pytest

from sslzoo.errors import BadInput, CannotFetch
from sslzoo.zoo import registry
from tests.converters import caffe_nets
from tests.converters import test_google_simclr as simclr
from tests.converters import test_vtab as vtab
from tests.converters.readers import test_caffe as caffe
from tests.zoo.authors import left, same
from tests.zoo.serving import says, well

REFERENCES = pathlib.Path(__file__).parents[2] / "references"


@pytest.fixture(scope="module")
def google(tmp_path_factory, photos):
    """(the folder of a checkpoint as SimCLR's, what its network says)."""
    prefix = tmp_path_factory.mktemp("google") / "model.ckpt-7"
    with simclr.graph.session() as opened:
        images = simclr.tf1.placeholder("float32", [None, None, None, 3])
        make = simclr.graph.Graph(simclr.name, 1e-5)
        seen = simclr.resnet(make, images, (3, 4, 6, 3))
        simclr.others(make)
        answers = simclr.graph.run(opened, seen["pooled"], images, photos)
        simclr.graph.save(opened, prefix)
    return prefix.parent, answers


SIMCLR = ("resnet50", {"width": simclr.STEM / 64, "style": "simclr"})
PARTS = ["model.ckpt-7.index", "model.ckpt-7.data-00000-of-00001"]


def of_folder(entry, server, google):
    for name in PARTS:
        server.files[f"/r50/{name}"] = (google[0] / name).read_bytes()
    where = {"converter": "google_simclr", "url": f"{server.base}/r50/"}
    return entry("simclr_r50.in1k_google", SIMCLR, files=PARTS, **where)


def test_a_checkpoint_of_several_files_is_fetched_whole(
    entry, get, server, google, photos, own_cache
):
    of_folder(entry, server, google)
    model = get("simclr_r50")
    same(model(photos), google[1])
    assert len(server.asked) == 2
    assert len([*(own_cache / ".pinned").glob("*.json")]) == 2
    of_user = get("simclr_r50", checkpoint=google[0] / "model.ckpt-7")
    np.testing.assert_array_equal(of_user(photos), model(photos))


def test_of_several_files_one_that_is_not_there_is_named(
    entry, get, server, google, own_cache
):
    of_folder(entry, server, google)
    server.plan = [well, says(404)]
    with pytest.raises(CannotFetch) as error:
        get("simclr_r50")
    said = str(error.value)
    assert f"/r50/{PARTS[1]} is not there (404" in said
    assert f"have {', '.join(PARTS)} of {server.base}/r50/ here" in said
    assert "give the folder" in said


def packed(kind, members):
    """The bytes of an archive; of a member that is a text, a link to that."""
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(fileobj=file, mode="w:gz") as archive:
            for name, content in members.items():
                member = tarfile.TarInfo(name)
                if isinstance(content, str):
                    member.type, member.linkname = tarfile.SYMTYPE, content
                    content = b""
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def spoilt(content):
    return content[:3000] + bytes(100) + content[3100:]


@pytest.fixture
def archived(entry, server, google):
    """Publishes what is in an archive: of the right files, and `more`."""

    def publish(
        kind="tar.gz", more=None, change=lambda content: content, inside=PARTS[0]
    ):
        members = {f"./r50/{n}": (google[0] / n).read_bytes() for n in PARTS}
        server.files[f"/1.{kind}"] = change(packed(kind, {**members, **(more or {})}))
        where = {"converter": "google_simclr", "url": f"{server.base}/1.{kind}"}
        return entry("simclr_r50.in1k_google", SIMCLR, inside=inside, **where)

    return publish


@pytest.mark.parametrize(
    "kind", ["zip", pytest.param("tar.gz", marks=pytest.mark.slow)]
)
def test_an_archive_is_unpacked(
    archived, get, server, google, photos, kind, own_cache, tmp_path
):
    archived(kind, {"r50/hub/saved_model.pb": b"of no use"})
    same(get("simclr_r50")(photos), google[1])
    assert {*left(own_cache)} == {".fetched", ".pinned"}
    (tmp_path / "mine").write_bytes(server.files[f"/1.{kind}"])
    for mine in (tmp_path / "mine", google[0] / PARTS[0], google[0]):
        same(get("simclr_r50", checkpoint=mine)(photos), google[1])


@pytest.mark.parametrize("inside", [f"../{PARTS[0]}", "/etc/passwd", "*", ""])
def test_a_card_cannot_have_another_file_read(archived, get, inside, own_cache):
    archived(inside=inside)
    with pytest.raises(BadInput, match="has no name of a file: "):
        get("simclr_r50")
    assert {*left(own_cache)} <= {".pinned"}


def test_a_module_of_the_hub_is_unpacked_and_mapped(
    entry, get, server, photos, tmp_path
):
    """Packed as TF-Hub packs them, of the source that VTAB's cards have."""
    with vtab.graph.session() as opened:
        images = vtab.tf1.placeholder("float32", [None, None, None, 3])
        seen = vtab.resnet(vtab.Named(vtab.by_scope), images, True)["pooled"]
        theirs = vtab.graph.run(opened, seen, images, photos)
        vtab.graph.save(opened, tmp_path / "module" / "variables" / "variables")
    card = registry.card("rotation_r50v2", registry.packaged()[0])
    files = sorted((tmp_path / "module" / "variables").iterdir())
    members = {f"./variables/{file.name}": file.read_bytes() for file in files}
    members |= {"./saved_model.pb": b"", "./tfhub_module.pb": b""}
    server.files["/1.tar.gz"] = packed("tar.gz", members)
    source = {**card.source, "url": f"{server.base}/1.tar.gz"}
    entry(card.name, ("resnet50v2", {"width": vtab.STEM / 64}), **source)
    same(get(card.name)(photos), theirs)
    for mine in ("module", "module/variables/variables"):
        same(get(card.name, checkpoint=tmp_path / mine)(photos), theirs)


@pytest.mark.parametrize(
    "name, built, opencv, side",
    [
        ("split_brain_alexnet", ("alexnet", {"width": 1 / 16}), "split_brain", 227),
        ("color_proxy_alexnet", ("alexnet", {"width": 1 / 16}), "alexnet", 227),
        ("color_proxy_vgg16", ("vgg16", {"width": 1 / 16}), "vgg16", 64),
        ("color_proxy_r152", ("resnet50", {"width": 1 / 32}), "resnet50", 64),
    ],
)
def test_a_file_of_caffe_becomes_the_network_of_its_card(
    entry, get, server, tmp_path, name, built, opencv, side
):
    """Of the packaged card all but the width, and the address."""
    card = registry.card(name, registry.packaged()[0])
    arrays = caffe_nets.NETS[opencv]().arrays
    file = card.source["url"].rpartition("/")[2]
    if file.endswith(".h5"):
        caffe_nets.snapshot(tmp_path / file, arrays)
    else:
        (tmp_path / file).write_bytes(caffe.net(arrays))
    server.files[f"/models/{file}"] = (tmp_path / file).read_bytes()
    built = built[0], {**card.backbone["options"], **built[1]}
    source = {**card.source, "url": f"{server.base}/models/{file}"}
    entry(card.name, built, **source)
    images = caffe_nets.photos(side)
    with np.load(REFERENCES / "caffe_nets.npz") as stored:
        theirs = {
            n.partition("/")[2]: stored[n] for n in stored if n.startswith(f"{opencv}/")
        }
    pooled = [*theirs.values()][-1].mean((1, 2))
    same(get(name)(images), pooled)
    assert len(server.asked) == 1
    same(get(name, offline=True)(images), pooled)
    mine = get(name, checkpoint=tmp_path / file, features_only=True)(images)
    for feature, expected in theirs.items():
        same(caffe_nets.sampled(mine[feature]), expected)


@pytest.mark.parametrize("name", ["split_brain_alexnet", "color_proxy_vgg16"])
def test_a_file_of_caffe_that_breaks_off_is_not_kept(
    entry, get, server, tmp_path, own_cache, name
):
    card = registry.card(name, registry.packaged()[0])
    if card.source["converter"] == "larsson":
        path = caffe_nets.snapshot(tmp_path / "a", caffe_nets.vgg16().arrays)
        data = path.read_bytes()
    else:
        data = caffe.net(caffe_nets.split_brain().arrays)
    server.files["/model"] = data[: len(data) // 2]
    built = card.backbone["builder"], {**card.backbone["options"], "width": 1 / 16}
    entry(card.name, built, **{**card.source, "url": f"{server.base}/model"})
    with pytest.raises(BadInput, match="(?s)breaks off.*was to be made of"):
        get(name)
    assert left(own_cache) == []


@pytest.mark.parametrize(
    "kind, more, change, words",
    [
        ("zip", {"../evil": b""}, None, "'../evil', which leaves the folder"),
        ("tar.gz", {"../evil": b""}, None, "'../evil', which leaves the folder"),
        ("tar.gz", {"/tmp/evil": b""}, None, "'/tmp/evil', which leaves the folder"),
        ("tar.gz", {"odd": "/etc"}, None, "'odd', which is a link or a device"),
        ("tar.gz", {f"hub/{PARTS[0]}": b""}, None, "one .*index.* has 2 of it"),
        ("tar.gz", None, lambda content: content[:-5000], "is damaged"),
        ("tar.gz", None, lambda content: spoilt(content), "is damaged"),
        ("zip", None, lambda content: content[:-5000], "is no archive"),
        ("zip", None, lambda content: b"no archive at all", "is no archive"),
        ("zip", None, lambda content: packed("zip", {"a": b""}), "has 0 of it"),
    ],
)
def test_an_archive_that_is_not_right_is_refused_and_not_kept(
    archived, get, own_cache, kind, more, change, words
):
    card = archived(kind, more, change or (lambda content: content))
    with pytest.raises(BadInput, match=words) as error:
        get("simclr_r50")
    assert f"{card.name} was to be made of {card.source['url']}" in str(error.value)
    assert left(own_cache) == []
