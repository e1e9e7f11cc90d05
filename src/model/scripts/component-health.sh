# certfleet:component-health: what kube-controller-manager and kube-scheduler of this master say of themselves. Reads only.
# They listen on loopback as kubeadm writes it, and answer /healthz to everybody. One line each, NAME STATE SENTENCE.
set -u
R=${CERTFLEET_ROOT:-}
TAB=$(printf '\t')
LONGEST=8
umask 077

say() {
	printf '%s%s%s%s%s\n' "$name" "$TAB" "$1" "$TAB" "$(printf '%s' "$2" | tr '\t\r\n' '   ' | cut -c 1-200)"
}

has() {
	command -v "$1" >/dev/null 2>&1
}

# FLAG: its value in the manifest (the last one counts, comments do not), without what YAML puts around it: `- '--bind-address=::'` (a
# scalar that ends in `:` needs the quotes).
flag() {
	sed -n "/^[[:space:]]*#/!s/^.*--$1=\([^\"',[:space:]]*\).*\$/\1/p" "$manifest" 2>/dev/null | sed -n '$p'
}

# No setting of the host may redirect the question. The certificate is of the component's own making: nobody vouches for it.
by_curl() {
	answer=$(curl -q --silent --show-error --insecure --globoff --noproxy '*' --connect-timeout 5 --max-time "$LONGEST" \
		--write-out '\n%{http_code}' "$url" 2>&1)
	code=$? status=${answer##*
}
	body=${answer%
*}
	case $code in
	0) judge "$status" "$body" ;;
	# Somebody took the connection and is not who was asked for.
	35) case $body in *reset* | *SYSCALL* | *'wrong version'*) say ill "$url: $body" ;; *) say unknown "$url: ${body:-curl ended with $code}" ;; esac ;;
	# This curl cannot ask such a question: that says nothing about who would answer.
	1 | 2 | 3 | 4) say unknown "$url: ${body:-curl ended with $code}" ;;
	*) say ill "$url: ${body:-curl ended with $code}" ;;
	esac
}

# An answer of TLS alone tells no more than that somebody listens.
by_openssl() {
	answer=$(mktemp 2>/dev/null) || {
		say unknown 'mktemp failed on the host'
		return
	}
	# -quiet does not end with its input.
	printf 'GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n' | openssl s_client -quiet -connect "$target" >"$answer" 2>/dev/null &
	client=$!
	round=0
	while [ "$round" -lt "$LONGEST" ] && ! grep -q '^HTTP/' "$answer" && kill -0 "$client" 2>/dev/null; do
		sleep 1
		round=$((round + 1))
	done
	kill "$client" 2>/dev/null
	status=$(sed -n 's/^HTTP\/[0-9.]* \([0-9]*\).*$/\1/p' "$answer" | head -n 1)
	body=$(tr -d '\r' <"$answer" | sed '1,/^$/d')
	rm -f "$answer"
	if [ -n "$status" ]; then judge "$status" "$body"; else say ill "$url: no answer (openssl s_client)"; fi
}

# STATUS BODY
judge() {
	case $1 in
	200) say ok "$url" ;;
	401 | 403) say unknown "$url answers $1: it does not tell everybody how it is" ;;
	404) say unknown "$url answers 404" ;;
	*) say ill "$url answers $1: $2" ;;
	esac
}

# NAME SECURE-PORT PLAIN-PORT, as they are when nothing is said.
one() {
	name=$1 manifest=$R/etc/kubernetes/manifests/$1.yaml
	[ -r "$manifest" ] || return 0
	port=$(flag secure-port) address=$(flag bind-address) scheme=https
	port=${port:-$2}
	if [ "$port" = 0 ]; then
		port=$(flag port) address=$(flag address) scheme=http
		port=${port:-$3}
	fi
	if [ "$port" = 0 ]; then
		say unknown 'its manifest gives it no port to ask'
		return 0
	fi
	case $address in '' | 0.0.0.0 | ::) address=127.0.0.1 ;; esac
	case $address in *:*) target="[$address]:$port" ;; *) target=$address:$port ;; esac
	url=$scheme://$target/healthz
	if has curl; then
		by_curl
	elif [ "$scheme" = https ] && has openssl; then
		by_openssl
	else
		say unknown "neither curl nor openssl is installed to ask $url"
	fi
}

one kube-controller-manager 10257 10252
one kube-scheduler 10259 10251
exit 0
