#!/usr/bin/env python3
"""bash completes every command and option that --help names: completion.py SCRIPT BIGBROTRD BIGBROTR"""
import shutil
import subprocess
import sys

from usage import commands_of, options_of, text_of

ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_bigbrotr "$1"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def main():
    bash = shutil.which("bash")
    if bash is None:
        print("bash is not installed")
        return 77
    script, daemon, tool = sys.argv[1:]
    said = []

    def expect(want, *words):
        done = subprocess.run([bash, "-c", ASK, "bash", script, *words], capture_output=True, text=True, check=False)
        if done.stderr or set(done.stdout.split()) != set(want):
            said.append(f"{words}: {sorted(done.stdout.split())} instead of {sorted(want)} {done.stderr}")

    usage = text_of(tool, "--help")
    commands = commands_of(usage)
    if len(commands) < 5:
        said.append(f"commands in --help: {commands}")
    expect(options_of(text_of(daemon, "--help")), daemon, "-")
    expect({"--print-config"}, daemon, "-c", "/dev/null", "--pr")
    expect(options_of(usage), tool, "-")
    expect(commands, tool, "")
    expect(commands, tool, "--json", "-c", "status", "")
    expect({script}, tool, "-c", script[:-1])
    for command, options in commands.items():
        expect({name for name in commands if name.startswith(command)}, tool, command)
        expect(options | {"--json"}, tool, "-c", "/dev/null", command, "--")
    print("\n".join(said))
    return int(bool(said))


sys.exit(main())
