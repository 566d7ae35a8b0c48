#!/usr/bin/env python3
"""The manual pages say what the programs do, and groff has nothing to say about them: man.py BIGBROTRD BIGBROTR PAGE..

The pages are read as a person sees them.  Every option and command that --help has is in the page, and no other; every key of
`bigbrotrd --example` is in bigbrotr.ini(5), in its section, with its default and range.
"""
import pathlib
import re
import shutil
import subprocess
import sys

from usage import commands_of, options_in, options_of, text_of

SOURCES = "docs/man"


def shown(page):
    """The page as plain text, without breaks inside of words; complaints are errors."""
    done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-P-c", "-P-b", "-P-o", "-P-u", "-rLL=400n", "-rHY=0", str(page)],
                          capture_output=True, text=True, check=False)
    return done.stdout, [f"{page.name}: {line}" for line in done.stderr.splitlines()]


def parts(text, heading):
    """heading -> what stands below it."""
    found = re.split(heading, text, flags=re.M)
    return dict(zip(found[1::2], found[2::2]))


def entries(text):
    """What the entries of a list begin with: one level in, and not a paragraph's second line."""
    return re.findall(r"^ {7}(\S.*)$", text, re.M)


def compare(page, what, program, written):
    return [f"{SOURCES}/{page}: {what} {name} is missing" for name in sorted(program - written)] + \
        [f"{SOURCES}/{page}: there is no {what} {name}" for name in sorted(written - program)]


def check_options(page, usage, text):
    written = {option for entry in entries(text["OPTIONS"]) for option in options_in(entry)}
    return compare(page, "option", options_of(usage), written)


def check_commands(usage, text):
    """Each command has an entry, in which its options stand that --help names."""
    program = commands_of(usage)
    bodies = {}
    for entry in re.split(r"^(?= {7}\S)", text["COMMANDS"], flags=re.M):
        if match := re.match(r" {7}([a-z][a-z-]*)\b", entry):
            bodies[match[1]] = bodies.get(match[1], "") + entry
    said = compare("bigbrotr.1.scd", "command", set(program), set(bodies))
    for name in set(program) & set(bodies):
        for option in sorted(program[name] - set(options_in(bodies[name]))):
            said.append(f"{SOURCES}/bigbrotr.1.scd: {name}: option {option} is missing")
    return said


def check_keys(example, text):
    sections = parts(text["SECTIONS"], r"^   \[([\w ]+)\]$")
    section, said, comment, count = "", [], "", 0
    for line in example.splitlines():
        if match := re.match(r"#?\[(\w+)( \S+)?\]$", line):
            section = {"filter": "filter NAME", "retention": "retention NAME", "relay": "relay URL"}.get(match[1], match[1])
        elif line.startswith("# ("):
            comment = line
        elif comment.startswith("# (") and (match := re.match(r"#([a-z0-9_]+) =", line)):
            bounds = re.search(r"from (\S+) to (\S+);", comment)
            default = re.search(r"default: ([^;]*);", comment)[1]
            live = "SIGHUP changes it" if "SIGHUP" in comment else "restart"
            want = [match[1], f"from {bounds[1]} to {bounds[2]};" if bounds else "", default, live]
            found = [entry for entry in entries(sections.get(section, "")) if entry.startswith(f"{match[1]} (")]
            if len(found) != 1 or not all(word in found[0] for word in want):
                said.append(f"bigbrotr.ini.5: [{section}] {match[1]} is not there as {want}: {found}")
            comment, count = "", count + 1
    if count < 100:
        said.append(f"only {count} keys in --example: is it read rightly?")
    return said


def main():
    if shutil.which("groff") is None:
        print("groff is not installed")
        return 77
    daemon, tool, *pages = sys.argv[1:]
    said, text = [], {}
    for page in map(pathlib.Path, pages):
        plain, complaints = shown(page)
        said += complaints
        text[page.name] = parts(plain, r"^([A-Z][A-Z ]+)$")
    usage = text_of(tool, "--help")
    said += check_options("bigbrotrd.8.scd", text_of(daemon, "--help"), text["bigbrotrd.8"])
    said += check_options("bigbrotr.1.scd", usage, text["bigbrotr.1"])
    said += check_commands(usage, text["bigbrotr.1"])
    said += check_keys(text_of(daemon, "--example"), text["bigbrotr.ini.5"])
    print("\n".join(said))
    return int(bool(said))


sys.exit(main())
