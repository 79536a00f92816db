"""What each setting does, for docs/reference/configuration.md."""

TEXTS = {
    "ACCOUNT_JOBS_IN_FLIGHT_MAX": "Jobs of one account that have not ended; more are 429.",
    "ACCOUNT_READS_PER_MINUTE": "Requests of one token that ask for no work; more are 429.",
    "ACCOUNT_REQUESTS_PER_MINUTE": "Requests of one account that ask for work; more are 429.",
    "ARTIFACTS": "`copy` puts results into our storage, `link` keeps the provider's URL.",
    "AWS_ACCESS_KEY_ID": "Of the S3 storage.",
    "AWS_SECRET_ACCESS_KEY": "Of the S3 storage.",
    "CONNECTIONS_MAX": "Connections that a listener takes at once.",
    "CONNECTIONS_PER_ADDRESS_MAX": "The same from one address; 0 means no limit, for a listener"
    " behind a proxy.",
    "CORS_ORIGINS": "Front ends on other origins that may call the API.",
    "CREATE_WAIT_SECONDS": "How long the answer to a request for work waits for the provider's"
    " request id.",
    "DARKROOM_API_PASSWORD": "The api's password at the broker, read by the broker.",
    "DARKROOM_DATA_DIR": "The folder with all state of an embedded world.",
    "DARKROOM_DISPATCHER_PASSWORD": "The dispatcher's password at the broker, read by the broker.",
    "DARKROOM_ENV_FILE": "Another file instead of `.env`; empty: none.",
    "DARKROOM_HOST": "Where the api listens. A host that is not loopback needs a `SITE_URL` with"
    " https.",
    "DARKROOM_INGESTOR_PASSWORD": "The ingestor's password at the broker, read by the broker.",
    "DARKROOM_MASTER_KEY": "Wraps the keys of all accounts. Unset, a file for its owner only is"
    " made in the data folder. Without it prompts and results cannot be read; the ledger can.",
    "DARKROOM_OPERATOR_PASSWORD": "The operator's password at the broker, read by the broker.",
    "DARKROOM_PORT": "Where the api listens: the front door for API, webhooks and artifacts.",
    "DARKROOM_PROJECTOR_PASSWORD": "The projector's password at the broker, read by the broker.",
    "DARKROOM_TOKEN": "With which token `darkroom jobs` asks.",
    "DARKROOM_URL": "Which API `darkroom jobs` asks, if not that of the data folder's world.",
    "DATABASE_URL": "The database of the read models. Unset: SQLite in the data folder.",
    "FAL_AI_API_KEY": "The provider's key, under another name; `FAL_KEY` comes first.",
    "FAL_FORCE_AUTH_BY_USER": "Read by the provider's own client.",
    "FAL_JWKS_URL": "Where the provider publishes the keys that sign its webhooks.",
    "FAL_KEY": "The provider's key. Unset, `darkroom up` starts the simulator.",
    "FAL_KEY_ID": "Read by the provider's own client.",
    "FAL_KEY_SECRET": "Read by the provider's own client.",
    "FAL_MEDIA_HOSTS": "Hosts that results may be fetched from.",
    "FAL_PLATFORM_URL": "Where the provider lists requests, to settle lost replies. Unset:"
    " `https://api.fal.ai/v1`, or none where `FAL_QUEUE_RUN_HOST` is set.",
    "FAL_QUEUE_RUN_HOST": "The provider's queue. Unset: `queue.fal.run`.",
    "FAL_RUN_HOST": "Read by the provider's own client.",
    "FAL_USER_ID": "Your user at the provider: webhooks that are signed for another one are"
    " refused. Unset, all pass, and an alarm says so.",
    "FAL_WEBHOOKS": "`signed` asks for webhooks, `off` polls results, `auto` is `off` where the"
    " provider cannot reach the webhook address. `unsigned` is for development on loopback.",
    "FUNNEL_MODEL": "The language model that writes texts.",
    "INGESTOR_HOST": "Where the ingestor takes webhooks. Set by `darkroom up`.",
    "INGESTOR_PORT": "Where the ingestor takes webhooks. Set by `darkroom up`.",
    "INGESTOR_URL": "Where the api relays webhooks to. Set by `darkroom up`.",
    "JOB_DEADLINE_SECONDS": "How long a job may take until a result is recorded.",
    "LOG_FORMAT": "`auto` is coloured on a terminal and JSON otherwise.",
    "LOG_LEVEL": "The least severe lines that are logged.",
    "LOG_MAX_BYTES": "The largest size of the log.",
    "LOG_RESERVE_BYTES": "The part of the log that is kept for jobs in flight: new work inside it"
    " is 503.",
    "METRICS_PORT": "Loopback port of a service's metrics (Prometheus); 0: none.",
    "NATS_PASSWORD": "The process's password at the broker. Set by `darkroom up`.",
    "NATS_URL": "The broker. Unset, `darkroom up` starts one.",
    "NATS_USER": "The process's user at the broker. Set by `darkroom up`.",
    "PROVIDER": "`simulator` says that the simulator is meant, where no key is set.",
    "PROVIDER_CONCURRENCY_MAX": "Jobs at the provider at once, of all dispatchers together.",
    "RECONCILE_AFTER_SECONDS": "After how long without a webhook the provider is polled.",
    "RECONCILE_EVERY_SECONDS": "The first pause between two polls of one job. Pauses double, to"
    " four times that.",
    "S3_ENDPOINT_URL": "The S3 server, where it is not Amazon's.",
    "S3_PUBLIC_URL": "Where callers fetch artifacts from, if not through the api.",
    "SIMULATOR_DIR": "The simulator's files. Set by `darkroom up`.",
    "SIMULATOR_JOURNAL": "Whether the simulator keeps its requests over a restart.",
    "SIMULATOR_PORT": "Where the simulator listens. Set by `darkroom up`.",
    "SIMULATOR_SECONDS": "How long the simulator takes for one picture.",
    "SITE_URL": "The public origin. Unset: made of `DARKROOM_HOST` and `DARKROOM_PORT`.",
    "SOURCE_HOSTS_ALLOWED": "Private addresses that blog pages may be read from, and that"
    " customers' endpoints may have.",
    "STORAGE_URL": "Where artifacts and large values are stored. Unset: files in the data folder.",
    "SUBMIT_ATTEMPTS_MAX": "Attempts of one job whose outcome stayed unknown. Refusals do not"
    " count.",
    "SUBMIT_BACKOFF_SECONDS_MAX": "The longest pause after a refusal; pauses double from 0.5 s.",
    "SUBMIT_UNKNOWN_SECONDS": "How long an unknown outcome waits before the job may be posted"
    " again.",
    "WEBHOOK_BASE_URL": "The origin in webhook URLs. Unset: `SITE_URL`.",
}
