"""The targets that `meson install` needs, for ninja: from `meson introspect BUILD --targets` on standard input; installed.py BUILD"""
import json
import os
import sys

for target in json.load(sys.stdin):
    if target["installed"]:
        print(*(os.path.relpath(name, sys.argv[1]) for name in target["filename"]))
