"""Routes requests: every path, and who may come in. Deny by default."""

from typing import Any

from litestar import Router
from litestar.routes import ASGIRoute, HTTPRoute, WebSocketRoute

from services.api.handlers import guard_requests, show_runs
from services.api.handlers.bulk_actions import bulk_actions
from services.api.handlers.create_jobs import create_infographs, create_job
from services.api.handlers.draw_characters import draw_character, show_character
from services.api.handlers.end_jobs import cancel_infograph, cancel_job, delete_infograph
from services.api.handlers.guard_requests import Admit, Guard
from services.api.handlers.issue_tickets import issue_ticket
from services.api.handlers.issue_tokens import grant_credits, issue_token, list_tokens, revoke_token
from services.api.handlers.list_jobs import list_infographs, list_jobs
from services.api.handlers.register_endpoints import (
    change_endpoint,
    list_endpoints,
    register_endpoint,
    remove_endpoint,
    rotate_secret,
)
from services.api.handlers.relay_webhooks import relay_webhook
from services.api.handlers.request_runs import cancel_run, generate_all, retry_failed
from services.api.handlers.retry_jobs import retry_infograph, retry_job
from services.api.handlers.serve_artifacts import serve_artifact
from services.api.handlers.show_credits import list_entries, show_credits
from services.api.handlers.show_deliveries import list_deliveries, resend_delivery
from services.api.handlers.show_health import show_liveness, show_metrics, show_readiness
from services.api.handlers.show_history import show_history, show_logs
from services.api.handlers.show_jobs import show_job, show_job_kinds, show_status
from services.api.handlers.show_reference import show_docs, show_openapi
from services.api.handlers.stream_changes import stream_account, stream_job, stream_socket

AnyRoute = HTTPRoute | ASGIRoute | WebSocketRoute

# Of whoever may read what people wrote.
INFOGRAPHS: list[Any] = [
    *(create_infographs, show_status, list_infographs),
    *(cancel_infograph, retry_infograph, delete_infograph, bulk_actions),
]
ENDPOINTS: list[Any] = [
    *(register_endpoint, list_endpoints, change_endpoint, remove_endpoint, rotate_secret),
    *(list_deliveries, resend_delivery),
]
JOBS: list[Any] = [
    *(create_job, list_jobs, show_job, show_history, show_logs, cancel_job, retry_job),
    *(show_runs.show_text, show_runs.show_run, cancel_run, show_runs.show_generation_status),
    *(show_runs.show_content, issue_ticket),
    Router("/generate", route_handlers=[generate_all, retry_failed]),
    Router("/characters", route_handlers=[draw_character, show_character]),
]
# Of whoever has a token. A product's back end is notified of its users' jobs.
FOR_ALL: list[Any] = [
    *(show_job_kinds, show_credits, list_entries),
    Router("/webhook-endpoints", route_handlers=ENDPOINTS),
]
STREAMS: list[Any] = [stream_account, stream_job, stream_socket]
FOR_ISSUERS: list[Any] = [issue_token, list_tokens, revoke_token, grant_credits]
OPEN: list[Any] = [serve_artifact, show_liveness, show_readiness, show_openapi, show_docs]


def routes() -> list[Any]:
    """Every path: those that need a token hang on a router that asks for it."""
    own = _guarded("/", INFOGRAPHS, guard_requests.require_member)
    infographs: list[Any] = [own, _guarded("/", [relay_webhook])]
    return [
        _guarded("/api", JOBS, guard_requests.require_member),
        _guarded("/api", STREAMS, guard_requests.require_ticket_or_token),
        _guarded("/api", FOR_ALL, guard_requests.require_token),
        _guarded("/api/operator", FOR_ISSUERS, guard_requests.require_issuer),
        Router("/api/infographs", route_handlers=infographs),
        Router("/infographs", route_handlers=infographs, include_in_schema=False),
        _guarded("/", [show_metrics], guard_requests.require_operator),
        _guarded("/", OPEN),
    ]


def _guarded(path: str, handlers: list[Any], admit: Admit | None = None) -> Router:
    router = Router(path, route_handlers=handlers, guards=[Guard(admit)])
    router.routes = [_with_true_options(route) for route in router.routes]
    return router


def _with_true_options(route: AnyRoute) -> AnyRoute:
    """Let OPTIONS name all methods: Litestar answers with those of the handlers that came first."""
    if not isinstance(route, HTTPRoute):
        return route
    own = [each for each in route.route_handlers if each.handler_name != "options_handler"]
    return HTTPRoute(path=route.path, route_handlers=own)
