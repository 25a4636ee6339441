#!/bin/sh
# Compiles the binding with Mono, runs its tests and its examples, and does the same with .NET where that is installed.
set -eu

[ $# -eq 1 ] || { echo "usage: $0 LIBDIR (the directory of librmqttc.so); OUT=DIR for the results" >&2; exit 2; }
libdir=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=${OUT:-$root/build/csharp}

for tool in mcs mono openssl; do
    command -v "$tool" >/dev/null || {
        echo "$0: $tool is missing; on Debian: apt-get install mono-mcs mono-runtime openssl" >&2
        exit 1
    }
done
[ -e "$libdir/librmqttc.so" ] || { echo "$0: there is no librmqttc.so in $libdir" >&2; exit 1; }

mkdir -p "$out"
out=$(cd "$out" && pwd)
# A hanging run is a failure, too.
run() { LD_LIBRARY_PATH="$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" timeout -k 5 120 "$@"; }
compile() { mcs -langversion:7.2 -warn:4 -warnaserror -debug "$@"; }

compile -unsafe -target:library -doc:"$out/Rmqtt.xml" -out:"$out/Rmqtt.dll" "$here"/src/*.cs
compile -r:"$out/Rmqtt.dll" -out:"$out/tests.exe" "$here"/tests/*.cs
compile -r:"$out/Rmqtt.dll" -out:"$out/minimal.exe" "$here"/examples/Minimal.cs
compile -r:"$out/Rmqtt.dll" -out:"$out/messages.exe" "$here"/examples/Messages.cs
sh "$root/tests/certificates.sh" "$out/certificates"
run mono --debug "$out/tests.exe" "$root/abi/rmqtt.layout" "$root/include/rmqtt.h" "$out/certificates"
run mono --debug "$out/minimal.exe"
run mono --debug "$out/messages.exe"

if command -v dotnet >/dev/null; then
    dotnet build --nologo -c Release "$here/Rmqtt.csproj"
    dotnet build --nologo -c Release -o "$out/dotnet" "$here/tests/Rmqtt.Tests.csproj"
    run dotnet "$out/dotnet/Rmqtt.Tests.dll" "$root/abi/rmqtt.layout" "$root/include/rmqtt.h" "$out/certificates"
fi
