"""Markdown of an administrator as HTML that can do nothing but be read."""

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

TAGS = {"p", "h2", "h3", "h4", "ul", "ol", "li", "em", "strong", "a", "code", "pre", "blockquote", "hr", "br"}
_markdown = MarkdownIt("commonmark", {"html": False})


def rendered(text: str) -> SafeString:
    """Headings begin below the page's own."""
    html = _markdown.render(text).replace("<h1>", "<h2>").replace("</h1>", "</h2>")
    return mark_safe(nh3.clean(html, tags=TAGS, attributes={"a": {"href"}}))
