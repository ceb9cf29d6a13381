#!/bin/sh
# Makes the certificates by which servers and database know each other, and the database's own secrets. Run again, it changes nothing; with
# `renew` it makes new certificates under the same authority. What each side may read lies in a folder of its own.
set -eu
AUTHORITY=${AUTHORITY:-/authority}
DATABASE=${DATABASE:-/database}
SERVER=${SERVER:-/server}
DATABASE_OWNER=${DATABASE_OWNER:-999:999}
SERVER_OWNER=${SERVER_OWNER:-1000:1000}
NAMES=${NAMES:-DNS:mongo1,DNS:mongo2,DNS:mongo3,DNS:localhost}
umask 077

if [ ! -f "$AUTHORITY/ca.key" ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days 3650 -subj '/O=Wardkeep/CN=database authority' \
    -addext 'basicConstraints=critical,CA:TRUE,pathlen:0' -addext 'keyUsage=critical,keyCertSign,cRLSign' -keyout "$AUTHORITY/ca.key" -out "$AUTHORITY/ca.pem"
fi

# certificate NAME SUBJECT EXTENSIONS FILE: key and certificate in one file, as mongod and its drivers take them.
certificate() {
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -subj "$2" -keyout "$AUTHORITY/$1.key" -out "$AUTHORITY/$1.csr"
  printf '%s\n' "$3" > "$AUTHORITY/$1.ext"
  openssl x509 -req -sha256 -days 825 -in "$AUTHORITY/$1.csr" -CA "$AUTHORITY/ca.pem" -CAkey "$AUTHORITY/ca.key" -CAcreateserial -extfile "$AUTHORITY/$1.ext" -out "$AUTHORITY/$1.pem"
  rm -f "$4"
  cat "$AUTHORITY/$1.key" "$AUTHORITY/$1.pem" > "$4"
  rm "$AUTHORITY/$1.key" "$AUTHORITY/$1.csr" "$AUTHORITY/$1.ext" "$AUTHORITY/$1.pem"
}

if [ "${1:-}" = renew ] || [ ! -f "$SERVER/client.pem" ] || [ ! -f "$DATABASE/server.pem" ]; then
  certificate server '/O=Wardkeep database/CN=mongo' "subjectAltName=$NAMES
extendedKeyUsage=serverAuth,clientAuth
basicConstraints=critical,CA:FALSE" "$DATABASE/server.pem"
  certificate client '/O=Wardkeep servers/CN=wardkeep' "extendedKeyUsage=clientAuth
basicConstraints=critical,CA:FALSE" "$SERVER/client.pem"
  for folder in "$DATABASE" "$SERVER"; do
    rm -f "$folder/ca.pem"
    cp "$AUTHORITY/ca.pem" "$folder/ca.pem"
  done
fi
[ -f "$DATABASE/keyfile" ] || openssl rand -base64 756 > "$DATABASE/keyfile"
[ -f "$DATABASE/root-password" ] || openssl rand -hex 32 > "$DATABASE/root-password"
chmod 400 "$DATABASE"/* "$SERVER"/*
chmod 700 "$DATABASE" "$SERVER"
chown -R "$DATABASE_OWNER" "$DATABASE"
chown -R "$SERVER_OWNER" "$SERVER"
