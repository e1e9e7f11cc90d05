#!/bin/sh
# On one host: waits until its kubelet's journal has had no certificate error for so many seconds, and on a master until what is served
# is what lies on disk. proven.sh QUIET_SECONDS
set -eu
quiet=$1 deadline=$(($(date +%s) + 600))
bad='x509|certificate has expired|Unauthorized|certificate signed by unknown'

complaints() {
	journalctl --quiet --unit kubelet --since "@$1" --output cat | grep -E "$bad" >/dev/null
}

served() {
	openssl s_client -connect "$1" </dev/null 2>/dev/null | openssl x509 -noout -serial 2>/dev/null
}

same() {
	[ "$(served "$1")" = "$(openssl x509 -noout -serial -in "$2")" ]
}

in_use() {
	pki=/etc/kubernetes/pki
	[ -f $pki/apiserver.crt ] || return 0
	same 127.0.0.1:6443 $pki/apiserver.crt && same 127.0.0.1:2379 $pki/etcd/server.crt &&
		same "$(hostname -I | cut -d' ' -f1):2380" $pki/etcd/peer.crt
}

since=$(date +%s)
until [ $(($(date +%s) - since)) -ge "$quiet" ] && in_use; do
	[ "$(date +%s)" -lt $deadline ] || exit 1
	complaints "$since" && since=$(date +%s)
	sleep 0.5
done
