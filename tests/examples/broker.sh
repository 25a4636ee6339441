#!/bin/sh
# rmqtt-broker as a user of it sees it. Takes the program and examples/broker.json.

broker=$1
example=$2
. "$(dirname "$0")/lib.sh"
need mosquitto_pub mosquitto_sub

# listens NAME COUNT: NAME has printed COUNT lines that say where it listens.
listens() {
    [ "$(grep -c '^{"event":"listening","listeners":\[.*\]}$' "$work/$1.out")" -ge "$2" ]
}

port_of() {
    sed -n '$ s/.*"address":"127\.0\.0\.1:\([0-9]*\)".*/\1/p' "$work/$1.out"
}

# config FILE NAME PORT
config() {
    printf '{"listeners":[{"name":"%s","type":"tcp","address":"127.0.0.1:%s"}],"auth":{"allow_anonymous":true}}' \
        "$2" "$3" >"$work/$1"
}

arrived() {
    mosquitto_pub -p "$1" -t "$2" -m "$3" 2>>"$work/pub.err" && has "$4.out" "^$3\$"
}

# passes_messages PORT: what one client publishes, another one gets.
passes_messages() {
    start sub mosquitto_sub -p "$1" -t 'plant/+/state' -C 1
    sub=$pid
    wait_until "a message through port $1" arrived "$1" plant/7/state on sub
    ends_with 0 "$sub" mosquitto_sub
}

# ---- The command line

exits 2 no-arguments "$broker"
expect no-arguments.err '^usage: '
exits 2 both "$broker" -c "$example" -j '{}'
expect both.err '^usage: '
exits 2 unknown-option "$broker" -x
expect unknown-option.err '^usage: '
exits 2 more "$broker" -j '{}' more
expect more.err '^usage: '
exits 2 level "$broker" -j '{}' -l loud
expect level.err 'loud is not a level'
exits 0 help "$broker" -h
expect help.out '^usage: '
exits 0 version "$broker" -V
expect version.out '^rmqtt-broker [0-9]+\.[0-9]+\.[0-9]+$'

# ---- Faults

exits 2 faults "$broker" -j '{"listeners":[{"type":"tcp","address":"nonsense","colour":1}],"limits":{"max_qos":7}}'
expect faults.err '^/listeners/0/address: '
expect faults.err '^/listeners/0/colour: '
expect faults.err '^/limits/max_qos: 7 is above the maximum, 2$'
[ "$(wc -l <"$work/faults.err")" -eq 3 ] || fail "not one line for each fault"
[ -s "$work/faults.out" ] && fail "faults are told on stdout"
exits 2 no-json "$broker" -j 'nonsense'
[ -s "$work/no-json.err" ] || fail "a text that is no JSON is not told"
exits 2 no-file "$broker" -c "$work/absent.json"
expect no-file.err 'cannot read .*/absent.json: No such file'
exits 2 directory "$broker" -c "$work"
expect directory.err 'cannot read .*: Is a directory'

# ---- A broker that serves, and takes over another configuration

config broker.json 'ma\"in' 0
start broker "$broker" -c "$work/broker.json"
first=$pid
wait_until 'the first listening line' listens broker 1
address='127\.0\.0\.1:[1-9][0-9]*'
expect broker.out \
    '^\{"event":"listening","listeners":\[\{"name":"ma\\"in","type":"tcp","address":"'"$address"'"\}\]\}$'
port=$(port_of broker)
passes_messages "$port"

start stays mosquitto_sub -p "$port" -t stays
stays=$pid
wait_until 'a message before the reload' arrived "$port" stays before stays

echo '{"limits":{"max_qos":7}}' >"$work/broker.json"
kill -HUP "$first"
wait_until 'the log tells the fault' has broker.err '/limits/max_qos: 7 is above the maximum, 2'
wait_until 'the old configuration stays' has broker.err 'the old configuration stays'
rm "$work/broker.json"
kill -HUP "$first"
wait_until 'the log tells that the file is gone' has broker.err 'cannot read .*/broker.json'
wait_until 'a message after the reload' arrived "$port" stays after stays
has broker.err 'stopp' && fail "a faulty reload stops the broker"
kill -TERM "$stays"
ends_with 0 "$stays" 'the client that was connected before the faulty reload'
[ "$(wc -l <"$work/broker.out")" -eq 1 ] || fail "a faulty reload prints a listening line"

# A good one: the listener has another name and the port that it had, and nobody is disconnected.

start stays mosquitto_sub -p "$port" -t stays
stays=$pid
wait_until 'a message before the good reload' arrived "$port" stays before stays
config broker.json other 0
kill -HUP "$first"
wait_until 'the second listening line' listens broker 2
expect broker.out '"name":"other"'
expect broker.err '^\{"event":"reloaded","applied":\["/listeners/0/name"\],"needs_restart":\[\],"rejected":\[\],"closed":\[\]\}$'
[ "$(port_of broker)" = "$port" ] || fail "a listener that stays has another port"
wait_until 'a message after the good reload' arrived "$port" stays after stays

# Another one comes, and what needs a restart is told.
printf '{"listeners":[{"name":"more","address":"127.0.0.1:0"}],"auth":{"allow_anonymous":true},"node_id":2}' \
    >"$work/broker.json"
kill -HUP "$first"
wait_until 'the third listening line' listens broker 3
expect broker.err '"needs_restart":\["/node_id"\]'
passes_messages "$(port_of broker)"

# ---- The address of a new configuration is taken: nothing changes

config second.json second 0
start second "$broker" -c "$work/second.json"
second=$pid
wait_until 'the second broker' listens second 1
config broker.json taken "$(port_of second)"
exits 1 taken "$broker" -c "$work/broker.json"
expect taken.err '^rmqtt-broker: cannot start: '
kill -HUP "$first"
wait_until 'the log tells the address' has broker.err 'listener "taken" could not be bound'
has broker.out '"name":"taken"' && fail "a listener that could not be bound is told to listen"
passes_messages "$(port_of broker)"
wait_until 'a message to a client of long ago' arrived "$(port_of broker)" stays last stays
kill -TERM "$stays"
ends_with 0 "$stays" 'the client that was connected before all of this'

# ---- The end

kill -TERM "$first"
ends_with 0 "$first" 'rmqtt-broker after SIGTERM'
kill -INT "$second"
ends_with 0 "$second" 'rmqtt-broker after SIGINT'
expect broker.err '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z info  '

start inline "$broker" -j '{}' -l error
inline=$pid
wait_until 'a broker without listeners' listens inline 1
kill -HUP "$inline"
wait_until 'the same text again' listens inline 2
kill -TERM "$inline"
ends_with 0 "$inline" 'rmqtt-broker -j'

# The example names a port that may be in use here: it is enough that it has no fault.
sed 's/:1883/:0/' "$example" >"$work/example.json"
start example "$broker" -c "$work/example.json"
example_pid=$pid
wait_until 'examples/broker.json' listens example 1
passes_messages "$(port_of example)"
kill -TERM "$example_pid"
ends_with 0 "$example_pid" 'rmqtt-broker with examples/broker.json'
