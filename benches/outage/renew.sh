#!/usr/bin/env bash
# The seed's procedure as a careful person scripts it: renew.sh SSH_CONFIG "MASTERS" "WORKERS" JOURNAL_QUIET QUIET (seconds). One
# connection a step and host, hosts side by side, every step a barrier, waits instead of sleeps. What it does not do is in docs/benchmarks.md.
set -euo pipefail
config=$1 masters=$2 workers=$3 journal=$4 quiet=$5
first=${masters%% *}
proven=$(cat "$(dirname "$0")/proven.sh")

on() {
	ssh -F "$config" "$1" sudo sh -s "$journal" <<<"$2"
}

# The same on all hosts of $1, side by side; fails when one fails.
everywhere() {
	local host pids=() bad=0
	for host in $1; do
		on "$host" "$2" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid" || bad=1; done
	return $bad
}

everywhere "$masters" 'set -e; umask 077; mkdir -p /root/backup; cp -a /etc/kubernetes /root/backup/; kubeadm alpha certs renew all >/dev/null
	for file in /etc/kubernetes/pki/*.crt /etc/kubernetes/pki/etcd/*.crt; do openssl x509 -noout -checkend 86400 -in "$file" >/dev/null; done'
everywhere "$masters $workers" 'systemctl stop kubelet'
everywhere "$masters $workers" 'systemctl stop docker.socket docker'
everywhere "$masters" 'systemctl start docker && systemctl start kubelet'
everywhere "$masters" 'n=0; until [ "$(curl -ks https://127.0.0.1:6443/healthz)" = ok ]; do n=$((n + 1)); [ $n -lt 600 ] || exit 1; sleep 0.5; done'
everywhere "$masters" "$proven"
everywhere "$workers" 'systemctl start docker && systemctl start kubelet'
everywhere "$workers" "$proven"
on "$first" 'k="kubectl --kubeconfig=/etc/kubernetes/admin.conf" quiet='"$quiet"' since=$(date +%s) deadline=$(($(date +%s) + 300))
	until [ $(($(date +%s) - since)) -ge $quiet ]; do
		[ $(date +%s) -lt $deadline ] || exit 1
		! $k get nodes --no-headers | grep -v " Ready " >/dev/null || since=$(date +%s)
		sleep 0.5
	done
	$k -n kube-system get pods -l k8s-app=calico-node --no-headers | grep -v 1/1 |
		while read -r pod _; do $k -n kube-system delete pod "$pod"; done
	since=$(date +%s)
	until [ $(($(date +%s) - since)) -ge $quiet ]; do
		[ $(date +%s) -lt $deadline ] || exit 1
		! $k -n kube-system get pods -l k8s-app=calico-node --no-headers | grep -v 1/1 >/dev/null || since=$(date +%s)
		sleep 0.5
	done'
