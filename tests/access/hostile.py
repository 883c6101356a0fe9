"""What a hostile person sends, and how to see in a page that it has done harm."""

from html.parser import HTMLParser

from django.http import HttpResponseBase

MARK = "alert(7)"
MARKUP = f"\"><img src=x onerror={MARK}><a href='javascript:{MARK}'>"
"""As a name holds it: without a slash, so that it fits into addresses."""
SHORT_MARKUP = '"><b onx=7>'
MARKDOWN = f"""{MARKUP}</script><script>{MARK}</script><svg/onload={MARK}>
[a](javascript:{MARK}) [b](JaVa&#x73;cript:{MARK}) ![c](javascript:{MARK}) <javascript:{MARK}>
```x" onmouseover="{MARK}
</code></pre><script>{MARK}</script>
```
$\\href{{javascript:{MARK}}}{{x}}$ `<script>{MARK}</script>`
"""
VALUES = [
    "NaN",
    "1e9",
    "-1",
    "9" * 30,
    "９",
    "\0",
    "[]",
    "null",
    MARKUP,
    "x" * 100_000,
]
LEADING = ("javascript:", "vbscript:", "data:text")


class Harm(HTMLParser):
    """Markup in a page that would run what somebody else wrote."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._in_script = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._in_script = tag == "script"
        for name, value in attributes:
            address = "".join((value or "").split()).lower()
            if name.startswith("on") or address.startswith(LEADING):
                self.found.append(f"<{tag} {name}={value!r}>")

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script and MARK in data:
            self.found.append(f"<script> {data[:100]}")


def body_of(response: HttpResponseBase) -> str:
    """The first of what was answered, streams included."""
    if not response.streaming:
        return response.content.decode(errors="replace")
    return ""


def harm_in(response: HttpResponseBase) -> list[str]:
    """What would run in a browser that shows this; nothing where it is not shown as a page."""
    if not response.headers.get("Content-Type", "").startswith("text/html"):
        return []
    harm = Harm()
    harm.feed(body_of(response))
    harm.close()
    return harm.found
