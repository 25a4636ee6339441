#!/bin/sh
# The example that answers MQTT 5 requests. Takes the program.

. "$(dirname "$0")/lib.sh"
need mosquitto_rr mosquitto_pub

start rpc "$1"
rpc=$pid
wait_until 'the address' has rpc.out '^listening on 127\.0\.0\.1:[1-9][0-9]*$'
port=$(sed -n 's/^listening on .*://p' "$work/rpc.out")

for qos in 0 1 2; do
    exits 0 "sum-$qos" mosquitto_rr -p "$port" -V 5 -q "$qos" -W 10 -t calc/sum -e "answers/$qos" -m '1 2 39'
    expect "sum-$qos.out" '^42$'
done
exits 0 negative mosquitto_rr -p "$port" -V 5 -W 10 -t calc/sum -e answers/negative -m '-7 2'
expect negative.out '^-5$'

# What goes with the answer.
exits 0 correlation mosquitto_rr -p "$port" -V 5 -W 10 -t calc/sum -e answers/c -m '20 22' \
    -D publish correlation-data 'request 9' -F '%p %D %F %E'
expect correlation.out '^42 request 9 1 (9|10)$'
exits 0 fault mosquitto_rr -p "$port" -V 5 -W 10 -t calc/sum -e answers/f -m 'one two' -F '[%p] %P'
expect fault.out '^\[\] error:not a list of numbers$'

# Nobody can answer these.
exits 0 without mosquitto_pub -p "$port" -V 5 -q 1 -t calc/sum -m '1 2'
exits 0 old mosquitto_pub -p "$port" -V 311 -q 1 -t calc/sum -m '1 2'

kill -TERM "$rpc"
ends_with 0 "$rpc" rpc
expect rpc.out '^6 requests answered$'
has rpc.err . && fail 'something went wrong'
exit 0
