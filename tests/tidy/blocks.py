"""The documents of the project and the fenced blocks in them, for tests/tidy/docs.py and tests/system/test_documents.py."""
import dataclasses
import pathlib
import re

# What a block may be, and what is done with it.  One in another language, or in none, fails.
LANGUAGES = {
    "sh": "run by a shell, with stand-ins for what would change the machine",
    "sql": "run in an archive of real events",
    "text": "what the sql above it has printed: its columns are compared",
    "ini": "given to bigbrotrd --check-config",
    "systemd": "a drop-in for our unit, given to systemd-analyze",
    "console": "what our programs print: each line is one that they can print, each command behind $ is run",
    "relays": "a deny or allow list, given to bigbrotrd --check-config",
    "yaml": "a piece of a configuration of Prometheus, given to promtool",
    "diagram": "a picture, or a way of thinking: the relations, folders and files that it names exist",
}


@dataclasses.dataclass(frozen=True)
class Block:
    path: pathlib.Path
    line: int
    language: str
    text: str
    title: str  # the last line of prose above it
    above: "Block | None"  # the block that ends right above it

    def __str__(self):
        return f"{self.path}:{self.line}"


def documents(root):
    """Relative to root: all but the changelog, and what npm and fetched libraries bring along; manual pages, too."""
    found = [path.relative_to(root) for top in ("", "docs/**/", "packaging/**/", "src/**/", "tests/**/") for path in root.glob(f"{top}*.md")]
    found += [path.relative_to(root) for path in root.glob("docs/man/*.scd*")]
    return sorted(path for path in found if path.name != "CHANGELOG.md" and "node_modules" not in path.parts)


def blocks(root, path):
    """The blocks of a document, in order.  One that is not closed goes to the end, and has no language.  In manual pages, where none can
    have one, a block is a configuration or commands."""
    found, title, opened, above_end = [], "", None, -1
    for n, line in enumerate((root / path).read_text(encoding="utf-8").splitlines(keepends=True), 1):
        fence = re.match(r"\s*(```|~~~)(.*)$", line)
        if opened is None and fence:
            opened, language, text = n, fence[2].strip(), []
        elif fence and not fence[2].strip():
            if ".scd" in path.suffixes:
                language = "ini" if text and text[0].startswith("[") else "sh"
            above = found[-1] if found and above_end == opened - 1 else None
            found.append(Block(path, opened, language, "".join(text), title, above))
            opened, above_end = None, n
        elif opened is not None:
            text.append(line)
        elif line.strip():
            title = line.strip()
    if opened is not None:
        found.append(Block(path, opened, "", "".join(text), title, None))
    return found


def all_blocks(root, *languages):
    return [block for path in documents(root) for block in blocks(root, path) if not languages or block.language in languages]
