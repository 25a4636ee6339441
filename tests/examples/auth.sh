#!/bin/sh
# The example that asks a directory who may connect. Takes the program.

. "$(dirname "$0")/lib.sh"
need mosquitto_pub

start auth "$1"
auth=$pid
wait_until 'the address' has auth.out '^listening on 127\.0\.0\.1:[1-9][0-9]*$'
port=$(sed 's/.*://' "$work/auth.out")

exits 0 alice mosquitto_pub -p "$port" -V 5 -u alice -P secret -t test -m hello
exits 0 alice-311 mosquitto_pub -p "$port" -V 311 -u alice -P secret -t test -m hello

# MQTT 5: the reason code is the exit status, 0x86. Before MQTT 5: 4 means bad user name or password.
exits 134 wrong mosquitto_pub -p "$port" -V 5 -u alice -P guess -t test -m hello
exits 134 mallory mosquitto_pub -p "$port" -V 5 -u mallory -P secret -t test -m hello
exits 134 anonymous mosquitto_pub -p "$port" -V 5 -t test -m hello
exits 4 wrong-311 mosquitto_pub -p "$port" -V 311 -u alice -P guess -t test -m hello

# Many at once: more questions than callback threads.
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    start "many-$i" mosquitto_pub -p "$port" -V 5 -u alice -P secret -t test -m hello
    eval "many_$i=$pid"
done
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    eval "ends_with 0 \"\$many_$i\" 'one of many'"
done

# The end comes while questions are open: the directory answers one after the other, so when the first client has its
# answer, the others wait.
late=
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    start "late-$i" mosquitto_pub -p "$port" -V 5 -u alice -P secret -t test -m hello
    late="$late $pid"
done
one_ended() {
    for pid in $late; do
        ended "$pid" && return 0
    done
    return 1
}
wait_until 'the first answer' one_ended
kill -TERM "$auth"
ends_with 0 "$auth" 'auth after SIGTERM'
for pid in $late; do
    wait_until 'a client of a stopped broker ends' ended "$pid"
done
