# The doomsdays that prove plays. Sourced by it.
# NAME | tiers | options of up | doomsdays | exit status of renew | are hosts changed | words of the output, `~` between them
# Rows with the same options share a fleet, which is reset between them.
# shellcheck shell=bash disable=SC2034
MIXED='--runtime mixed --kubernetes 1.15 --live-restore m3'
TABLE="
seed               |quick|$MIXED                            |seed              |0|yes|SUCCEEDED~deleted calico-node-
copied             |quick|$MIXED                            |copied            |2|no |copied-certificates~m2
external-ca        |quick|$MIXED                            |external-ca       |2|no |ca.key
ca-expired         |quick|$MIXED                            |ca-expired        |2|no |ca ~expired
clock              |quick|$MIXED                            |clock             |2|no |clock~m2
quorum-lost        |     |--runtime docker                  |quorum-lost       |0|yes|SUCCEEDED
expired-all        |     |--runtime docker                  |expired-all       |0|yes|SUCCEEDED
