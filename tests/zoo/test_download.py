"""Against a server that does to us what servers do."""

import hashlib
import os
import pty
import sys

import numpy as np
import pytest

import sslzoo
from sslzoo.errors import BadInput, CannotFetch, CannotWrite, MissingFile
from sslzoo.zoo import cache, download
from tests.zoo.serving import (
    BODY,
    SUM,
    claims,
    drops_after,
    hangs,
    hangs_up,
    says,
    serve_two_at_once,
    serving,
    well,
    whole_whatever_is_asked,
)


@pytest.fixture
def server():
    with serving() as server:
        yield server


@pytest.fixture
def another():
    with serving() as server:
        yield server


@pytest.fixture
def secure(server, certificate, monkeypatch):
    """The address of the same server, by https; it is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server.secure(certificate)
    return server.url


@pytest.fixture
def target(tmp_path):
    return tmp_path / "new" / "model.zip"


@pytest.fixture
def fetch(server, target):
    def call(url=server.url, sha256=SUM, **options):
        options = {"allow_http": True, "pause": 0, "timeout": 10, **options}
        return download.fetch(url, target, sha256, **options)

    return call


def left(target):
    return sorted(os.listdir(target.parent))


def test_a_file_is_fetched_once(fetch, server, target):
    assert fetch() == target and target.read_bytes() == BODY
    assert fetch() == target and len(server.asked) == 1
    assert left(target) == ["model.zip", "model.zip.lock"]


def test_a_file_that_is_not_as_expected_is_fetched_again(fetch, server, target):
    fetch()
    target.write_text("something else")
    fetch()
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("sha256", [SUM, None])
@pytest.mark.parametrize("mark", ['"one"', None])
def test_what_is_cut_off_goes_on_where_it_was(fetch, server, target, sha256, mark):
    server.mark = mark
    server.plan = [drops_after(300_000), drops_after(300_000)]
    fetch(sha256=sha256)
    assert target.read_bytes() == BODY
    ranges = [asked.get("Range") for asked in server.asked]
    if sha256 or mark:
        assert ranges == [None, "bytes=300000-", "bytes=600000-"]
    else:  # Nothing would tell two files apart.
        assert ranges == [None, None, None]


def test_it_goes_on_in_another_process_too(fetch, server, target):
    server.plan = [drops_after(300_000), *[hangs_up] * 5]
    with pytest.raises(CannotFetch, match="300000 bytes.* kept"):
        fetch()
    assert not target.exists() and "model.zip.part" in left(target)
    fetch()
    assert server.asked[-1]["Range"] == "bytes=300000-"
    assert target.read_bytes() == BODY


def test_a_server_that_ignores_what_was_asked_sends_all_anew(fetch, server, target):
    server.plan = [drops_after(300_000), whole_whatever_is_asked]
    fetch()
    assert server.asked[1]["Range"] and target.read_bytes() == BODY


def test_a_server_that_sends_another_part_is_not_believed(fetch, server, target):
    def wrong(request):
        request.start(206, 10, Content_Range=f"bytes 5-14/{len(BODY)}")
        request.wfile.write(BODY[5:15])

    server.plan = [drops_after(300_000), wrong]
    fetch()
    assert target.read_bytes() == BODY


def test_a_file_that_changes_between_two_attempts_is_fetched_anew(
    fetch, server, target
):
    def changes(request):
        server.body, server.mark = BODY[::-1], '"two"'
        well(request)

    server.plan = [drops_after(300_000), changes]
    fetch(sha256=None)
    assert target.read_bytes() == BODY[::-1]


@pytest.mark.parametrize("mark", [None, 'W/"weak"', '"the same"'])
def test_parts_of_two_files_are_found_out_by_the_sum(fetch, server, target, mark):
    server.body, server.mark = BODY[::-1], mark

    def changes(request):
        server.body = BODY
        well(request)

    server.plan = [drops_after(300_000), changes]
    fetch()
    assert target.read_bytes() == BODY
    assert "Range" in server.asked[1] and "Range" not in server.asked[2]


@pytest.mark.parametrize(
    "fault", [says(503), says(500), says(429), says(408), hangs_up, drops_after(0)]
)
def test_what_passes_is_tried_again(fetch, server, target, fault):
    server.plan = [fault, fault]
    fetch()
    assert target.read_bytes() == BODY and len(server.asked) == 3


def test_what_does_not_pass_is_given_up(fetch, server):
    server.plan = [says(503)] * 9
    with pytest.raises(CannotFetch, match="503 .*3 times in a row.*sslzoo bundle"):
        fetch(attempts=3)
    assert len(server.asked) == 3


def test_attempts_that_bring_something_are_not_counted(fetch, server, target):
    server.plan = [drops_after(100_000) for _ in range(8)]
    fetch(attempts=2)
    assert target.read_bytes() == BODY


def test_the_pauses_grow(fetch, server, monkeypatch):
    pauses = []
    monkeypatch.setattr(download.time, "sleep", pauses.append)
    server.plan = [says(503)] * 9
    with pytest.raises(CannotFetch):
        fetch(pause=4, attempts=6)
    assert pauses == [4, 8, 16, 30, 30]


def test_a_server_that_hangs_is_left(fetch, server, target):
    server.plan = [hangs]
    fetch(timeout=0.3)
    assert target.read_bytes() == BODY
    assert server.asked[1]["Range"] == "bytes=1000-"  # What had come was kept.


def test_a_server_that_always_hangs_is_said_to(fetch, server):
    server.plan = [hangs] * 3
    with pytest.raises(CannotFetch, match="no byte for 0.1 seconds"):
        fetch(timeout=0.1, attempts=2)


def test_nobody_there_is_said(fetch, server):
    server.shutdown()
    server.server_close()
    with pytest.raises(CannotFetch, match="refused, 2 times in a row"):
        fetch(attempts=2)


@pytest.mark.parametrize(
    "sha256, size", [(SUM, None), (None, len(BODY)), (SUM, len(BODY))]
)
def test_wrong_bytes_are_not_kept(fetch, server, target, sha256, size):
    server.body = BODY[:-1000] + b"?" * 400
    with pytest.raises(BadInput, match="Checksum mismatch.*The file was removed") as e:
        fetch(sha256=sha256, size=size)
    assert "expected" in str(e.value) and str(len(server.body)) in str(e.value)
    assert left(target) == ["model.zip.lock"] and len(server.asked) == 1


def test_more_bytes_than_expected_are_not_waited_for(fetch, server, target):
    with pytest.raises(CannotFetch, match="more than the 1000 bytes expected"):
        fetch(size=1000)
    assert left(target) == ["model.zip.lock"]


def test_a_length_that_is_too_long_is_found_out(fetch, server, target):
    server.plan = [claims(len(BODY) + 10)] * 9
    fetch()  # All is there, as its sum says.
    assert target.read_bytes() == BODY
    target.unlink()
    with pytest.raises(CannotFetch, match="ended after 1024000 of 1024010 bytes"):
        fetch(sha256=None, attempts=2)


def test_a_length_that_is_too_short_is_found_out(fetch, server, target):
    server.plan = [claims(len(BODY) - 10)]
    with pytest.raises(BadInput, match="Checksum mismatch"):
        fetch()
    assert left(target) == ["model.zip.lock"]


def test_a_part_that_is_already_whole_is_taken(fetch, server, target):
    """As when it was killed between the last byte and the last rename."""
    server.plan = [drops_after(300_000), *[hangs_up] * 5]
    with pytest.raises(CannotFetch):
        fetch(sha256=None)
    (target.parent / "model.zip.part").write_bytes(BODY)
    fetch(sha256=None)
    assert target.read_bytes() == BODY
    assert server.asked[-1]["Range"] == f"bytes={len(BODY)}-"


def test_a_part_that_is_longer_than_the_whole_is_thrown_away(fetch, server, target):
    target.parent.mkdir()
    (target.parent / "model.zip.part").write_bytes(BODY * 2)
    fetch()
    assert target.read_bytes() == BODY


@pytest.mark.parametrize(
    "code, words",
    [
        (403, "not for everyone.*account or.*consent.*by hand"),
        (401, "not for everyone"),
        (404, "is not there.*slip.*pip install -U"),
        (410, "is not there"),
        (416, "416"),
        (418, "418"),
    ],
)
def test_a_refusal_says_what_to_do(fetch, server, code, words):
    server.plan = [says(code)]
    with pytest.raises(CannotFetch, match=words):
        fetch()
    assert len(server.asked) == 1  # It would not help to ask again.


def test_a_redirect_is_followed_with_what_was_asked(fetch, server, target):
    server.plan = [
        says(302, Location="/elsewhere"),
        drops_after(300_000),
        says(302, Location="/elsewhere"),
    ]
    fetch()
    assert target.read_bytes() == BODY
    assert server.asked[3]["Range"] == "bytes=300000-"


def test_a_circle_of_redirects_ends(fetch, server):
    server.plan = [says(302, Location="/model.zip")] * 30
    with pytest.raises(CannotFetch, match="302"):
        fetch()


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_a_redirect_to_no_https_is_refused(fetch, server, place):
    server.plan = [says(302, Location=place)]
    with pytest.raises(CannotFetch):
        fetch()


def test_plain_http_must_be_asked_for(fetch, server):
    with pytest.raises(CannotFetch, match="plain http.*allow_http=True"):
        fetch(allow_http=False)
    assert not server.asked


def test_a_model_is_loaded_by_plain_http_when_it_is_asked_for(zoo, server, tmp_path):
    path = cache.bundle("byol_tiny.toy", tmp_path / "a.zip", registry=zoo)
    server.body = path.read_bytes()
    handle = f"{server.url}#sha256={hashlib.sha256(server.body).hexdigest()}"
    for load in (
        sslzoo.load,
        sslzoo.load_preprocessor,
        lambda name: sslzoo.load(name, heads=True),
    ):
        with pytest.raises(CannotFetch, match="plain http.*load.*allow_http=True"):
            load(handle)
    assert not server.asked
    place = tmp_path / "place"
    prepare = sslzoo.load_preprocessor(handle, cache_dir=place, allow_http=True)
    assert len(server.asked) == 1
    model = sslzoo.load(handle, cache_dir=place)  # As it is there now.
    assert len(server.asked) == 1 and model.card.name == "byol_tiny.toy"
    assert sslzoo.load(handle, allow_http=True).output_shape == (None, 16)
    assert len(server.asked) == 2
    assert model(prepare(np.zeros((40, 40, 3), np.uint8))[None]).shape == (1, 16)
    with pytest.raises(MissingFile, match="published without heads"):
        sslzoo.load(handle, heads=True, allow_http=True)


def test_by_https_it_comes_without_being_asked_for(fetch, secure, server, target):
    server.plan = [says(302, Location="/elsewhere"), drops_after(300_000)]
    fetch(url=secure, allow_http=False)
    assert target.read_bytes() == BODY and len(server.asked) == 3


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_from_https_to_http_is_refused(
    fetch, secure, server, another, target, code
):
    server.plan = [says(code, Location=another.url)]
    with pytest.raises(CannotFetch, match=f"^{another.url} comes by plain http"):
        fetch(url=secure, allow_http=False)
    assert len(server.asked) == 1 and not another.asked and not target.exists()


def test_such_a_redirect_is_followed_when_it_is_allowed(
    fetch, secure, server, another, target
):
    server.plan = [says(302, Location=another.url)]
    fetch(url=secure, allow_http=True)
    assert target.read_bytes() == BODY and len(another.asked) == 1


def test_a_certificate_that_nobody_has_signed_is_not_trusted(
    fetch, secure, server, target, monkeypatch
):
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(CannotFetch, match="Cannot trust https.*self.signed.*CERT_FILE"):
        fetch(url=secure, allow_http=False)
    assert not server.asked and not target.exists()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x.y/z", "x.y/z"])
def test_other_addresses_are_refused(fetch, url):
    with pytest.raises(CannotFetch, match="no https:// address"):
        fetch(url=url)


def test_offline_nothing_is_fetched(fetch, server, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(MissingFile, match="^HF_HUB_OFFLINE=1 and .*model.zip is not"):
        fetch()
    assert not server.asked
    fetch(offline=False)
    fetch()  # It is there.


def test_a_full_disk_is_said_and_nothing_is_left(fetch, server, target, full_disk):
    server.plan = [drops_after(300_000), *[hangs_up] * 5]
    with pytest.raises(CannotFetch):
        fetch()
    with full_disk(), pytest.raises(CannotWrite, match="Cannot write.*Make room"):
        fetch()
    assert left(target) == ["model.zip.lock"]


def test_a_read_only_folder_is_said(read_only, server):
    folder, block = read_only
    with block(), pytest.raises(CannotWrite, match="Permission denied.*SSLZOO_CACHE"):
        download.fetch(server.url, folder / "a", SUM, allow_http=True)


def test_two_processes_fetch_once(server, target):
    code = (
        "import sys; from sslzoo.zoo import download; print('ready', flush=True);"
        "download.fetch(sys.argv[1], sys.argv[2], sys.argv[3], allow_http=True)"
    )
    serve_two_at_once(server, code, server.url, target, SUM)
    assert target.read_bytes() == BODY and len(server.asked) == 1


def test_progress_is_shown_on_a_terminal_and_only_there(fetch, capsys):
    fetch()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("progress", [True, False])
def test_on_a_terminal_there_is_a_bar(fetch, target, monkeypatch, progress):
    ours, theirs = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        fetch(progress=progress)
        terminal.write("END")
        terminal.flush()
        shown = b""
        while not shown.endswith(b"END"):
            shown += os.read(ours, 10000)
    os.close(ours)
    assert (b"model.zip" in shown and b"1.0/1.0 MB" in shown) == progress
