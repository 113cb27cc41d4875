# SPDX-License-Identifier: MIT
"""A client of the admin API that holds every answer against docs/openapi.json."""
import copy
import functools
import http.client
import json
import re

import jsonschema

from .process import ROOT

DOCUMENT = json.loads((ROOT / "docs" / "openapi.json").read_text())
PREFIX = "/api/v1"


def plain(schema):
    """OpenAPI 3.0's schema as JSON Schema: nullable is a type, references are what they stand for."""
    if isinstance(schema, list):
        return [plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        found = DOCUMENT
        for part in schema["$ref"].split("/")[1:]:
            found = found[part]
        return plain(found)
    schema = {key: plain(value) for key, value in copy.copy(schema).items()}
    if schema.pop("nullable", False) and "type" in schema:
        schema = {"anyOf": [schema, {"type": "null"}]}
    return schema


@functools.lru_cache(None)
def documented(path):
    """The template of a path, or None."""
    exact = [template for template in DOCUMENT["paths"] if template == path]
    fits = [template for template in DOCUMENT["paths"]
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)]
    return (exact + fits + [None])[0]


class Api:
    def __init__(self, relay, token=None, host="127.0.0.1"):
        self.relay, self.token, self.host = relay, token, host
        self.seen = set()

    def raw(self, method, path, body=None, headers=()):
        connection = http.client.HTTPConnection(self.host, self.relay.admin_port, timeout=10)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def call(self, method, path, body=None, token=None, headers=()):
        """Status, JSON and headers of an answer that is as documented."""
        headers = dict(headers)
        token = token if token is not None else self.token
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            body = body if isinstance(body, (str, bytes)) else json.dumps(body)
        status, answer_headers, text = self.raw(method, PREFIX + path, body, headers)
        value = json.loads(text) if text else None
        self.check(method, path, status, value)
        if status == 401:
            assert answer_headers["WWW-Authenticate"].startswith("Bearer ")
        if status == 503:
            assert answer_headers["Retry-After"]
        return status, value, answer_headers

    def check(self, method, path, status, value):
        template = documented(path.partition("?")[0])
        responses = DOCUMENT["paths"][template][method.lower()]["responses"]
        assert str(status) in responses, f"{method} {path} answered {status}: {value}"
        response = responses[str(status)]
        if "$ref" in response:
            response = DOCUMENT["components"]["responses"][str(status)]
        self.seen.add((template, method.lower(), str(status)))
        if "content" not in response:
            assert value is None
            return
        jsonschema.validate(value, plain(response["content"]["application/json"]["schema"]))

    def ok(self, method, path, body=None, **kwargs):
        status, value, _ = self.call(method, path, body, **kwargs)
        assert status < 300, value
        return value

    def events(self, after="0"):
        """All that there are behind a place, page by page."""
        found = []
        while True:
            page = self.ok("GET", f"/events?after={after}")
            if not page["events"]:
                return found
            found, after = found + page["events"], page["end"]

    def fails(self, expected, method, path, body=None, match="", **kwargs):
        status, value, _ = self.call(method, path, body, **kwargs)
        assert status == expected, value
        assert re.search(match, value["what"]), value
        return value
