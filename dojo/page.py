"""The room page: the files Vite built, with the caching and the content security policy they need."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

import edge
from kernel.http.problem import Problem

DIST = Path(edge.__file__).parent / "web" / "dist"

_NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Dojo</title>
<h1>The page is not built yet</h1>
<p>Dojo serves, but <code>edge/web/dist</code> is missing. Run <code>make setup</code>, then load this page again.</p>
</html>
"""


def content_security_policy(live_url: str, every_node_url: str | None = None) -> str:
    """Scripts and everything else from here only; sockets to the live nodes. Styles may stand in the document: the
    editor writes its own, and cursors carry their colour in a style attribute."""
    parts = urlsplit(live_url)
    nodes = "" if every_node_url is None else f" {every_node_url}"
    rules = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self'",
        "manifest-src 'self'",
        f"connect-src 'self' {parts.scheme}://{parts.netloc}{nodes}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    return "; ".join(rules)


class Page:
    """Serves `dist`: `/` and its static files. Files under `assets/` carry a hash in their name and never change."""

    def __init__(self, live_url: str, dist: Path = DIST, every_node_url: str | None = None) -> None:
        self._dist = dist
        self._policy = content_security_policy(live_url, every_node_url)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Routes for everything no other route takes; add it last."""
        router.add_get("/", self._index)
        router.add_get("/{path:.+}", self._file)

    async def _index(self, request: web.Request) -> web.StreamResponse:
        headers = {"Content-Security-Policy": self._policy, "Cache-Control": "no-cache"}
        index = self._dist / "index.html"
        if not index.is_file():
            return web.Response(status=503, text=_NOT_BUILT, content_type="text/html", headers=headers)
        return web.FileResponse(index, headers=headers)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        root = self._dist.resolve()
        try:
            file = (root / request.match_info["path"]).resolve()
        except (OSError, ValueError):  # a zero byte, a name too long
            raise Problem(404, "not_found", "no such page") from None
        if not file.is_relative_to(root) or not file.is_file():
            raise Problem(404, "not_found", "no such page")
        for_ever = file.is_relative_to(root / "assets")
        caching = "public, max-age=31536000, immutable" if for_ever else "no-cache"
        return web.FileResponse(file, headers={"Cache-Control": caching, "Content-Security-Policy": self._policy})
