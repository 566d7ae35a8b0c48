# What packaging/run, packaging/demo and packaging/test share: missing packages, and configured builds.
# Sourced by bash, with $root set to the clone.  All that is made lies in $root/build; outside of it only
# packages are installed.  Nothing here speaks when there is nothing to do.
# shellcheck shell=bash
: "${root:?}"

deps=$root/build/deps

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$@"; exit 1; }

is_debian() { command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; }

# shellcheck disable=SC2034  # used by those who source this
# What the daemon is built with and runs with.  PostgreSQL is asked for by its programs (see below), mbedTLS by mbedtls.sh.
build_packages=(gcc libc6-dev meson ninja-build pkgconf ca-certificates
    libuv1-dev libwslay-dev libpq-dev libsecp256k1-dev libinih-dev libc-ares-dev libhttp-parser-dev
    libmicrohttpd-dev libjansson-dev libidn2-dev libpsl-dev libssl-dev libmaxminddb-dev libzstd-dev)

# missing PACKAGE..: prints those that are not installed.
missing() {
    dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
        awk -v want="$*" '$2 == "installed" { have[$1] = 1 }
            END { n = split(want, w, " "); for (i = 1; i <= n; i++) if (!(w[i] in have)) print w[i] }'
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else die "needs root or sudo for: $*"
    fi
}

# Runs a command with its output in a log, which is shown when it fails.
quietly() {
    local log=$1
    shift
    mkdir -p "${log%/*}"
    if ! "$@" >"$log" 2>&1 </dev/null; then
        tail -n 40 "$log" >&2
        say "failed: $* (all of it: $log)"
        return 1
    fi
}

apt_updated=
apt_update() {
    [ -z "$apt_updated" ] || return 0
    apt_updated=1
    quietly "$root/build/log/apt-update.log" as_root apt-get update -q ||
        say "the package lists could not be refreshed; going on with those that are here"
}

apt_install() {
    say "installing $*"
    apt_update
    quietly "$root/build/log/apt-install.log" as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
        --no-install-recommends "$@" || die "apt-get could not install: $*"
}

# install PACKAGE..: those that are missing.  Elsewhere than on Debian the person installs, and Meson says what it lacks.
install() {
    local want
    is_debian || return 0
    mapfile -t want < <(missing "$@")
    [ ${#want[@]} -eq 0 ] || apt_install "${want[@]}"
}

# Installs packages of servers that Debian starts by itself; here they are only started by hand.  Where a policy
# stands already it is left alone.  One that this release does not have is left out: the tests that want it are skipped.
install_not_started() {
    local want=() lacking package policy=/usr/sbin/policy-rc.d ours= unknown=$root/build/unknown-packages
    is_debian || return 0
    mapfile -t lacking < <(missing "$@" | grep -vxFf <(cat "$unknown" 2>/dev/null || true) || true)
    [ ${#lacking[@]} -gt 0 ] || return 0
    apt_update
    for package in "${lacking[@]}"; do
        if apt-cache show --no-all-versions "$package" >/dev/null 2>&1; then
            want+=("$package")
        else
            say "this release of Debian has no $package: tests with it are skipped"
            echo "$package" >>"$unknown"
        fi
    done
    [ ${#want[@]} -gt 0 ] || return 0
    if [ ! -e $policy ]; then
        ours=1
        printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
        as_root chmod 755 $policy
        # shellcheck disable=SC2064
        trap "as_root rm -f $policy" EXIT
    fi
    apt_install "${want[@]}"
    if [ -n "$ours" ]; then
        as_root rm -f $policy
        trap - EXIT
        # The policy holds for this installation only; without this they would start at the next boot.
        if [ -d /run/systemd/system ]; then
            for unit in "${want[@]}"; do
                case $unit in
                pgbouncer | nginx-light | prometheus) as_root systemctl -q disable "${unit%-light}" || true ;;
                esac
            done
        fi
    fi
}

# The server programs, for the private cluster.  Debian's package would start a cluster of its own on port 5432: it is told
# not to, but only where there is no PostgreSQL yet.  One that is here already is used as it is and never touched.
install_postgresql() {
    local programs=(/usr/lib/postgresql/*/bin/initdb) conf=/etc/postgresql-common/createcluster.d
    is_debian || return 0
    [ ! -x "${programs[-1]}" ] || return 0
    if [ -z "$(missing postgresql-common)" ]; then
        # Its settings are somebody's; only a cluster that this installation would make is in question.
        say "postgresql-common is here without a server; its createcluster.conf decides about a default cluster"
        apt_install postgresql
        return
    fi
    as_root mkdir -p $conf
    echo 'create_main_cluster = false' | as_root tee $conf/bigbrotrd.conf >/dev/null
    # shellcheck disable=SC2064
    trap "as_root rm -f $conf/bigbrotrd.conf" EXIT
    apt_install postgresql
    as_root rm -f $conf/bigbrotrd.conf
    trap - EXIT
}

# configure DIR [MESON OPTION..]: made once, and anew when the options, the compiler or mbedTLS have changed.
configure() {
    local dir=$root/build/$1 key
    shift
    key="${CC:-cc} $* $(cat "$deps/recipe" 2>/dev/null || true)"
    if [ ! -f "$dir/build.ninja" ] || [ "$(cat "$dir/.configured" 2>/dev/null)" != "$key" ]; then
        say "configuring ${dir#"$root"/}"
        rm -rf "$dir"
        quietly "$root/build/log/${dir##*/}-setup.log" meson setup "$dir" "$root" \
            --pkg-config-path "$deps/lib/pkgconfig" "$@" || return 1
        printf '%s' "$key" >"$dir/.configured"
    fi
}

# compile DIR [TARGET..]: speaks only when there is something to compile.
compile() {
    local dir=$root/build/$1
    shift
    if ! ninja -C "$dir" -n "$@" 2>/dev/null | grep -q 'no work to do'; then
        say "building ${dir#"$root"/}"
    fi
    quietly "$root/build/log/${dir##*/}-build.log" ninja -C "$dir" "$@"
}

# What the two programs need, to be built and to run.
install_to_run() {
    prepare
    install "${build_packages[@]}"
    install_postgresql
    install_mbedtls
}

# build_to_run [TARGET..]: bigbrotrd and bigbrotr in build/release, with these beside them and nothing else of the tests.
build_to_run() {
    local programs
    configure release -Dbuildtype=debugoptimized
    mapfile -t programs < <(ninja -C "$root/build/release" -t targets all 2>/dev/null |
        sed -n 's#^\(src/[a-z/]*bigbrotrd\{0,1\}\): .*#\1#p')
    [ ${#programs[@]} -gt 0 ] || die "src/meson.build names no program"
    compile release "${programs[@]}" "$@"
}

# The directory that everything is made in.
prepare() {
    if [ -e "$root/build" ] && [ ! -w "$root/build" ]; then
        die "$root/build belongs to $(stat -c %U "$root/build"): run this as that user, or remove it"
    fi
    mkdir -p "$root/build/log"
}

. "$root/packaging/mbedtls.sh"
