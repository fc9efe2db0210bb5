"""Published weights: from the authors' file on a server to a model that is checked."""

import hashlib

import numpy as np
import pytest

import sslzoo
from sslzoo.errors import BadInput, CannotFetch, MissingFile
from sslzoo.zoo import cache, listing, registry, sums
from sslzoo.zoo.load import load
from tests.converters import deepmind
from tests.converters.conftest import random_like
from tests.zoo.authors import FILE, NAME, left, same
from tests.zoo.serving import drops_after, hangs_up, serve_two_at_once


def test_the_first_load_fetches_and_converts_and_the_next_finds_it(
    entry, get, server, authors, photos, own_cache
):
    entry()
    model = get()
    same(model(photos), authors[1](photos))
    assert len(server.asked) == 1
    server.files.clear()
    again = get(offline=True)
    np.testing.assert_array_equal(again(photos), model(photos))
    assert len(server.asked) == 1
    assert {*left(own_cache)} == {".fetched", ".pinned"}  # The file itself is gone.


def test_what_is_kept_is_a_model_of_the_registry_like_any_other(
    entry, get, server, authors, models, tmp_path
):
    card = entry()
    get()
    made = registry.find(NAME, models)
    sums.check(made.path)
    files = {path.name for path in made.path.iterdir()}
    assert files == {
        *("card.json", "config.json", "backbone.weights.h5", "README.md"),
        *("LICENSE", "SHA256SUMS", "conversion.txt"),
    }
    assert made.card.source == {} and made.card.published == card.published
    digest = hashlib.sha256(authors[0]).hexdigest()
    assert f"{server.base}{FILE}, sha256 {digest}" in made.card.origin
    assert len(made.card.expected) == 8 and "NC" in (made.path / "LICENSE").read_text()
    # And so it goes to a machine without network:
    cache.bundle(NAME, tmp_path / "carried", registry=models)
    assert load(NAME, registry=tmp_path / "carried", offline=True).card.expected


def test_a_conversion_is_told_when_it_is_made_and_kept(entry, get, models, caplog):
    card = entry()
    get()
    (said,) = [line for line in caplog.messages if "was made of" in line]
    kept = registry.find(NAME, models).path / "conversion.txt"
    # Of 21 convolutions: each has a kernel, and a batch norm of four behind it.
    assert said.startswith(f"{NAME} was made of {card.source['url']}: 105 arrays are ")
    assert "7 of projector/*" in said and "of opt_state" in said
    assert said.endswith(f"Array by array: {kept}")
    assert kept.read_text().count(" <- ") == 105
    caplog.clear()
    get()
    assert not [line for line in caplog.messages if "was made of" in line]


def test_what_was_changed_in_the_cache_is_found_out(entry, get, models):
    entry()
    get()
    weights = registry.find(NAME, models).path / "backbone.weights.h5"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    with pytest.raises(BadInput, match=f"Checksum.*clear_cache.'{NAME}'.*anew"):
        get()
    cache.clear(NAME)
    get()


def test_it_is_fetched_in_pieces_where_the_connection_breaks(entry, get, server):
    entry()
    server.plan = [drops_after(100_000), drops_after(100_000), hangs_up]
    get()
    ranges = [asked.get("Range") for asked in server.asked]
    assert ranges == [None, "bytes=100000-", "bytes=200000-", "bytes=200000-"]


def test_a_server_that_dies_leaves_what_has_come_and_a_way_on(
    entry, get, server, own_cache, models
):
    entry(size="about 1 MB")
    server.plan = [drops_after(100_000), *[hangs_up] * 5]
    with pytest.raises(CannotFetch) as error:
        get()
    said = str(error.value)
    assert "5 times in a row. What has come (100000 bytes) is kept" in said
    url = f"{server.base}{FILE} (about 1 MB)"
    assert f"Or have {url} here by any other way, and give the file: " in said
    assert f"sslzoo.load('{NAME}', checkpoint=PATH)." in said
    assert {*left(own_cache)} == {".downloads"}
    get()  # It goes on from there.
    assert server.asked[-1]["Range"] == "bytes=100000-"
    server.plan = [drops_after(100_000), *[hangs_up] * 5]
    cache.clear()
    with pytest.raises(CannotFetch):
        get()
    cache.clear()
    assert left(own_cache) == [".pinned"]
    assert not list((own_cache / ".downloads").iterdir())


