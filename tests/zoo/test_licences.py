import types

import pytest

from sslzoo.zoo import licences


@pytest.fixture(autouse=True)
def nothing_said_yet():
    licences._warn.cache_clear()


def card(weights, code="Apache-2.0", **more):
    return types.SimpleNamespace(licences={"code": code, "weights": weights, **more})


@pytest.mark.parametrize(
    "licence", ["Apache-2.0", "MIT", "CC-BY-4.0", "Apache-2.0 AND (MIT OR CC0-1.0)"]
)
def test_these_are_permissive(licence):
    assert licences.matches(card(licence), "permissive")
    assert not licences.matches(card(licence), "noncommercial")


@pytest.mark.parametrize(
    "licence",
    [
        *("CC-BY-NC-4.0", "MIT AND CC-BY-NC-SA-4.0", "for non-commercial use"),
        *("Academic", "research only"),
    ],
)
def test_these_are_for_non_commercial_use(licence):
    assert licences.matches(card(licence), "noncommercial")
    assert licences.matches(card("MIT", code=licence), "noncommercial")
    assert not licences.matches(card(licence), "permissive")


@pytest.mark.parametrize("licence", ["GPL-3.0-only", "", "unknown", "CC-BY-SA-4.0"])
def test_these_are_neither(licence):
    assert not licences.matches(card(licence), "permissive")
    assert not licences.matches(card(licence), "noncommercial")


def test_code_counts_too():
    assert not licences.matches(card("MIT", code="GPL-3.0-only"), "permissive")
    assert not licences.matches(card("MIT", code=""), "permissive")


def test_a_list_may_be_of_one_licence():
    assert licences.matches(card("CC-BY-NC-4.0"), "cc-by-nc*")
    assert licences.matches(card("MIT"), "mit")
    assert not licences.matches(card("MIT-0"), "mit")


def test_a_notice_is_given_once_with_licence_and_page(caplog):
    for _ in range(3):
        licences.notice(card("CC-BY-NC-4.0", notice="https://x.y/licence"))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "CC-BY-NC-4.0 (https://x.y/licence)" in record.getMessage()


def test_another_licence_has_its_own_notice(caplog):
    licences.notice(card("CC-BY-NC-4.0"))
    licences.notice(card("CC-BY-NC-SA-4.0"))
    assert len(caplog.records) == 2


def test_what_is_permissive_has_none(caplog):
    licences.notice(card("MIT"))
    assert not caplog.records


@pytest.mark.parametrize("value", ["CC-BY-NC-4.0", "all", "MIT, cc-by-nc-4.0"])
def test_who_has_accepted_is_not_told(caplog, monkeypatch, value):
    licences.notice(card("CC-BY-NC-4.0"), accepted=True)
    monkeypatch.setenv("SSLZOO_ACCEPT_LICENSES", value)
    licences.notice(card("CC-BY-NC-4.0"))
    assert not caplog.records


def test_who_has_accepted_another_is_told(caplog, monkeypatch):
    monkeypatch.setenv("SSLZOO_ACCEPT_LICENSES", "CC-BY-NC-SA-4.0")
    licences.notice(card("CC-BY-NC-4.0"))
    assert len(caplog.records) == 1
