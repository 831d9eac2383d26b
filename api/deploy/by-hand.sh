#!/usr/bin/env bash
# Runs one command of baycase on a node's machine as its unit would: its user, its credentials, its configuration.
#
#   sudo ./by-hand.sh rebuild --force --data /var/lib/baycase/gz-1
#
# The exit code is the command's. Two at a time are refused, because the name of the unit is taken. With a terminal or
# without one, as from a timer: systemd-run takes of --pty and --pipe what fits.
set -euo pipefail

unit=baycase-by-hand
given=/run/credentials/$unit.service
kept=/etc/baycase/credentials

exec systemd-run --unit="$unit" --pty --pipe --wait --collect --quiet --uid=baycase --gid=baycase \
  -p "LoadCredential=master.key:$kept/master.key" \
  -p "LoadCredential=eventstore.password:$kept/eventstore.password" \
  -p "LoadCredential=vault-client.key:$kept/vault-client.key" \
  -p UMask=0077 -p LimitNOFILE=65536 -p LimitCORE=0 \
  -E "BAYCASE_VAULT__MASTER_KEY_FILE=$given/master.key" \
  -E "BAYCASE_LOG__EVENTSTORE__PASSWORD_FILE=$given/eventstore.password" \
  -E "BAYCASE_VAULT__KEY_FILE=$given/vault-client.key" \
  /usr/local/bin/baycase --config /etc/baycase/node.toml "$@"
