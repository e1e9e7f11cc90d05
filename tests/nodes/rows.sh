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
kubelet-expired    |quick|$MIXED                            |kubelet-expired   |0|yes|SUCCEEDED~system:node:
unknown-authority  |quick|$MIXED                            |expired unknown-authority|4|yes|w1~unknown_authority
rolling            |     |--runtime docker                  |expiring          |0|yes|SUCCEEDED~rolling
expired            |     |--runtime docker                  |expired           |0|yes|SUCCEEDED
quorum-lost        |     |--runtime docker                  |quorum-lost       |0|yes|SUCCEEDED
expired-all        |     |--runtime docker                  |expired-all       |0|yes|SUCCEEDED~system:node:
worker-unreachable |     |--runtime docker                  |worker-unreachable|5|no |worker-unreachable~w2
two-attempts       |     |--runtime docker                  |expired two-attempts|0|yes|SUCCEEDED
vacuum             |     |--runtime docker                  |expired vacuum    |0|yes|SUCCEEDED
flood              |     |--runtime docker                  |expired flood     |0|yes|SUCCEEDED
expired-containerd |     |--runtime containerd --kubernetes 1.28|expired       |0|yes|SUCCEEDED~recycle
expired-restore    |     |--runtime docker --live-restore all|expired          |0|yes|SUCCEEDED~the old containers are gone
seed-real          |     |$MIXED --real-runtimes            |seed              |0|yes|SUCCEEDED~deleted calico-node-
two-attempts-real  |     |$MIXED --real-runtimes            |expired two-attempts|0|yes|SUCCEEDED
quorum-lost-real   |     |$MIXED --real-runtimes            |quorum-lost       |0|yes|SUCCEEDED
rolling-real       |     |$MIXED --real-runtimes            |expiring          |0|yes|SUCCEEDED~rolling
expired-all-real   |     |$MIXED --real-runtimes            |expired-all       |0|yes|SUCCEEDED
rolling-kubeadm    |     |--real-kubernetes                 |expiring          |0|yes|SUCCEEDED~rolling
expired-kubeadm    |     |--real-kubernetes                 |expired           |0|yes|SUCCEEDED
kubelets-kubeadm   |     |--real-kubernetes                 |expiring kubelet-expired|0|yes|SUCCEEDED~rolling~system:node:
all-kubeadm        |     |--real-kubernetes                 |expired-all       |0|yes|SUCCEEDED~system:node:
quorum-lost-kubeadm|     |--real-kubernetes                 |quorum-lost       |0|yes|SUCCEEDED
calico-kubeadm     |     |--real-kubernetes                 |expired calico-stuck|0|yes|SUCCEEDED~deleted calico-node-
drain-kubeadm      |     |--real-kubernetes                 |none              |0|yes|SUCCEEDED~2 pods evicted~uncordoned
"
