# certfleet:served HOST PORT SNI: the certificate chain that a TLS server shows, by openssl on the host. Reads only.
# For servers that the controller cannot reach (tunnels forbidden) or cannot speak to (TLS 1.0, RSA key exchange, CBC).
set -u
host=$1 port=$2 sni=${3:-}
TAB=$(printf '\t')
CR=$(printf '\r')
umask 077

say() {
	printf '%s%s%s\n' "$1" "$TAB" "$2"
}

if ! command -v openssl >/dev/null 2>&1; then
	say unknown 'openssl is not installed on the host'
	exit 0
fi
case $host in
*:*) target="[$host]:$port" ;;
*) target=$host:$port ;;
esac
answer=$(mktemp 2>/dev/null) || {
	say unknown 'mktemp failed on the host'
	exit 0
}
trap 'rm -f "$answer"' EXIT
trap 'exit 1' HUP INT TERM

# Old servers speak what a distribution forbids by default; openssl before 1.1.0 knows no security levels.
shake() {
	if [ -n "$sni" ]; then set -- "$@" -servername "$sni"; fi
	openssl s_client -connect "$target" -showcerts "$@" </dev/null >"$answer" 2>&1 &
	client=$!
	round=0
	while kill -0 "$client" 2>/dev/null && [ "$round" -lt 8 ]; do
		sleep 1
		round=$((round + 1))
	done
	kill "$client" 2>/dev/null && silent=1
	wait "$client" 2>/dev/null
}

# Whole CERTIFICATE blocks of the answer.
blocks() {
	inside=0
	while IFS= read -r line || [ -n "$line" ]; do
		line=${line%"$CR"}
		case $line in
		'-----BEGIN CERTIFICATE-----') inside=1 && printf '%s\n' "$line" ;;
		'-----END CERTIFICATE-----')
			if [ "$inside" = 1 ]; then printf '%s\n' "$line"; fi
			inside=0
			;;
		*) [ "$inside" = 0 ] || printf '%s\n' "$line" ;;
		esac
	done <"$answer"
}

silent=0
shake
found=$(blocks)
if [ -z "$found" ] && [ "$silent" = 0 ]; then
	case $(cat "$answer") in
	*'no protocols available'* | *'unsupported protocol'* | *'handshake failure'* | *'dh key too small'* | *'wrong version number'*)
		first=$(cat "$answer")
		shake -cipher 'ALL:@SECLEVEL=0'
		found=$(blocks)
		[ -n "$found" ] || printf '%s\n' "$first" >"$answer"
		;;
	esac
fi
if [ -n "$found" ]; then
	say certificate "$(sed -n 's/^ *Protocol *: *//p' "$answer" | head -n 1)"
	printf '%s\n' "$found"
	exit 0
fi
if [ "$silent" = 1 ]; then
	say silent 'no answer to the TLS handshake within 8 seconds'
	exit 0
fi
case $(cat "$answer") in
*'onnection refused'*) say closed 'connection refused' ;;
*'wrong version number'* | *'unknown protocol'* | *'packet length too long'* | *'http request'*) say not-tls 'what listens there does not speak TLS' ;;
*) say unknown "$(grep -v '^$' "$answer" | grep -i -e error -e errno -e fail -e alert | head -n 1 | tr '\t\r\n' '   ' | cut -c 1-200)" ;;
esac
exit 0
