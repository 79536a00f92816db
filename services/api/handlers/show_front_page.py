"""Shows what is here, to whoever opens the front door: a page for browsers, JSON for programs."""

from html import escape

from litestar import Response, get

from adapters.http_server import AnyRequest, AnyResponse
from services.api.dependencies import Api, Injected
from services.api.handlers.page_headers import page_headers

LINKS = {
    "docs": ("/docs", "How to call it: every path, parameter and answer"),
    "openapi": ("/api/openapi.json", "The same for programs, as OpenAPI"),
    "ready": ("/health/ready", "Whether everything is up"),
    "live": ("/health/live", "Whether this process answers"),
}
STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}
pre{padding:1rem;overflow-x:auto;border:1px solid #8888;border-radius:.3rem}
@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}a{color:#9cf}}"""
HEADERS = page_headers(STYLE) | {"Vary": "Accept"}
FIRST_STEPS = """export TOKEN=…   # printed by `darkroom up`, or made by
                 # `darkroom tokens issue --account demo`
curl -H "Authorization: Token $TOKEN" {origin}/api/credits
curl -H "Authorization: Token $TOKEN" -H "Content-Type: application/json" \\
     -d '{{"prompt": "Why coral reefs matter"}}' \\
     {origin}/api/infographs/create/
curl -H "Authorization: Token $TOKEN" {origin}/api/infographs/list/"""
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Darkroom</title>
<style>{style}</style>
<h1>Darkroom</h1>
<p>This is the API of an orchestrator for generative work. It runs.</p>
<ul>
{links}
</ul>
<h2>First steps</h2>
<pre>{first_steps}</pre>
</html>
"""


@get("/", include_in_schema=False)
async def show_front_page(request: AnyRequest, api: Injected[Api]) -> AnyResponse:
    """What is here, and where to go on."""
    origin = api.settings.origin
    if "text/html" not in request.headers.get("accept", ""):
        links = {name: f"{origin}{path}" for name, (path, _) in LINKS.items()}
        return Response({"name": "Darkroom", "links": links}, headers=HEADERS)
    items = (f'<li><a href="{path}">{path}</a>: {text}' for path, text in LINKS.values())
    page = PAGE.format(
        style=STYLE,
        links="\n".join(items),
        first_steps=escape(FIRST_STEPS.format(origin=origin), quote=False),
    )
    return Response(page, headers=HEADERS, media_type="text/html")
