"""The pages a person reads: Swagger UI over OpenAPI, and our own rendering of AsyncAPI."""

import json
from collections.abc import Iterable
from html import escape
from typing import Any, Final

from protocols.describe.schemas import inlined

_STYLE: Final = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;
padding:0 1rem}code,pre{background:#f2f2f2;border-radius:3px;padding:.1em .3em}
pre{padding:.6rem;overflow:auto}h2{margin-top:3rem;border-bottom:1px solid #ccc}
li,details{margin:.3rem 0}summary{cursor:pointer}.in{color:#06c}.out{color:#080}"""
_SWAGGER: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>daftari: endpoints</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="ASSETS/swagger-ui.css">
<link rel="icon" type="image/png" href="ASSETS/favicon-32x32.png"></head>
<body><p style="font:16px system-ui,sans-serif;margin:1rem 1.5rem">
<a href="/docs/sockets">Sockets and event streams</a> · <a href="/openapi.json">openapi.json</a> ·
<a href="/asyncapi.json">asyncapi.json</a></p>
<div id="swagger-ui"></div>
<script src="ASSETS/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script>
</body></html>
"""
START: Final = b"""window.ui = SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, docExpansion: "none",
  filter: true, presets: [SwaggerUIBundle.presets.apis], validatorUrl: null,
  persistAuthorization: true, tagsSorter: "alpha"
});
"""


def swagger_page(assets: str) -> bytes:
    """The page; `assets` is the path below which the interface's files are."""
    return _SWAGGER.replace("ASSETS", assets).encode()


def sockets_page(document: dict[str, Any]) -> bytes:
    """An AsyncAPI document as one page without scripts."""
    channels = document["channels"]
    index = "".join(
        f'<li><a href="#{escape(name)}"><code>{escape(channel["address"])}</code></a> '
        f"{escape(channel.get('summary', ''))}</li>"
        for name, channel in channels.items()
    )
    parts = "".join(_channel(document, name) for name in channels)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>daftari: sockets</title><style>{_STYLE}</style></head><body>"
        '<h1>Sockets and event streams</h1><p><a href="/docs">Endpoints</a> · '
        f'<a href="/asyncapi.json">asyncapi.json</a></p><ul>{index}</ul>{parts}</body></html>'
    ).encode()


def _channel(document: dict[str, Any], name: str) -> str:
    channel = document["channels"][name]
    return (
        f'<h2 id="{escape(name)}"><code>{escape(channel["address"])}</code></h2>'
        f"<p>{escape(channel.get('summary', ''))}</p>"
        f"{_query(channel)}{_messages(document, name)}"
    )


def _query(channel: dict[str, Any]) -> str:
    fields = channel.get("bindings", {}).get("ws", {}).get("query", {}).get("properties", {})
    if not fields:
        return ""
    names = ", ".join(f"<code>{escape(name)}</code>" for name in fields)
    return f"<p>Query: {names}</p>"


def _messages(document: dict[str, Any], name: str) -> str:
    answers = {
        _last(message): [_last(answer) for answer in operation["reply"]["messages"]]
        for operation in document["operations"].values()
        if "reply" in operation and _last(operation["channel"]) == name
        for message in operation["messages"]
    }
    parts = []
    for key, reference in document["channels"][name]["messages"].items():
        message = document["components"]["messages"][_last(reference)]
        parts.append(_message(document, key, message, answers.get(key, ())))
    return "".join(parts)


def _message(
    document: dict[str, Any], key: str, message: dict[str, Any], answers: Iterable[str]
) -> str:
    direction, _, name = key.partition(".")
    who = "client" if direction == "in" else "server"
    text = escape(message.get("summary", ""))
    replies = ", ".join(f"<code>{escape(each.partition('.')[2])}</code>" for each in answers)
    schema = json.dumps(
        inlined(document["components"]["schemas"], message["payload"]), indent=2, ensure_ascii=False
    )
    return (
        f'<details><summary><span class="{escape(direction)}">{who}</span> '
        f"<code>{escape(name)}</code> {text}</summary>"
        f"{f'<p>Answered by {replies}</p>' if replies else ''}"
        f"<pre>{escape(schema)}</pre></details>"
    )


def _last(reference: dict[str, Any]) -> str:
    return str(reference["$ref"]).rpartition("/")[2]
