#!/usr/bin/env bash
# Certificates for vault nodes and for partners, with nothing but openssl. The cluster's own come from its tool, see
# RUNBOOK.md.
#
#   certificates.sh authority FOLDER NAME             FOLDER/ca.crt and FOLDER/ca.key
#   certificates.sh server FOLDER FILE HOST...        FOLDER/FILE.crt and .key, for these names and addresses, both ways;
#                                                     a vault node's stand in `vault_node.mirror_clients` of its standby
#   certificates.sh client FOLDER FILE                FOLDER/FILE.crt and .key, for whoever only calls others
#   certificates.sh fingerprint FILE.crt              what stands in `certificates` of a partner
#   certificates.sh check FOLDER FILE                 whether it is good, and until when
#
# Nothing is overwritten: a certificate is renewed under another name and the files are exchanged then. CA_DAYS and
# LEAF_DAYS say how long they hold (3650 and 397). Take ca.key away from the machines when you are done.
set -euo pipefail
umask 077

die() {
  printf 'certificates.sh: %s\n' "$1" >&2
  exit 1
}

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0" >&2
  exit 2
}

absent() {
  local there
  for there in "$@"; do
    [ ! -e "$there" ] || die "$there is there already"
  done
}

new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }

authority() {
  [ $# -eq 2 ] || usage
  local folder=$1 name=$2
  mkdir -p "$folder"
  absent "$folder/ca.key" "$folder/ca.crt"
  new_key "$folder/ca.key"
  openssl req -x509 -new -sha256 -key "$folder/ca.key" -days "${CA_DAYS:-3650}" -out "$folder/ca.crt" -config - <<EOF
[req]
prompt = no
distinguished_name = name
x509_extensions = extensions
[name]
CN = $name
[extensions]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
EOF
  chmod 644 "$folder/ca.crt"
  echo "made $folder/ca.crt and $folder/ca.key"
}

# Arguments: folder, file, extended usage, subject alternative names (may be empty).
leaf() {
  local folder=$1 file=$2 usage=$3 names=$4
  [ -r "$folder/ca.key" ] || die "$folder/ca.key is missing: make the authority first, or bring its key back for this"
  absent "$folder/$file.key" "$folder/$file.crt"
  new_key "$folder/$file.key"
  openssl req -new -sha256 -key "$folder/$file.key" -subj "/CN=$file" |
    openssl x509 -req -sha256 -CA "$folder/ca.crt" -CAkey "$folder/ca.key" -days "${LEAF_DAYS:-397}" \
      -set_serial "0x$(openssl rand -hex 16)" -out "$folder/$file.crt" -extfile <(
        echo "basicConstraints = critical, CA:FALSE"
        echo "keyUsage = critical, digitalSignature"
        echo "extendedKeyUsage = $usage"
        echo "subjectKeyIdentifier = hash"
        echo "authorityKeyIdentifier = keyid"
        [ -z "$names" ] || echo "subjectAltName = $names"
      )
  chmod 644 "$folder/$file.crt"
  openssl verify -CAfile "$folder/ca.crt" "$folder/$file.crt" >/dev/null || die "$folder/$file.crt does not verify"
  echo "made $folder/$file.crt and $folder/$file.key"
}

server() {
  [ $# -ge 3 ] || usage
  local folder=$1 file=$2 names=''
  shift 2
  for host in "$@"; do
    case $host in
      *:* | [0-9]*.[0-9]*.[0-9]*.[0-9]*) names+="${names:+, }IP:$host" ;;
      *) names+="${names:+, }DNS:$host" ;;
    esac
  done
  # A vault node also calls its standby, and a council that listens for partners also calls them.
  leaf "$folder" "$file" "serverAuth, clientAuth" "$names"
}

client() {
  [ $# -eq 2 ] || usage
  leaf "$1" "$2" clientAuth "DNS:$2"
}

fingerprint() {
  [ $# -eq 1 ] || usage
  openssl x509 -in "$1" -outform DER | openssl dgst -sha256 -r | cut -d' ' -f1
}

check() {
  [ $# -eq 2 ] || usage
  openssl verify -CAfile "$1/ca.crt" "$1/$2.crt"
  openssl x509 -in "$1/$2.crt" -noout -enddate -ext subjectAltName
}

[ $# -ge 1 ] || usage
command=$1
shift
case $command in
  authority | server | client | fingerprint | check) "$command" "$@" ;;
  *) usage ;;
esac
