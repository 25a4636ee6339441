# What the scripts beside this one share. Sourced, not run.

set -u

# Seconds that anything may take. Generous: only a failure waits so long.
DEADLINE=20

work=$(mktemp -d "$PWD/run.XXXXXX") || exit 1
started=

clean_up() {
    for pid in $started; do
        kill -KILL "$pid" 2>/dev/null
    done
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

fail() {
    echo "FAILED: $*" >&2
    for file in "$work"/*.out "$work"/*.err; do
        [ -s "$file" ] || continue
        echo "--- ${file##*/}" >&2
        cat "$file" >&2
    done
    exit 1
}

need() {
    for tool in "$@"; do
        command -v "$tool" >/dev/null || fail "$tool is missing (package mosquitto-clients)"
    done
}

# wait_until WHAT COMMAND...: asks again until the command succeeds.
wait_until() {
    what=$1
    shift
    end=$(($(date +%s) + DEADLINE))
    until "$@"; do
        [ "$(date +%s)" -lt "$end" ] || fail "waited in vain: $what"
        sleep 0.05
    done
}

# start NAME COMMAND...: runs in the background, with its output in $work/NAME.out and .err. The process is $pid.
start() {
    name=$1
    shift
    "$@" >"$work/$name.out" 2>"$work/$name.err" &
    pid=$!
    started="$started $pid"
}

# An ended process is a zombie until this script waits for it: kill -0 would still find it.
ended() {
    case $(sed 's/.*) \(.\).*/\1/' "/proc/$1/stat" 2>/dev/null) in
    '' | Z) return 0 ;;
    *) return 1 ;;
    esac
}

# Its number may belong to another process now.
forget() {
    rest=
    for running in $started; do
        [ "$running" = "$1" ] || rest="$rest $running"
    done
    started=$rest
}

# ends_with STATUS PID WHAT
ends_with() {
    wait_until "$3 ends" ended "$2"
    wait "$2"
    got=$?
    forget "$2"
    [ "$got" -eq "$1" ] || fail "$3: exit status $got, not $1"
}

# exits STATUS NAME COMMAND...: runs to the end, with its output in $work/NAME.out and .err.
exits() {
    status=$1
    shift
    label=$1
    start "$@"
    ends_with "$status" "$pid" "$label"
}

# has FILE REGEX: a line matches.
has() {
    grep -Eq -- "$2" "$work/$1" 2>/dev/null
}

expect() {
    has "$1" "$2" || fail "$1 has no line like: $2"
}
