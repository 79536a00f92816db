"""The metric of POSTs: the names of its outcomes, which dashboards have."""

import pytest
from prometheus_client import REGISTRY

from adapters import fal
from services.dispatcher.submitting import submit
from tests.support.dispatching import ACCEPTED, DispatchingWorld, played


@pytest.mark.parametrize(
    ("outcome", "label"),
    [
        (ACCEPTED, "Accepted"),
        (fal.SubmissionRefused("HTTP 500"), "Refused"),
        (fal.SubmissionRejected("HTTP 404"), "Rejected"),
        (fal.OperatorTrouble("HTTP 401"), "OperatorTrouble"),
        (fal.SubmissionUnknown("the reply was lost"), "OutcomeUnknown"),
    ],
)
def test_the_metric_names_each_outcome_as_dashboards_know_it(
    outcome: fal.SubmissionOutcome, label: str
) -> None:
    async def play(world: DispatchingWorld) -> None:
        async def answer() -> fal.SubmissionOutcome:
            return outcome

        world.provider.answer = answer
        before = REGISTRY.get_sample_value(*sample) or 0.0
        loaded, work, _ = await world.asked()
        await submit(world.dispatcher, loaded, work)
        assert REGISTRY.get_sample_value(*sample) == before + 1

    sample = ("darkroom_submissions_total", {"outcome": label})
    played(play)
