#!/bin/sh
# The example that writes messages to a slow disk. Takes the program.

. "$(dirname "$0")/lib.sh"
need mosquitto_pub

# lines FROM TO
lines() {
    seq -f 'reading %g' "$1" "$2"
}

# written COUNT: so many lines are in the file.
written() {
    [ "$(wc -l <"$work/file")" -ge "$1" ]
}

# ---- A disk that takes 20 ms for each write, and more messages than wait anywhere

start ingest "$1" "$work/file" 20
ingest=$pid
wait_until 'the address' has ingest.out '^listening on 127\.0\.0\.1:[1-9][0-9]*$'
port=$(sed -n 's/^listening on .*://p' "$work/ingest.out")

lines 1 3000 >"$work/readings"
start one sh -c "mosquitto_pub -p $port -V 5 -q 1 -t plant/one -l <'$work/readings'"
one=$pid
start two sh -c "mosquitto_pub -p $port -V 311 -q 2 -t plant/two -l <'$work/readings'"
two=$pid
ends_with 0 "$one" 'a publisher of QoS 1'
ends_with 0 "$two" 'a publisher of QoS 2'
wait_until 'all is written' written 6000
sed -n 's/^plant\/one //p' "$work/file" | cmp - "$work/readings" || fail 'QoS 1 is not complete, or out of order'
sed -n 's/^plant\/two //p' "$work/file" | cmp - "$work/readings" || fail 'QoS 2 is not complete, or out of order'

# ---- What has been acknowledged to publishers is written, although the end comes first

kill -TERM "$ingest"
ends_with 0 "$ingest" ingest
rm "$work/file" "$work/ingest.out"
start ingest "$1" "$work/file" 400
ingest=$pid
wait_until 'the address' has ingest.out '^listening on'
port=$(sed -n 's/^listening on .*://p' "$work/ingest.out")
lines 1 700 >"$work/readings"
exits 0 quick sh -c "mosquitto_pub -p $port -V 5 -q 1 -t plant/one -l <'$work/readings'"
kill -TERM "$ingest"
ends_with 0 "$ingest" 'ingest with a queue to write'
expect ingest.out '^700 messages written$'
sed -n 's/^plant\/one //p' "$work/file" | cmp - "$work/readings" || fail 'what was acknowledged is not written'

# ---- A file that cannot be

exits 1 nowhere "$1" "$work/no/such/directory"
expect nowhere.err 'No such file or directory'
exits 2 usage "$1"
