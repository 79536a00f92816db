"""Faults: what tests can make go wrong, at which stage, and how often."""

from collections import deque

MODES = {
    "submit": {
        *("unauthorized", "locked", "payment_required", "queue_full", "ingress_503"),
        *("server_503", "lose_reply", "slow_reply", "late_reply", "swallow"),
        *("not_found", "invalid", "strange_id"),
    },
    "run": {
        *("requeue", "content_policy", "invalid_input", "runner_error", "expired"),
        *("start_timeout", "never_ends", "other_host", "deaf", "text_error"),
        *("strange_result", "strange_words"),
    },
    "status": {"server_503", "not_found"},
    "webhook": {
        *("duplicate", "stale", "bad_signature", "other_user", "altered"),
        *("null_payload", "never", "unknown_key"),
    },
    "file": {"missing", "truncated", "cut_short", "not_image", "bomb", "forbidden"},
}


class UnknownFault(ValueError):
    """There is no such fault."""


class Faults:
    """Each stage has a queue of `(mode, times)`; a negative number means until they are cleared."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[tuple[str, int]]] = {stage: deque() for stage in MODES}

    def switch(self, stage: str, mode: str, times: int) -> None:
        if mode not in MODES.get(stage, set()):
            raise UnknownFault(f"no fault {stage}/{mode}")
        self._queues[stage].append((mode, times))

    def clear(self) -> None:
        for queue in self._queues.values():
            queue.clear()

    def take(self, stage: str) -> str | None:
        """Return the fault to make now, if one is left, and count it."""
        queue = self._queues[stage]
        if not queue:
            return None
        mode, times = queue[0]
        if times > 1:
            queue[0] = (mode, times - 1)
        elif times >= 0:
            queue.popleft()
        return mode
