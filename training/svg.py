"""pygal's charts made fit for our pages: no inline style or script, so that the content-security policy
holds, and words for those who do not see the curves."""

from collections.abc import Callable, Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

FORBIDDEN = {"defs", "style", "script", "title"}
# Without pygal's own stylesheet its labels need their anchors, and its lines no filling, as attributes.
ATTRIBUTES: Mapping[str, Mapping[str, str]] = {
    "axis x": {"text-anchor": "middle"},
    "axis y": {"text-anchor": "end"},
    "nofill": {"fill": "none"},
}


def clean(
    svg: Element,
    *,
    is_dropped: Callable[[Element], bool],
    attributes: Mapping[str, Mapping[str, str]] = ATTRIBUTES,
) -> None:
    """Takes out pygal's style, script and comments and what `is_dropped`; gives elements of the named classes
    these attributes."""
    for parent in list(svg.iter()):
        for child in list(parent):
            if not isinstance(child.tag, str) or child.tag in FORBIDDEN or is_dropped(child):
                parent.remove(child)
        classes = parent.get("class", "")
        for name, values in attributes.items():
            if classes.startswith(name) or name in classes.split():
                parent.attrib.update(values)
        parent.attrib.pop("style", None)
    svg.attrib.pop("id", None)


def describe(svg: Element, *, title: str, text: str) -> None:
    """Makes it an image with a title and a description."""
    svg.set("role", "img")
    for place, (tag, content) in enumerate([("title", title), ("desc", text)]):
        element = Element(tag)
        element.text = content
        svg.insert(place, element)


def standing_alone(svg: Element) -> bytes:
    """A chart for a file of its own: with pygal's style, without its script."""
    for parent in list(svg.iter()):
        for child in list(parent):
            if str(child.tag).endswith("script"):  # what is left of pygal's tooltips
                parent.remove(child)
    drawn: bytes = ElementTree.tostring(svg)
    return drawn
