"""Rules of failures: whom they are for, how often, and how many there may be."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from simulator.failures import (
    ABOUT,
    RULES_MAX,
    FailureRules,
    NewRule,
    Stage,
    TooManyRules,
    UnknownFailure,
)
from simulator.journal import Journal
from simulator.requests import QueueRequests


def rules_of(*wanted: NewRule) -> FailureRules:
    rules = FailureRules()
    for each in wanted:
        rules.add(each)
    return rules


def asked(prompt: str = "reefs") -> dict[str, Any]:
    return {"prompt": prompt}


def test_a_rule_without_more_is_for_the_next_submission_only() -> None:
    rules = rules_of(NewRule("slow"))
    assert [rules.take(Stage.RUN, asked()) for _ in range(2)] == ["slow", None]


def test_a_rule_is_for_so_many_and_counts_them() -> None:
    rules = rules_of(NewRule("post_429", next=2))
    assert [rules.take(Stage.POST, asked()) for _ in range(3)] == ["post_429", "post_429", None]
    assert (rules.rules[0].left, rules.rules[0].matched) == (0, 2)


def test_a_word_is_looked_for_in_any_case_until_the_rule_is_cleared() -> None:
    rules = rules_of(NewRule("dead_file", prompt_contains="Storm"))
    prompts = ["a STORM at sea", "calm", "storms"]
    assert [rules.take(Stage.FILE, asked(each)) for each in prompts] == [
        "dead_file",
        None,
        "dead_file",
    ]
    assert (rules.rules[0].left, rules.rules[0].matched) == (None, 2)
    assert rules.clear() == 1
    assert rules.take(Stage.FILE, asked("storm")) is None


def test_a_word_and_a_number_go_together() -> None:
    rules = rules_of(NewRule("slow", next=1, prompt_contains="storm"))
    prompts = ["calm", "storm", "storm"]
    assert [rules.take(Stage.RUN, asked(each)) for each in prompts] == [None, "slow", None]


def test_failures_of_different_stages_meet_in_one_submission() -> None:
    rules = rules_of(NewRule("lost_reply"), NewRule("no_webhook"), NewRule("dead_file"))
    assert rules.take(Stage.POST, asked()) == "lost_reply"
    assert rules.take_later_ones(asked()) == {"webhook": "no_webhook", "file": "dead_file"}


def test_the_first_rule_that_fits_counts() -> None:
    rules = rules_of(NewRule("slow"), NewRule("never_ends"))
    assert [rules.take(Stage.RUN, asked()) for _ in range(2)] == ["slow", "never_ends"]


def test_spent_rules_make_way_and_rules_in_force_do_not() -> None:
    rules = rules_of(*(NewRule("slow") for _ in range(RULES_MAX)))
    rules.take(Stage.RUN, asked())
    rules.add(NewRule("never_ends"))
    assert (len(rules.rules), rules.rules[-1].failure) == (RULES_MAX, "never_ends")
    with pytest.raises(TooManyRules):
        rules.add(NewRule("slow"))


def test_an_unknown_failure_is_answered_with_all_there_are() -> None:
    with pytest.raises(UnknownFailure) as raised:
        rules_of(NewRule("broken"))
    assert all(name in str(raised.value) for name in ABOUT)


def test_a_misspelt_failure_is_answered_with_what_was_meant() -> None:
    with pytest.raises(UnknownFailure) as raised:
        rules_of(NewRule("sloww"))
    assert str(raised.value) == "there is no failure sloww: did you mean slow?"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"failure": 1},
        {"failure": "slow", "next": 0},
        {"failure": "slow", "next": 1001},
        {"failure": "slow", "next": True},
        {"failure": "slow", "prompt_contains": " "},
        {"failure": "slow", "prompt_contains": "x" * 201},
        {"failure": "slow", "times": 2},
    ],
)
def test_a_rule_has_bounds(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, NewRule)


def test_nothing_of_it_outlives_a_restart(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    requests = QueueRequests(Journal(tmp_path / "requests.sealed", key))
    request = requests.accept("a/model", asked(), None)
    request.failures = {Stage.RUN.value: "slow"}
    requests.write(request)
    requests.close()
    again = QueueRequests(Journal(tmp_path / "requests.sealed", key))
    assert again.by_id[request.id].failures == {}
    again.close()
