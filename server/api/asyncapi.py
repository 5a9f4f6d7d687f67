"""The AsyncAPI 3.0 description, made from the table of live events."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec

from server.api.events import EVENTS, Connect

_REF = "#/components/schemas/{name}"
_CHANNEL = "live"
_ABOUT = """\
The live chat: Socket.IO over WebSocket, default namespace. Signed in by the session cookie, or by `auth: {"token": …}`;
otherwise the connection is refused with `unauthorised`. The server delivers at most once: a client syncs from its
cursor on every connection.
"""


def document(public_url: str, version: str) -> dict[str, Any]:
    """The whole description, ready for JSON. `public_url`: where people reach us ('' on a machine of one's own)."""
    types = [Connect, *(t for event in EVENTS for t in (event.payload, *event.ack))]
    _, schemas = msgspec.json.schema_components(types, ref_template=_REF)
    messages: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for event in EVENTS:
        key = f"{event.by}.{event.name}"
        messages[key] = _message(event.name, event.payload.__name__, event.summary)
        operation: dict[str, Any] = {
            # Seen from the server, which is the application described here.
            "action": "receive" if event.by == "client" else "send",
            "channel": {"$ref": f"#/channels/{_CHANNEL}"},
            "title": event.name,
            "summary": event.summary,
            "messages": [{"$ref": f"#/channels/{_CHANNEL}/messages/{key}"}],
        }
        if event.ack:
            ack = f"{key}.ack"
            messages[ack] = {
                "name": f"{event.name} (acknowledgement)",
                "contentType": "application/json",
                "payload": {"oneOf": [{"$ref": _REF.format(name=t.__name__)} for t in event.ack]},
            }
            operation["reply"] = {
                "channel": {"$ref": f"#/channels/{_CHANNEL}"},
                "messages": [{"$ref": f"#/channels/{_CHANNEL}/messages/{ack}"}],
            }
        operations[key] = operation
    where = urlsplit(public_url)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Pli, live", "version": version, "description": _ABOUT},
        "defaultContentType": "application/json",
        "servers": {
            "pli": {
                "host": where.netloc or "localhost",
                "pathname": "/socket.io/",
                "protocol": "wss" if where.scheme == "https" else "ws",
                "description": "Socket.IO, WebSocket transport only.",
                "security": [
                    {"$ref": "#/components/securitySchemes/session"},
                    {"$ref": "#/components/securitySchemes/token"},
                ],
            }
        },
        "channels": {
            _CHANNEL: {
                "address": "/",
                "title": "The default namespace",
                "messages": messages,
                "servers": [{"$ref": "#/servers/pli"}],
            }
        },
        "operations": operations,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "session": {"type": "httpApiKey", "in": "cookie", "name": "session"},
                "token": {
                    "type": "userPassword",
                    "description": "`auth.token` of the Socket.IO connection: see Connect.",
                },
            },
        },
    }


def _message(name: str, payload: str, summary: str) -> dict[str, Any]:
    return {
        "name": name,
        "summary": summary,
        "contentType": "application/json",
        "payload": {"$ref": _REF.format(name=payload)},
    }
