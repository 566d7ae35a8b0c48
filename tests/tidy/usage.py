"""What a program says of itself in --help: its options and commands, for the tests of what must say the same."""
import re
import subprocess


def text_of(program, *words):
    done = subprocess.run([program, *words], capture_output=True, text=True, check=True)
    return done.stdout


def options_in(text):
    return re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text)


def options_of(usage):
    """Those with a line of their own; what explains them stands behind two spaces."""
    return {option for line in re.findall(r"^ {2,}(-.*)$", usage, re.M) for option in options_in(re.split(r"  +", line)[0])}


def commands_of(usage):
    """Command -> the options that are named beside it."""
    commands = {}
    for name, rest in re.findall(r"^  ([a-z][a-z-]*)\b(.*)$", usage, re.M):
        commands.setdefault(name, set()).update(options_in(rest))
    return commands
