"""`/docs` in a browser that reaches nothing but this server."""

import re

from tests.documents.running import Snapshot, references

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".json": "application/json",
}


def test_everything_a_page_refers_to_is_served_here_with_its_type(snapshot: Snapshot) -> None:
    for page in ("/docs", "/docs/sockets", "/"):
        found = [each for each in references(snapshot.pages[page].text) if each[0] != "#"]
        assert found, page
        for reference in found:
            assert reference.startswith("/"), reference
            answer = snapshot.pages[reference]
            assert answer.status_code == 200, reference
            suffix = re.search(r"\.[a-z]+$", reference)
            if suffix is not None:
                assert answer.headers["content-type"] == _TYPES[suffix[0]], reference
            assert len(answer.content) > 100 or reference == "/healthz"


def test_the_page_of_endpoints_loads_its_interface(snapshot: Snapshot) -> None:
    bundle = next(
        answer for path, answer in snapshot.pages.items() if path.endswith("swagger-ui-bundle.js")
    )
    assert b"SwaggerUIBundle" in bundle.content
    assert b"/openapi.json" in snapshot.pages["/docs/start.js"].content


def test_what_never_changes_is_cached_for_ever_and_the_rest_is_asked_for(
    snapshot: Snapshot,
) -> None:
    for path, answer in snapshot.pages.items():
        if path.startswith("/docs/assets/"):
            assert "immutable" in answer.headers["cache-control"]
            assert re.search(r"/swagger-ui-\d+\.\d+\.\d+/", path)
    assert snapshot.pages["/docs"].headers["cache-control"] == "no-cache"
    again = snapshot.pages["/docs again"]
    assert (again.status_code, again.content) == (304, b"")


def test_pages_may_not_load_from_elsewhere(snapshot: Snapshot) -> None:
    for page in ("/docs", "/docs/sockets"):
        policy = snapshot.pages[page].headers["content-security-policy"]
        assert policy.startswith("default-src 'self';")
        assert "http" not in policy
        assert "<script>" not in snapshot.pages[page].text


def test_the_page_of_sockets_shows_every_message(snapshot: Snapshot) -> None:
    page = snapshot.pages["/docs/sockets"].text
    for channel in snapshot.asyncapi["channels"].values():
        assert channel["address"] in page
        for name in channel["messages"]:
            assert f"<code>{name.partition('.')[2]}</code>" in page
