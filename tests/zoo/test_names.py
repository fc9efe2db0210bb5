import pathlib

import pytest

from sslzoo.errors import BadInput
from sslzoo.zoo import names

SUM = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "text, kind, value, tag, sha256",
    [
        ("byol_r50", "name", "byol_r50", None, None),
        ("byol_r50.in1k_ep300", "name", "byol_r50.in1k_ep300", "in1k_ep300", None),
        ("./mine", "folder", "./mine", None, None),
        ("../mine.zip", "folder", "../mine.zip", None, None),
        ("/data/mine", "folder", "/data/mine", None, None),
        ("local:a/b:c", "folder", "a/b:c", None, None),
        (".", "folder", ".", None, None),
        (pathlib.Path("a/b"), "folder", "a/b", None, None),
        (f"https://x.y/z.zip#sha256={SUM}", "url", "https://x.y/z.zip", None, SUM),
        (f"https://x.y/z#sha256={SUM.upper()}", "url", "https://x.y/z", None, SUM),
    ],
)
def test_a_text_means(text, kind, value, tag, sha256):
    assert names.parse(text) == names.Handle(kind, value, tag, sha256)


def test_the_home_folder_is_spelled_out(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert names.parse("~/mine").value == "/home/me/mine"
    assert names.parse("local:~/mine").value == "/home/me/mine"


@pytest.mark.parametrize(
    "text, folder, name",
    [
        ("models/byol_r50", "'./models/byol_r50'", "'byol_r50'"),
        ("models/byol_r50/", "'./models/byol_r50/'", "'byol_r50'"),
        (r"C:\models\byol_r50", r"'local:C:\models\byol_r50'", "'byol_r50'"),
        ("timm:byol_r50", "'local:timm:byol_r50'", "'byol_r50'"),
        ("https:/x.y/z", "'local:https:/x.y/z'", "'z'"),
    ],
)
def test_a_name_like_a_path_is_an_error_with_both_corrected_forms(text, folder, name):
    with pytest.raises(BadInput) as error:
        names.parse(text)
    assert folder in str(error.value) and f"{name}." in str(error.value)


@pytest.mark.parametrize(
    "text, instead",
    [
        ("hf://org/byol", "`hf download org/byol --local-dir DIR`"),
        ("gs://bucket/byol", "`gcloud storage cp -r gs://bucket/byol DIR`"),
        ("kaggle://a/b/c/d", "kagglehub.model_download('a/b/c/d')"),
        ("s3://bucket/byol", "not from s3://"),
    ],
)
def test_places_that_are_not_read_say_what_to_do_instead(text, instead):
    with pytest.raises(BadInput) as error:
        names.parse(text)
    assert instead in str(error.value) and "'./DIR'" in str(error.value)


@pytest.mark.parametrize("fragment", ["", "#", "#sha256=123", f"#md5={SUM}"])
def test_an_address_must_say_what_is_expected_there(fragment):
    with pytest.raises(BadInput, match=r"https://x.y/z#sha256=\.\.\."):
        names.parse(f"https://x.y/z{fragment}")


@pytest.mark.parametrize("thing", ["", None, 3])
def test_what_is_no_text_is_no_name(thing):
    with pytest.raises(BadInput, match="text like 'byol_r50'"):
        names.parse(thing)


@pytest.mark.parametrize(
    "old, new",
    [
        ("byol_old", "byol_new"),
        ("byol_old.tag", "byol_new.tag"),
        ("byol_x.wrong", "byol_x.right"),
    ],
)
def test_an_old_name_still_works_and_says_the_new_one(old, new):
    renamed = {"byol_old": "byol_new", "byol_x.wrong": "byol_x.right"}
    with pytest.warns(FutureWarning, match=f"'{old}' is now called '{new}'"):
        handle = names.parse(old, renamed)
    assert handle == names.parse(new)


def test_no_old_name_leads_to_another_old_name():
    assert not set(names.RENAMED.values()) & set(names.RENAMED)


@pytest.mark.parametrize(
    "name", ["byol_r50.in1k", "split_brain_alexnet.in1k_ep8", "byol_r50w2.a_1"]
)
def test_a_model_may_be_called(name):
    names.check(name)


@pytest.mark.parametrize(
    "name",
    [
        *("byol_r50", "byol.a", "BYOL_r50.a", "byol__r50.a", "byol_r50.a.b", ""),
        *("../x_y.a", "byol_r50.a\n", "byol_r50.", "_byol_r50.a"),
    ],
)
def test_a_model_may_not_be_called(name):
    with pytest.raises(BadInput, match="<method>_<arch>.<tag>"):
        names.check(name)
