"""The path that the provider is given is the one that is relayed and received."""

import pytest

from contracts.webhook_path import job_of_webhook, webhook_path, webhook_url


def test_what_the_provider_is_given_is_relayed() -> None:
    assert job_of_webhook(webhook_path("job-1")) == "job-1"
    url = webhook_url("https://darkroom.example", "job-1", 2, "t")
    assert url == "https://darkroom.example/api/infographs/webhook/job-1/?attempt=2&token=t"


@pytest.mark.parametrize(
    "path",
    ["/api/infographs/webhook/", "/api/infographs/webhook/a/b", "/infographs/a/", "", "/\n"],
)
def test_any_other_path_names_no_job(path: str) -> None:
    assert job_of_webhook(path) is None
