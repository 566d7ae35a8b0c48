#!/usr/bin/env python3
"""Makes the C file that holds sql/*.sql with number, name and SHA-256: embed.py OUT FILE.."""
import hashlib
import os
import sys

out, files = sys.argv[1], sorted(sys.argv[2:], key=os.path.basename)
rows = []
with open(out, "w") as c:
    c.write("/* Made from sql by embed.py: the migrations, in order. */\n#include \"db/migrate.h\"\n\n")
    for i, path in enumerate(files):
        data = open(path, "rb").read()
        name = os.path.basename(path)[:-len(".sql")]
        assert int(name[:4]) == i + 1, "migrations are numbered without gaps: " + name
        assert b"\0" not in data
        c.write(f"static const unsigned char sql_{i}[] = {{\n")
        for at in range(0, len(data), 24):
            c.write("    " + ",".join(str(b) for b in data[at:at + 24]) + ",\n")
        c.write("    0};\n\n")
        one_statement = "true" if data.startswith(b"-- no-transaction") else "false"
        rows.append(f'    {{{i + 1}, "{name}", (const char *)sql_{i}, "{hashlib.sha256(data).hexdigest()}", {one_statement}}},\n')
    c.write("const struct migration migrations[] = {\n" + "".join(rows) + "};\n")
    c.write(f"const unsigned migrations_n = {len(rows)};\n")
