"""Metadata lines as infini-gram's indexer writes them, in the shape of ours."""

from typing import Any, Final

THEIRS: Final = {"path", "linenum", "metadata"}
SHOWN: Final = ("id", "source", "url", "title", "licence", "date")


def plain_metadata(line: dict[str, Any]) -> dict[str, Any]:
    """The line itself; or of one of infini-gram's, the file and line, and what the row itself said."""
    if line.keys() != THEIRS or not isinstance(line["metadata"], dict) or type(line["linenum"]) is not int:
        return line
    row, where = line["metadata"], f"{line['path']}:{line['linenum'] + 1}"
    own = {name: row[name] for name in SHOWN if isinstance(row.get(name), str | int | float)}
    others = {name: value for name, value in row.items() if name not in own}
    return {"id": where, "source": where, **own, **({"fields": others} if others else {})}
