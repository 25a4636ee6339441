#!/bin/sh
# Installs the library, moves the tree, and builds and runs a program against it: with CMake and with pkg-config, with
# the shared and with the static library. Takes cmake, the build tree, the C compiler, a directory to work in and the
# name of the directory for libraries.

set -eu

cmake=$1
build=$2
cc=$3
work=$4
libdir=$5
consumer=$(cd "$(dirname "$0")/consumer" && pwd)

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

command -v pkg-config >/dev/null || fail "pkg-config is missing (package pkg-config)"
command -v readelf >/dev/null || fail "readelf is missing (package binutils)"

# runs WAY PROGRAM shared|static: it works, and has the library in the way that was asked for.
runs() {
    if readelf -d "$2" | grep -q 'NEEDED.*librmqttc'; then
        linked=shared
    else
        linked=static
    fi
    [ "$linked" = "$3" ] || fail "$1: the program is $linked"
    timeout 60 "$2" || fail "$1: the program ends with $?"
    echo "$1: works"
}

rm -rf "$work"
mkdir -p "$work"

# Moved after the installation, the tree works only if nothing in it names the place where it was.
"$cmake" --install "$build" --prefix "$work/first" >"$work/install.log"
mv "$work/first" "$work/prefix"
prefix=$work/prefix
lib=$prefix/$libdir

for file in include/rmqtt.h include/rmqtt.hpp include/rmqtt/hooks.hpp "$libdir/librmqttc.so" "$libdir/librmqttc.a" "$libdir/pkgconfig/rmqttc.pc" \
    "$libdir/cmake/rmqttc/rmqttcConfig.cmake" "$libdir/cmake/rmqttc/rmqttcConfigVersion.cmake" \
    share/doc/rmqttc/LICENSE-APACHE share/doc/rmqttc/LICENSE-MIT; do
    [ -e "$prefix/$file" ] || fail "$file is not installed"
done
for link in "$lib"/librmqttc.so*; do
    [ -e "$link" ] || fail "$link leads nowhere"
done
if grep -rIl -e "$build" -e "$work" "$prefix" 2>/dev/null; then
    fail "files that name the machine they were made on"
fi
if [ -e "$prefix/bin/rmqtt-broker" ]; then
    "$prefix/bin/rmqtt-broker" -V || fail "the installed rmqtt-broker does not find its library"
    readelf -d "$prefix/bin/rmqtt-broker" | grep -q 'PATH.*\[$ORIGIN/' ||
        fail "the installed rmqtt-broker cannot be moved"
fi

# ---- CMake

CC=$cc "$cmake" -S "$consumer" -B "$work/consumer" -DCMAKE_PREFIX_PATH="$prefix" >"$work/configure.log"
"$cmake" --build "$work/consumer" >"$work/build.log"
runs 'find_package, shared' "$work/consumer/consumer_shared" shared
runs 'find_package, static' "$work/consumer/consumer_static" static
runs 'find_package, C++' "$work/consumer/consumer_cpp" shared

# ---- pkg-config. Flags are lists of words: not quoted.

export PKG_CONFIG_LIBDIR="$lib/pkgconfig"
unset PKG_CONFIG_PATH

"$cc" -o "$work/pc_shared" "$consumer/consumer.c" $(pkg-config --cflags --libs rmqttc) -pthread -Wl,-rpath,"$lib"
runs 'pkg-config, shared' "$work/pc_shared" shared

# As where a distribution has the static library only: the linker prefers the shared one.
cp -R "$prefix" "$work/static"
rm "$work/static/$libdir"/librmqttc.so*
export PKG_CONFIG_LIBDIR="$work/static/$libdir/pkgconfig"
"$cc" -o "$work/pc_static" "$consumer/consumer.c" $(pkg-config --static --cflags --libs rmqttc) -pthread
runs 'pkg-config, static' "$work/pc_static" static
