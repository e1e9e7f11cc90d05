# certfleet:etcd-health CERT_DIR: what the etcd member of this host says of itself and its cluster. Reads only.
set -u
R=${CERTFLEET_ROOT:-}
pki=$R$1/etcd
# The manifest may say another port; the first address is loopback as kubeadm writes it.
url=$(sed -n "/^[[:space:]]*#/!s/^.*--listen-client-urls=\(https:[^\"',[:space:]]*\).*\$/\1/p" "$R/etc/kubernetes/manifests/etcd.yaml" 2>/dev/null | tail -n 1)
url=${url:-https://127.0.0.1:2379}

fail() {
	printf 'error\t%s\n' "$*"
}

flat() {
	printf '%s' "$1" | tr '\t\n\r' '   '
}

# The key is named, never read here. `-q` and --noproxy: no setting of the host may redirect the question.
ask() {
	curl -q --silent --show-error --globoff --noproxy '*' --connect-timeout 5 --max-time 10 \
		--cacert "$pki/ca.crt" --cert "$pki/healthcheck-client.crt" --key "$pki/healthcheck-client.key" "$@" 2>&1
}

# Gateways: /v3 from etcd 3.4, /v3beta in 3.3.
members() {
	for version in v3 v3beta; do
		body=$(ask --request POST --data '{}' "$url/$version/cluster/member/list") || continue
		case $body in
		*'"members"'*)
			printf 'members\t%s\n' "$(flat "$body")"
			return
			;;
		esac
	done
	fail "members: $(flat "$body")"
}

if ! command -v curl >/dev/null 2>&1; then
	fail 'curl is not installed'
	exit 0
fi
for f in ca.crt healthcheck-client.crt healthcheck-client.key; do
	if [ ! -r "$pki/$f" ]; then
		fail "${1}/etcd/$f cannot be read"
		exit 0
	fi
done
if body=$(ask "$url/health"); then
	printf 'health\t%s\n' "$(flat "$body")"
	members
else
	fail "health: $(flat "$body")"
fi
exit 0
