#!/bin/sh
# Makes the static library one object in which only the public names are seen: library_static.sh OUT LD OBJCOPY AR OBJECTS.a
set -eu
out=$1 ld=$2 objcopy=$3 ar=$4 objects=$5
"$ld" -r -o "$out.o" --whole-archive "$objects"
"$objcopy" --wildcard --keep-global-symbol='bigbrotr_*' "$out.o"
rm -f "$out"
"$ar" rcs "$out" "$out.o"
rm -f "$out.o"
