"""`sslzoo verify`: all is well here, and it is said in words."""

import json
import os

import keras
import numpy as np
import pytest

from sslzoo import verify
from sslzoo.methods import byol
from sslzoo.verify import checking


@pytest.mark.slow
def test_all_is_well_here():
    parts = []
    result = verify.run(lambda done, of: parts.append((done, of)))
    assert [row["failure"] for row in result["checks"] if row["failure"]] == []
    assert result["passed"] and result["seconds"] > 0
    assert parts[-1] == (len(result["checks"]),) * 2
    assert result["versions"]["keras"] == keras.__version__


def test_each_check_says_in_a_sentence_what_it_checks():
    words = [check.__doc__.partition("\n")[0] for check in verify.CHECKS]
    assert all(line.endswith(".") and line[0].isupper() for line in words)
    assert len(set(words)) == len(words)


def test_what_the_user_has_set_does_not_count_and_is_given_back(monkeypatch):
    cluster = {"cluster": {"worker": ["a:1", "b:1"]}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        with checking.exact():
            assert verify.tried(verify.byol.both_directions)["failure"] == ""
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        assert json.loads(os.environ["TF_CONFIG"]) == cluster
    finally:
        keras.config.set_dtype_policy("float32")


def test_a_check_that_breaks_down_is_a_failure_and_the_others_go_on(monkeypatch):
    def broken():
        """One is broken."""
        raise ZeroDivisionError("here")

    monkeypatch.setattr(verify, "CHECKS", (broken, verify.losses.loss_values))
    monkeypatch.setattr(verify.zoo, "shipped", list)
    result = verify.run()
    assert [row["passed"] for row in result["checks"]] == [False, True]
    assert "ZeroDivisionError: here" in result["checks"][0]["failure"]


@pytest.mark.parametrize("found", [[1.0, np.nan], [1.0, 2.1], [1.0], [[1.0], [2.0]]])
def test_numbers_that_are_not_the_same_are_told(found):
    checking.same([1.0, 2.0], [1.0, 2.0], "numbers")
    with pytest.raises(checking.Failed, match="numbers: expected .*, got"):
        checking.same(found, [1.0, 2.0], "numbers")


# The command.


@pytest.fixture
def two_checks(monkeypatch):
    monkeypatch.setattr(verify, "CHECKS", (verify.losses.loss_values, verify.byol.taus))
    monkeypatch.setattr(verify.zoo, "shipped", list)


def test_the_command_says_in_words_what_was_checked(command, two_checks):
    code, out, err = command("verify")
    assert code == 0 and err == ""
    assert "2 - 2 cos" in out and "2 of 2 checks passed" in out and "keras" in out
    code, out, _ = command("verify", "--json")
    assert code == 0 and json.loads(out)["passed"]


def test_the_command_fails_with_what_to_report(command, two_checks, monkeypatch):
    monkeypatch.setattr(byol.BYOL, "tau", lambda self: 0.5)
    code, out, _ = command("verify")
    said = " ".join(out.split())
    assert code == 1 and "1 of 2 checks passed" in said and "expected 0.99" in said
    assert "sslzoo verify --json" in said
    code, out, _ = command("verify", "--json")
    rows = json.loads(out)["checks"]
    assert code == 1 and [row["passed"] for row in rows] == [True, False]
    assert rows[1]["name"] == "taus" and rows[1]["failure"].startswith("tau 0 of")
