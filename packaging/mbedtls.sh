# mbedTLS 3.6 LTS, by whatever way this machine has.  Sourced by common.sh.
#
# Debian 13 packages it.  Debian 12 has 2.28, which costs twice the CPU a handshake and knows no TLS 1.3: there the source
# package of Debian 13 is built as a static library with our own settings (mbedtls_config_user.h) into build/deps.  apt
# fetches it from the machine's own mirror and checks it with the keys that Debian 12 ships; its package lists are kept in
# a directory of our own, so that the machine's stay as they are.
# shellcheck shell=bash
: "${root:?}" "${deps:?}"

mbedtls_series=3.6

# What the library was made from: when one of them changes it is made anew.
mbedtls_recipe() {
    cat "$root/packaging/mbedtls_config_user.h" "$root/packaging/mbedtls.sh" | sha256sum
}

install_mbedtls() {
    local codename
    is_debian || return 0
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    if [ "$codename" != bookworm ]; then
        install libmbedtls-dev
        return
    fi
    if [ -f "$deps/recipe" ] && [ "$(cat "$deps/recipe")" = "$(mbedtls_recipe)" ]; then
        return
    fi
    # Without a network every start would wait for it again: once an hour is enough.
    if [ -n "$(find "$root/build/mbedtls-failed" -mmin -60 2>/dev/null)" ] && [ -z "$(missing libmbedtls-dev)" ]; then
        say "mbedTLS $mbedtls_series is still missing, Debian's 2.28 is used (rm build/mbedtls-failed to try now)"
        return
    fi
    rm -rf "$deps" "$root/build/mbedtls-failed"
    if build_mbedtls; then
        mbedtls_recipe >"$deps/recipe"
        return
    fi
    rm -rf "$deps"
    : >"$root/build/mbedtls-failed"
    say "****************************************************************************************"
    say "mbedTLS $mbedtls_series could not be had (see above). Debian's own 2.28 is used instead: relays"
    say "that speak only TLS 1.3, or have an IP address in their certificate, will look broken, and"
    say "a handshake costs twice the CPU. A start in an hour or later tries again."
    say "****************************************************************************************"
    install libmbedtls-dev
}

# The archive's addresses as the machine itself has them, in whichever form they are written down: "URI SUITE", one a line.
apt_mirrors() {
    # shellcheck disable=SC2016  # the names are apt's, not the shell's
    apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 2>/dev/null | sort -u
}

# The same archives, but the next release's sources.
mbedtls_sources() {
    local uri suite
    while read -r uri suite; do
        case $suite in
        bookworm | bookworm-security)
            printf 'Types: deb-src\nURIs: %s\nSuites: %s\nComponents: main\n' "$uri" "trixie${suite#bookworm}"
            printf 'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n'
            ;;
        esac
    done < <(apt_mirrors)
}

build_mbedtls() {
    local apt=$deps/apt src=$deps/src dsc version
    install dpkg-dev xz-utils bzip2
    if [ ! -e /usr/share/keyrings/debian-archive-trixie-stable.gpg ]; then
        apt_install debian-archive-keyring
    fi
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$src"
    mbedtls_sources >"$apt/trixie.sources"
    [ -s "$apt/trixie.sources" ] || { say "apt's sources name no mirror of Debian 12"; return 1; }

    # Written to a file, and not as options: the path may have spaces.
    {
        echo "Dir::Etc::SourceList \"$apt/trixie.sources\";"
        echo "Dir::Etc::SourceParts \"/dev/null\";"
        echo "Dir::State::Lists \"$apt/lists\";"
        echo "Dir::Cache \"$apt/cache\";"
        echo 'APT::Sandbox::User "root";'
        echo 'Acquire::Languages "none";'
    } >"$apt/apt.conf"
    say "fetching the source of mbedTLS $mbedtls_series: Debian 13's package, 16 MB with its index"
    quietly "$root/build/log/mbedtls-update.log" env APT_CONFIG="$apt/apt.conf" apt-get -q update || return 1
    quietly "$root/build/log/mbedtls-source.log" env APT_CONFIG="$apt/apt.conf" \
        sh -c "cd \"\$1\" && apt-get -q source --download-only --only-source mbedtls" sh "$src" || return 1

    dsc=$(echo "$src"/*.dsc)
    version=${dsc##*/mbedtls_}
    version=${version%%-*}
    case $version in
    "$mbedtls_series".*) ;;
    *) say "that source is version $version"; return 1 ;;
    esac
    # apt has checked the hashes against the signed index: the maintainer's own key is not needed as well.
    quietly "$root/build/log/mbedtls-unpack.log" dpkg-source --no-check -x "$dsc" "$src/mbedtls" || return 1
    say "building mbedTLS $version"
    compile_mbedtls "$src/mbedtls" "$version" || return 1
    rm -rf "$apt" "$src"
}

# One static library of library/*.c, and the pkg-config files that Meson looks for.  Paths are relative to the source, or
# to the .pc file, so that the clone may stand anywhere.
compile_mbedtls() {
    local src=$1 version=$2 file objects=() name
    mkdir -p "$deps/include" "$deps/lib/pkgconfig"
    cp -R "$src/include/mbedtls" "$src/include/psa" "$deps/include/"
    cat "$root/packaging/mbedtls_config_user.h" >>"$deps/include/mbedtls/mbedtls_config.h"
    {
        echo 'rule cc'
        echo '  command = cc -std=c99 -O2 -g1 -fPIC -fstack-protector-strong -D_FORTIFY_SOURCE=2' \
            "-I../../include -Ilibrary -c \$in -o \$out"
        echo 'rule ar'
        echo "  command = ar rcs \$out \$in"
        for file in "$src"/library/*.c; do
            name=${file##*/}
            objects+=("obj/${name%.c}.o")
            echo "build obj/${name%.c}.o: cc library/$name"
        done
        echo "build libmbedtls.a: ar ${objects[*]}"
    } >"$src/build.ninja"
    quietly "$root/build/log/mbedtls-build.log" ninja -C "$src" || return 1
    cp "$src/libmbedtls.a" "$deps/lib/"
    for name in mbedtls mbedx509 mbedcrypto; do
        cat >"$deps/lib/pkgconfig/$name.pc" <<EOF
prefix=\${pcfiledir}/../..
Name: $name
Description: mbedTLS, static, with the settings of bigbrotrd
Version: $version
Cflags: -isystem \${prefix}/include
Libs: -L\${prefix}/lib -lmbedtls -pthread
EOF
    done
}