@pytest.mark.parametrize("error", [AttributeError, MemoryError, UnicodeDecodeError])
def test_what_no_converter_foresaw_is_told_and_nothing_is_kept(
    entry, get, own_cache, tmp_path, authors, monkeypatch, error
):
    """Else what has come would be taken for whole, and fail for ever."""
    entry()

    def fails(path, backbone):
        raise error(*(("utf-8", b"", 0, 1, "x") if error is UnicodeDecodeError else ()))

    monkeypatch.setattr("sslzoo.converters.deepmind_byol.convert", fails)
    words = f"'deepmind_byol' can make nothing of .*{error.__name__}.*Fetch it again"
    with pytest.raises(BadInput, match=f"(?s){words}.*nothing of that is kept"):
        get()
    assert left(own_cache) == []
    (tmp_path / "mine.pkl").write_bytes(authors[0])
    with pytest.raises(BadInput, match=words):
        get(checkpoint=tmp_path / "mine.pkl")


def test_a_copy_of_ones_own_that_gives_no_features_is_refused(
    entry, get, tmp_path, monkeypatch
):
    """As of a run that went wrong: every weight is a number, the features are none."""
    entry()
    value, _ = deepmind.published(18, random_like())
    state = value["experiment_state"].online_state
    for module, found in state.items():
        if module.endswith("var_ema"):
            found["average"][:] *= -1
    path = deepmind.write(tmp_path / "mine.pkl", value)
    with pytest.raises(BadInput, match="gives .nan.*no features.*trained to the end"):
        get(checkpoint=path)
    assert get(checkpoint=path, verify=False)


def test_a_local_file_does_the_same_and_nothing_of_it_is_kept(
    entry, get, server, authors, photos, tmp_path, own_cache
):
    entry()
    (tmp_path / "mine.pkl").write_bytes(authors[0])
    model = get(checkpoint=tmp_path / "mine.pkl", offline=True)
    same(model(photos), authors[1](photos))
    assert not server.asked and not left(own_cache)
    with pytest.raises(MissingFile, match="offline=True"):
        get(offline=True)


def test_random_weights_need_no_file(entry, get, server):
    entry()
    model = get(pretrained=False, num_classes=3)
    assert model.output_shape == (None, 3) and not server.asked


def test_what_it_does_not_have_is_said_without_fetching_it(entry, models, server):
    entry()
    with pytest.raises(MissingFile, match="published without heads"):
        sslzoo.load(NAME, registry=models, heads=True, allow_http=True)
    with pytest.raises(MissingFile, match="no recipe; it was made by: Its authors"):
        sslzoo.load_recipe(NAME, registry=models)
    assert not server.asked


def test_what_is_told_of_it_is_told_without_fetching_it(
    entry, get, server, models, own_cache
):
    card = entry(size="about 1 MB")
    name = f"of {server.base}{FILE}, about 1 MB: "
    assert listing.list_pretrained(registry=models) == [NAME]
    (row,) = listing.list_models(as_table=True, registry=models)
    assert row["weights"] == "to fetch" and row["license"] == "CC-BY-NC-4.0"
    told = str(sslzoo.info(NAME, models))
    assert f"weights  {name}not here yet; the first load fetches and" in told
    assert "published  in1k, linear: 74.4 % (README)" in told and "measured" not in told
    assert sslzoo.load_preprocessor(NAME, models) and not server.asked
    get()
    (row,) = listing.list_models(as_table=True, registry=models)
    assert row["weights"] == "here"
    assert f"{name}fetched and converted, in the cache" in str(
        sslzoo.info(NAME, models)
    )
    assert registry.card(NAME, models) == card


def test_what_has_no_address_is_made_of_the_user_s_file_alone(
    entry, get, models, authors, photos, tmp_path
):
    entry(url=None)
    assert listing.list_pretrained(registry=models) == []
    (row,) = listing.list_models(as_table=True, registry=models)
    assert row["weights"] == "your file"
    assert "to be had by hand; load(..., checkpoint" in str(sslzoo.info(NAME, models))
    with pytest.raises(MissingFile, match=f"no address.*'{NAME}', checkpoint=PATH"):
        get()
    (tmp_path / "mine.pkl").write_bytes(authors[0])
    same(get(checkpoint=tmp_path / "mine.pkl")(photos), authors[1](photos))


def test_the_licence_is_told_once(entry, get, caplog):
    from sslzoo.zoo import licences

    licences._warn.cache_clear()
    entry()
    get()
    assert "non-commercial use only: CC-BY-NC-4.0" in caplog.text
    caplog.clear()
    get()
    assert "commercial" not in caplog.text


def test_another_revision_of_a_card_is_made_anew(entry, get, models, server):
    entry()
    get()
    entry(size="now it is known")
    assert registry.card(NAME, models).revision == 2
    get()
    assert len(server.asked) == 2


@pytest.mark.slow
def test_first_uses_at_once_convert_once(entry, models, server):
    entry()
    code = (
        "import sys; from sslzoo.zoo import load, registry; print('ready', flush=True);"
        "load.load(sys.argv[1], registry=sys.argv[2], allow_http=True)"
    )
    serve_two_at_once(server, code, NAME, models)
    assert len(server.asked) == 1
