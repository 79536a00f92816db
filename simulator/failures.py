"""Failures on demand: the one list of what can be made to go wrong, and the rules that say for
which submissions it does. Rules are kept in memory only: a restart of the simulator clears them.
"""

from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct

from domain.text import Prose

RULES_MAX = 100
NEXT_MAX = 1000
WORD_CHARACTERS_MAX = 200


class Stage(StrEnum):
    """Where a failure is made. A submission has at most one failure of each stage."""

    POST = "post"  # The answer to the submission itself.
    RUN = "run"
    WEBHOOK = "webhook"
    FILE = "file"  # The first time that the result's file is fetched.


_ABOUT: dict[Stage, dict[str, str]] = {
    Stage.POST: {
        "post_401": "The POST is answered with 401: the provider does not know the key.",
        "post_402": "The POST is answered with 402: the operator's account has to be paid.",
        "post_403": "The POST is answered with 403: the operator's account is locked.",
        "post_404": "The POST is answered with 404: there is no such model.",
        "post_422": "The POST is answered with 422: the provider does not accept the input.",
        "post_429": "The POST is answered with 429: the provider is busy.",
        "post_503": "The POST is answered with 503: the provider is down, and has taken nothing.",
        "post_503_taken": "The POST is answered with 503, although the provider has taken it.",
        "lost_reply": "The provider takes the POST, and the connection breaks before it answers.",
        "lost_post": "The connection breaks, and the provider has taken nothing.",
        "hung_reply": "The provider takes the POST, and answers only after two minutes.",
        "late_reply": "The provider answers the POST after it has sent the result.",
        "strange_id": "The provider's request id has characters that cannot be kept.",
    },
    Stage.RUN: {
        "slow": "The provider takes five times as long.",
        "requeued": "The provider puts the request back into its queue once.",
        "content_policy": "The provider's content checker refuses the prompt.",
        "result_422": "The result is a 422: the provider does not accept the input after all.",
        "result_500": "The result is a 500: the provider's runner broke.",
        "result_504": "The result is a 504: the provider's runner did not start in time.",
        "expired": "The provider no longer has the result when it is asked for it.",
        "never_ends": "The provider works on the request until it is cancelled.",
        "deaf": "The provider goes on although the request is cancelled.",
        "other_host": "The result's file lies on a host that is not allowed.",
        "failed_text": "A text's result has the status of a success and says that it failed.",
        "strange_result": "The result has characters that cannot be kept.",
        "strange_words": "The provider's reason for a failure has characters that cannot be kept.",
    },
    Stage.WEBHOOK: {
        "no_webhook": "The provider sends no webhook.",
        "forged_webhook": "A webhook with a forged signature comes first, then the true one.",
        "stale_webhook": "A webhook that was signed too long ago comes first, then a fresh one.",
        "altered_webhook": "A webhook that was altered on its way comes first, then the true one.",
        "empty_webhook": "The webhook says that the job has ended, and brings no result.",
        "duplicate_webhook": "The provider sends its webhook twice.",
    },
    Stage.FILE: {
        "dead_file": "The address of the result's file answers 404.",
        "silent_file": "The address of the result's file answers with no content at first.",
        "forbidden_file": "The address of the result's file answers 403 at first.",
        "cut_short_file": "The connection breaks in the middle of the result's file at first.",
        "truncated_file": "The result's file is only the first half of one.",
        "wrong_file": "The result's file is none that the kind of job can have.",
        "bomb_file": "The result's file is small, and would be huge when it is decoded.",
    },
}
ABOUT: dict[str, str] = {name: about for each in _ABOUT.values() for name, about in each.items()}
_STAGES = {name: stage for stage, names in _ABOUT.items() for name in names}


class UnknownFailure(ValueError):
    """There is no failure of that name."""


class TooManyRules(Exception):
    """As many rules as there may be are in force."""


class NewRule(Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked for: a failure of the next submissions, of those whose prompt contains a word,
    or of the next ones of these. With neither, it is the next one.
    """

    failure: str
    next: Annotated[int, Meta(ge=1, le=NEXT_MAX)] | None = None
    prompt_contains: Annotated[Prose, Meta(max_length=WORD_CHARACTERS_MAX)] | None = None


class Rule(Struct):
    """A rule in force. `left` is None for one that holds until it is cleared; `matched` counts the
    submissions that it was for.
    """

    failure: str
    left: int | None
    prompt_contains: str | None
    matched: int = 0

    def takes(self, stage: Stage, prompt: str) -> bool:
        if self.left == 0 or _STAGES[self.failure] is not stage:
            return False
        word = self.prompt_contains
        if word is not None and word.casefold() not in prompt.casefold():
            return False
        self.matched += 1
        if self.left is not None:
            self.left -= 1
        return True


class FailureRules:
    """All rules, in the order in which they were set: at each stage the first that fits counts."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def add(self, wanted: NewRule) -> Rule:
        """Raise UnknownFailure or TooManyRules. Rules without any left make way for new ones."""
        if wanted.failure not in ABOUT:
            like = get_close_matches(wanted.failure, ABOUT, 1)
            there_is = f"did you mean {like[0]}?" if like else f"there is {', '.join(ABOUT)}"
            raise UnknownFailure(f"there is no failure {wanted.failure}: {there_is}")
        if len(self.rules) >= RULES_MAX:
            self.rules.remove(self._oldest_spent())
        is_bare = wanted.next is None and wanted.prompt_contains is None
        rule = Rule(wanted.failure, 1 if is_bare else wanted.next, wanted.prompt_contains)
        self.rules.append(rule)
        return rule

    def clear(self) -> int:
        """Return how many rules there were."""
        count = len(self.rules)
        self.rules.clear()
        return count

    def take(self, stage: Stage, arguments: dict[str, Any]) -> str | None:
        """Return the failure to make of a submission at this stage, and count it."""
        if not self.rules:
            return None
        prompt = str(arguments.get("prompt", ""))
        return next((each.failure for each in self.rules if each.takes(stage, prompt)), None)

    def take_later_ones(self, arguments: dict[str, Any]) -> dict[str, str]:
        """Return what goes wrong with a submission that was accepted, by stage."""
        later = (Stage.RUN, Stage.WEBHOOK, Stage.FILE)
        failures = {stage.value: self.take(stage, arguments) for stage in later}
        return {stage: name for stage, name in failures.items() if name is not None}

    def _oldest_spent(self) -> Rule:
        for rule in self.rules:
            if rule.left == 0:
                return rule
        raise TooManyRules(f"{RULES_MAX} rules are in force: clear them first")
