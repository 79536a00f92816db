"""All settings by name, and what each is for; a misspelt name is reported, not ignored."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

# What the services read. Their types and defaults are in the services' settings.
DESCRIPTIONS: dict[str, str] = {
    "ACCOUNT_JOBS_IN_FLIGHT_MAX": "How many open jobs one account may have.",
    "ACCOUNT_READS_PER_MINUTE": "How many requests a token may send that ask for no work.",
    "ACCOUNT_REQUESTS_PER_MINUTE": "How many requests for work an account may send.",
    "ARTIFACTS": "`copy` keeps results in our storage; `link` keeps the provider's URL only.",
    "AWS_ACCESS_KEY_ID": "The id of the key to the storage at STORAGE_URL.",
    "AWS_SECRET_ACCESS_KEY": "The secret of the key to the storage at STORAGE_URL.",
    "CONNECTIONS_MAX": "How many connections a listener takes at once.",
    "CONNECTIONS_PER_ADDRESS_MAX": "How many of them from one address; 0: no limit, as behind a"
    " proxy that all come through.",
    "CORS_ORIGINS": "Exact origins of front ends elsewhere that may call the API from a browser.",
    "CREATE_WAIT_SECONDS": "How long a request for work waits for its submission to the provider.",
    "DARKROOM_DATA_DIR": "The folder with all state of the embedded world.",
    "DARKROOM_HOST": "The address that the front door listens on.",
    "DARKROOM_MASTER_KEY": "The key that wraps the accounts' keys: without it prompts and results"
    " are unreadable. Unset, it is made at the first start and kept in the data folder.",
    "DARKROOM_PORT": "The port that the front door listens on.",
    "DATABASE_URL": "The database of the read models. Unset: SQLite in the data folder.",
    "FAL_AI_API_KEY": "Another name of FAL_KEY, which is preferred.",
    "FAL_JWKS_URL": "Where the keys are published that the provider's webhooks are signed with.",
    "FAL_KEY": "The provider's key. Without one, `darkroom up` starts the simulator.",
    "FAL_MEDIA_HOSTS": "The hosts that results may be fetched from.",
    "FAL_PLATFORM_URL": "Where requests are listed, to settle unknown outcomes. Unset: fal's own,"
    " or nowhere when FAL_QUEUE_RUN_HOST is set.",
    "FAL_QUEUE_RUN_HOST": "The host of the provider's queue, asked with HTTPS. Unset: fal's.",
    "FAL_USER_ID": "Your user id at the provider: webhooks signed for another user are refused.",
    "FAL_WEBHOOKS": "`signed`: webhooks are asked for; `off`: results are polled; `auto`: `off`"
    " when the webhook base is a loopback address and the provider is not, else `signed`;"
    " `unsigned`: also without a signature, on loopback addresses only.",
    "FUNNEL_MODEL": "The model that writes the texts of funnels.",
    "INGESTOR_HOST": "The address that the ingestor takes webhooks on.",
    "INGESTOR_PORT": "The port that the ingestor takes webhooks on.",
    "INGESTOR_URL": "Where the front door relays webhooks to; `darkroom up` sets it.",
    "JOB_DEADLINE_SECONDS": "How long a job may take until its result is recorded.",
    "LOG_FORMAT": "`console`: coloured lines; `json`; `auto`: `console` on a terminal only.",
    "LOG_LEVEL": "The least severe log lines that are written.",
    "LOG_MAX_BYTES": "The size that the event log may have.",
    "LOG_RESERVE_BYTES": "New work is refused (503) when less than this is left of LOG_MAX_BYTES.",
    "METRICS_PORT": "The loopback port of /metrics; 0: none.",
    "NATS_PASSWORD": "The password of NATS_USER.",
    "NATS_URL": "The broker's address. Unset, `darkroom up` starts a broker of its own.",
    "NATS_USER": "The user that a service is at the broker.",
    "PROVIDER": "`fal` or `simulator`. A service started alone without a key runs with `simulator`"
    " only.",
    "PROVIDER_CONCURRENCY_MAX": "How many jobs the provider may have at once, in all.",
    "RECONCILE_AFTER_SECONDS": "How long a result may take before the provider is asked for it.",
    "RECONCILE_EVERY_SECONDS": "How long after one lookup of a job the next follows.",
    "S3_ENDPOINT_URL": "The endpoint of an S3-compatible storage. Unset: that of AWS.",
    "S3_PUBLIC_URL": "The public URL of the bucket, if its objects can be fetched without us.",
    "SIMULATOR_DIR": "The folder of the simulator's key and journal; `darkroom up` sets it.",
    "SIMULATOR_JOURNAL": "Whether the simulator's requests outlive a restart of it.",
    "SIMULATOR_PORT": "The port that the simulator listens on; `darkroom up` sets it.",
    "SIMULATOR_SECONDS": "How long the simulator takes for one picture.",
    "SITE_URL": "The public origin, by which people reach the front door. Unset: DARKROOM_HOST and"
    " DARKROOM_PORT. Must be https unless the host is a loopback address.",
    "SOURCE_HOSTS_ALLOWED": "Private addresses that source pages may be read from; without a port,"
    " all of the host's. Public ones need no entry.",
    "STORAGE_URL": "The bucket of artifacts and large values. Unset: files in the data folder.",
    "SUBMIT_ATTEMPTS_MAX": "How many POSTs of one job may end without a known outcome.",
    "SUBMIT_BACKOFF_SECONDS_MAX": "The longest pause after a refusal, if the provider names none.",
    "SUBMIT_UNKNOWN_SECONDS": "How long a POST without a known outcome waits before the next one.",
    "WEBHOOK_BASE_URL": "The origin of webhook URLs, which the provider must reach. Unset: that of"
    " SITE_URL, or of the ingestor in an embedded world on a loopback address.",
    "WEBHOOK_HOSTS_ALLOWED": "Private addresses, with http too, that customers' endpoints may have;"
    " without a port, all of the host's. Public ones need no entry.",
}
SERVICE_NAMES = DESCRIPTIONS.keys()
# Read by the command line, by the broker's configuration, or by libraries that we use.
_USERS = ("API", "DISPATCHER", "INGESTOR", "OPERATOR", "PROJECTOR")
OTHER_NAMES = frozenset(
    (
        *("DARKROOM_ENV_FILE", "DARKROOM_TOKEN", "DARKROOM_URL"),
        *(f"DARKROOM_{user}_PASSWORD" for user in _USERS),
        *("FAL_FORCE_AUTH_BY_USER", "FAL_KEY_ID", "FAL_KEY_SECRET", "FAL_RUN_HOST"),
    )
)
NAMES = SERVICE_NAMES | OTHER_NAMES
OUR_PREFIXES = ("DARKROOM_", "FAL_", "SIMULATOR_", "RECONCILE_", "SUBMIT_")
LIKENESS_MIN = 0.9  # For names without a prefix of ours: other programs have variables too.
LIKENESS_OF_A_HINT_MIN = 0.6
LENGTH_MIN = 8


def misspelt(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each variable that was probably meant to be a setting, and is none."""
    for name in sorted(environment):
        if name in NAMES or name.startswith("AWS_"):
            continue
        if name.startswith(OUR_PREFIXES):
            yield _line(name, get_close_matches(name, NAMES, 1, LIKENESS_OF_A_HINT_MIN))
        elif len(name) >= LENGTH_MIN and (like := get_close_matches(name, NAMES, 1, LIKENESS_MIN)):
            yield _line(name, like)


def _line(name: str, like: Iterable[str]) -> str:
    hint = "".join(f": did you mean {each}?" for each in like)
    return f"{name} is not a setting{hint}"
