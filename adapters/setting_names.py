"""The names of all settings, so that a misspelt one is told instead of ignored."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

SERVICE_NAMES = frozenset(
    [
        "ACCOUNT_JOBS_IN_FLIGHT_MAX",
        "ACCOUNT_READS_PER_MINUTE",
        "ACCOUNT_REQUESTS_PER_MINUTE",
        "ARTIFACTS",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "CONNECTIONS_MAX",
        "CONNECTIONS_PER_ADDRESS_MAX",
        "CORS_ORIGINS",
        "CREATE_WAIT_SECONDS",
        "DARKROOM_DATA_DIR",
        "DARKROOM_HOST",
        "DARKROOM_MASTER_KEY",
        "DARKROOM_PORT",
        "DATABASE_URL",
        "FAL_AI_API_KEY",
        "FAL_JWKS_URL",
        "FAL_KEY",
        "FAL_MEDIA_HOSTS",
        "FAL_PLATFORM_URL",
        "FAL_QUEUE_RUN_HOST",
        "FAL_USER_ID",
        "FAL_WEBHOOKS",
        "FUNNEL_MODEL",
        "INGESTOR_HOST",
        "INGESTOR_PORT",
        "INGESTOR_URL",
        "JOB_DEADLINE_SECONDS",
        "LOG_FORMAT",
        "LOG_LEVEL",
        "LOG_MAX_BYTES",
        "LOG_RESERVE_BYTES",
        "METRICS_PORT",
        "NATS_PASSWORD",
        "NATS_URL",
        "NATS_USER",
        "PROVIDER",
        "PROVIDER_CONCURRENCY_MAX",
        "RECONCILE_AFTER_SECONDS",
        "RECONCILE_EVERY_SECONDS",
        "S3_ENDPOINT_URL",
        "S3_PUBLIC_URL",
        "SIMULATOR_DIR",
        "SIMULATOR_JOURNAL",
        "SIMULATOR_PORT",
        "SIMULATOR_SECONDS",
        "SITE_URL",
        "SOURCE_HOSTS_ALLOWED",
        "STORAGE_URL",
        "SUBMIT_ATTEMPTS_MAX",
        "SUBMIT_BACKOFF_SECONDS_MAX",
        "SUBMIT_UNKNOWN_SECONDS",
        "WEBHOOK_BASE_URL",
    ]
)
# Read by the command line, by the broker's configuration, or by libraries that we use.
OTHER_NAMES = frozenset(
    [
        "DARKROOM_ENV_FILE",
        "DARKROOM_TOKEN",
        "DARKROOM_URL",
        "DARKROOM_API_PASSWORD",
        "DARKROOM_DISPATCHER_PASSWORD",
        "DARKROOM_INGESTOR_PASSWORD",
        "DARKROOM_OPERATOR_PASSWORD",
        "DARKROOM_PROJECTOR_PASSWORD",
        "FAL_FORCE_AUTH_BY_USER",
        "FAL_KEY_ID",
        "FAL_KEY_SECRET",
        "FAL_RUN_HOST",
    ]
)
NAMES = SERVICE_NAMES | OTHER_NAMES
OUR_PREFIXES = ("DARKROOM_", "FAL_", "SIMULATOR_", "RECONCILE_", "SUBMIT_")
LIKENESS_MIN = 0.9  # Of a name without a prefix of ours: others have variables too.
LIKENESS_OF_A_HINT_MIN = 0.6
LENGTH_MIN = 8


def misspelt(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each variable that is meant to be a setting and is none."""
    for name in sorted(environment):
        if name in NAMES or name.startswith("AWS_"):
            continue
        if name.startswith(OUR_PREFIXES):
            yield _told(name, get_close_matches(name, NAMES, 1, LIKENESS_OF_A_HINT_MIN))
        elif len(name) >= LENGTH_MIN and (like := get_close_matches(name, NAMES, 1, LIKENESS_MIN)):
            yield _told(name, like)


def _told(name: str, like: Iterable[str]) -> str:
    hint = "".join(f": did you mean {each}?" for each in like)
    return f"{name} is not a setting{hint}"
