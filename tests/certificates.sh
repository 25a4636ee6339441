#!/bin/sh
# Makes the certificates of the tests, with the openssl command. They are good for ten years.
#   tests/certificates.sh DIRECTORY
#
# For each NAME below there are NAME.pem and NAME.key; for those of clients also NAME.der, and NAME.facts, which says in
# one line each: subject, issuer, serial number, SHA-256 fingerprint, the beginning and the end in seconds since 1970.
#   authority     issues all but the last two
#   server        localhost, 127.0.0.1 and ::1
#   pump          a client, with names of all kinds
#   nameless      a client whose subject has no common name
#   revoked       a client that authority.crl is about
#   outsider      an authority that nobody has heard of
#   stranger      a client that has its certificate from there
set -eu

[ $# -eq 1 ] || { echo "usage: $0 DIRECTORY" >&2; exit 2; }
mkdir -p "$1"
cd "$1"
days=3650

quietly() { # quietly COMMAND...: what it says matters only if it fails
    "$@" >openssl.log 2>&1 || { cat openssl.log >&2; exit 1; }
}

authority() { # authority NAME SUBJECT
    quietly openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days $days -subj "$2" \
        -addext keyUsage=critical,keyCertSign,cRLSign -keyout "$1.key" -out "$1.pem"
}

issue() { # issue NAME SUBJECT AUTHORITY SERIAL EXTENSIONS
    quietly openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$2" -keyout "$1.key" -out "$1.csr"
    printf '%s\n' basicConstraints=CA:FALSE authorityKeyIdentifier=keyid "$5" >"$1.extensions"
    quietly openssl x509 -req -in "$1.csr" -CA "$3.pem" -CAkey "$3.key" -set_serial "$4" -days $days \
        -extfile "$1.extensions" -out "$1.pem"
    rm "$1.csr" "$1.extensions"
}

fact() { # fact NAME OPTION...: without the name before the equals sign
    name=$1
    shift
    openssl x509 -in "$name.pem" -noout "$@" | sed 's/^[^=]*=//'
}

facts() { # facts NAME
    openssl x509 -in "$1.pem" -outform DER -out "$1.der"
    {
        fact "$1" -subject -nameopt RFC2253
        fact "$1" -issuer -nameopt RFC2253
        fact "$1" -serial | tr A-F a-f
        fact "$1" -fingerprint -sha256 | tr -d : | tr A-F a-f
        date -d "$(fact "$1" -startdate)" +%s
        date -d "$(fact "$1" -enddate)" +%s
    } >"$1.facts"
}

client() { # client NAME SUBJECT AUTHORITY SERIAL [NAMES]
    issue "$1" "$2" "$3" "$4" "extendedKeyUsage=clientAuth${5:+
subjectAltName=$5}"
    facts "$1"
}

authority authority '/O=Plant/CN=Plant authority'
authority outsider '/O=Elsewhere/CN=Outside authority'
issue server '/O=Plant/CN=broker' authority 0x10 'extendedKeyUsage=serverAuth
subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1'
client pump '/O=Plant/CN=pump-7' authority 0x00a1b2c3 \
    'DNS:pump-7.example,IP:192.0.2.1,URI:urn:pump:7,email:pump@example.com'
client nameless '/O=Plant/OU=Pumps' authority 0x12
client revoked '/O=Plant/CN=pump-8' authority 0x13
client stranger '/O=Plant/CN=pump-7' outsider 0x14

# The list of what has been revoked.
: >index.txt
echo 01 >crlnumber
cat >authority.cnf <<END
[ca]
default_ca = plant
[plant]
database = index.txt
crlnumber = crlnumber
default_md = sha256
default_crl_days = $days
crl_extensions = crl
[crl]
authorityKeyIdentifier = keyid
END
quietly openssl ca -config authority.cnf -cert authority.pem -keyfile authority.key -revoke revoked.pem
quietly openssl ca -config authority.cnf -cert authority.pem -keyfile authority.key -gencrl -out authority.crl
rm -f index.txt* crlnumber* authority.cnf openssl.log
