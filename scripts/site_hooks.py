"""What `make docs` does beyond plain mkdocs, so that pages stay plain Markdown.

Links may lead out of docs: those to a page of the root (CHANGELOG.md) get a page of their own in
the site, those to code or configuration are shown as text. Lists and tables that GitHub shows and
Python-Markdown does not are warnings, which end a strict build.
"""

import logging
import re
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ALSO = ("CHANGELOG.md", "CONTRIBUTING.md")
_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
_FENCED = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)
_UNREAD = re.compile(r"<(?:p|li)>(?:[^<]|<(?!/?(?:p|li|pre)>))*\n *((?:[-*] |1\. |\|)[^\n]*)")
_IN_TABLE = re.compile(r"<td>((?:[-*]|\d+\.) [^<]*)")
_LOADED = re.compile(r"<(?:script|img|iframe|link(?! rel=.canonical))[^>]*(?:https?:)?//[^>]*>")
_log = logging.getLogger("mkdocs.hooks")


def on_config(config: Any) -> Any:
    """Return the configuration with two blanks as the depth of a list, as GitHub has it."""
    from markdown.extensions import Extension  # noqa: PLC0415 - only in the site's environment

    class Two(Extension):  # type: ignore[misc]
        def extendMarkdown(self, md: Any) -> None:  # noqa: N802 - Markdown's name
            md.tab_length = 2
            md.build_parser()  # its parts have read the length when they were made

    config.markdown_extensions.insert(0, Two())
    return config


def on_files(files: Any, config: Any) -> Any:
    """Return the files of the site: those of docs, and the pages of the root."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - only in the site's environment

    for name in ALSO:
        text = (ROOT / name).read_text("utf-8")
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return a page with links as the site has them."""
    return linked_for_site(markdown, page.file.src_uri)


def linked_for_site(markdown: str, place: str) -> str:
    """Return the text of the page at a place in the site, with links as the site has them."""
    is_of_root = place in ALSO
    up = "../" * place.count("/")
    folder = PurePosixPath() if is_of_root else "docs" / PurePosixPath(place).parent

    def linked(found: re.Match[str]) -> str:
        text, target = found.groups()
        path, _, anchor = target.partition("#")
        if not path or "://" in target:
            return found[0]
        full = normpath(str(folder / path))
        if not (ROOT / full).exists():
            _log.warning("%s: no such file: %s", place, target)
        if full not in ALSO and not full.startswith("docs/"):
            return text
        full = full.removeprefix("docs/")
        return f"[{text}]({up}{full}{'#' + anchor if anchor else ''})"

    parts = _FENCED.split(markdown)
    return "".join(
        part if number % 2 else _LINK.sub(linked, part) for number, part in enumerate(parts)
    )


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """Warn of a list or a table that has become running text."""
    for found in [*_UNREAD.findall(html), *_IN_TABLE.findall(html)]:
        _log.warning("%s: not read as a list or table: %s", page.file.src_uri, found[:60])
    return html


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Warn of what a browser would load from another server."""
    for found in _LOADED.findall(output):
        _log.warning("%s: loaded from elsewhere: %s", page.file.src_uri, found[:100])
    return output
