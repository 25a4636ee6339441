#!/bin/sh
# The example that decides by address and user name, rewrites messages, and polls on demand. Takes the program.

. "$(dirname "$0")/lib.sh"
need mosquitto_pub mosquitto_sub

start gateway "$1" 127.0.0.2 127.0.0.33
gateway=$pid
wait_until 'the address' has gateway.out '^listening on 127\.0\.0\.1:[1-9][0-9]*$'
port=$(sed -n 's/^listening on .*://p' "$work/gateway.out")

oven="-p $port -V 5 -u oven -P o-secret"
display="-p $port -V 5 -u display -P d-secret"

# ---- Addresses

exits 7 blocked mosquitto_pub $oven -A 127.0.0.2 -t devices/oven/state -m on
expect blocked.err 'connection was lost'
exits 0 another-address mosquitto_pub $oven -A 127.0.0.3 -t devices/oven/state -m on

# ---- Users and topics. MQTT 5: the reason code is the exit status, 0x86 and 0x87.

exits 134 wrong mosquitto_pub -p "$port" -V 5 -u oven -P guess -t devices/oven/state -m on
exits 134 anonymous mosquitto_pub -p "$port" -V 5 -t devices/oven/state -m on
exits 4 wrong-311 mosquitto_pub -p "$port" -V 311 -u oven -P guess -t devices/oven/state -m on
exits 0 own mosquitto_pub $oven -q 1 -t devices/oven/state -m on
has own.err . && fail 'a message to a topic of its own is refused'
for topic in devices/fridge/state devices/oven2/state devices/oven other; do
    exits 0 foreign mosquitto_pub $oven -q 1 -t "$topic" -m on
    expect foreign.err 'Not authorized'
done
exits 135 foreign-will mosquitto_pub $oven --will-topic devices/fridge/state --will-payload gone \
    -t devices/oven/state -m on
for filter in '#' 'devices/#' 'devices/+/state' devices/fridge/state; do
    exits 0 foreign-filter mosquitto_sub $oven -t "$filter"
    expect foreign-filter.err 'All subscription requests were denied'
done

# ---- What a message looks like

start oven mosquitto_sub $oven -t 'devices/oven/#' -v -C 4
oven_sub=$pid
start display mosquitto_sub $display -t 'devices/oven/#' -v -C 4
display_sub=$pid
# A retained message is there whether the two have subscribed already or not.
mosquitto_pub $oven -q 1 -r -t devices/oven/temperature -m 1805
wait_until 'the oven sees tenths' has oven.out '^devices/oven/temperature 1805$'
wait_until 'the display sees degrees' has display.out '^devices/oven/temperature 180\.5 C$'
mosquitto_pub $oven -q 1 -t devices/oven/temperature -m -5
mosquitto_pub $oven -q 1 -t devices/oven/temperature -m hot
mosquitto_pub $oven -q 1 -t devices/oven/state -m 12
ends_with 0 "$oven_sub" 'the subscriber oven'
ends_with 0 "$display_sub" 'the subscriber display'
expect display.out '^devices/oven/temperature -0\.5 C$'
expect display.out '^devices/oven/temperature hot$'
expect display.out '^devices/oven/state 12$'

# ---- A device that is asked while somebody listens

polls() {
    [ "$(grep -c '^polling the boiler$' "$work/gateway.out")" -eq "$1" ] &&
        [ "$(grep -c '^the boiler rests$' "$work/gateway.out")" -eq "$2" ]
}

polls 0 0 || fail 'the boiler is polled, but nobody listens'
start exact mosquitto_sub $display -t devices/boiler/temperature
exact=$pid
wait_until 'a temperature of the boiler' has exact.out '^6[0-9]\.[0-9] C$'
start wildcard mosquitto_sub $display -t 'devices/+/temperature' -v
wildcard=$pid
wait_until 'a temperature for the second one' has wildcard.out '^devices/boiler/temperature 6[0-9]\.[0-9] C$'
kill -TERM "$exact"
ends_with 0 "$exact" 'the first subscriber'
before=$(wc -l <"$work/wildcard.out")
more() {
    [ "$(wc -l <"$work/wildcard.out")" -gt "$before" ]
}
wait_until 'more of them while one is there' more
polls 1 0 || fail 'the boiler does not know that somebody listens still'
kill -TERM "$wildcard"
ends_with 0 "$wildcard" 'the second subscriber'
wait_until 'the boiler rests' polls 1 1
exits 0 again mosquitto_sub $display -t 'devices/#' -C 3
wait_until 'the boiler rests again' polls 2 2

# ---- The end, while it is polled

start late mosquitto_sub $display -t 'devices/#'
late=$pid
wait_until 'another temperature' has late.out '^6[0-9]\.[0-9] C$'
kill -TERM "$gateway"
ends_with 0 "$gateway" 'gateway after SIGTERM'
if has gateway.err .; then
    fail 'there is something on stderr'
fi
