# Prepended to certfleet:read-certificates and certfleet:inspect: how PEM files and kubeconfigs are read.
# Private keys are looked at here; none is ever printed.
set -u
umask 077
R=${CERTFLEET_ROOT:-}
etc=/etc/kubernetes
TAB=$(printf '\t')
CR=$(printf '\r')

has() {
	command -v "$1" >/dev/null 2>&1
}

decode() {
	if has base64; then base64 -d 2>/dev/null; else openssl base64 -d -A 2>/dev/null; fi
}

# Whole CERTIFICATE blocks of standard input. A block with any foreign line is dropped: it might run into a key.
certificates() {
	inside=0 block=
	while IFS= read -r line || [ -n "$line" ]; do
		line=${line%"$CR"}
		case $line in
		'-----BEGIN CERTIFICATE-----') inside=1 block=$line ;;
		'-----END CERTIFICATE-----')
			if [ "$inside" = 1 ]; then printf '%s\n%s\n' "$block" "$line"; fi
			inside=0
			;;
		*[!A-Za-z0-9+/=]* | '') inside=0 ;;
		*) [ "$inside" = 0 ] || block="$block
$line" ;;
		esac
	done
}

# Sets $value to the value in `key: value`, quotes removed.
# TAB and CR are no patterns.
# shellcheck disable=SC2295
value_of() {
	value=${1#*:}
	value=${value#"${value%%[! $TAB\"]*}"}
	value=${value%"${value##*[! $TAB\",$CR]}"}
}

# Sets $cert_data $cert_path $key_data $key_path from the first user of the kubeconfig $1.
kubeconfig() {
	cert_data='' cert_path='' key_data='' key_path=''
	while IFS= read -r line || [ -n "$line" ]; do
		case $line in
		*client-certificate-data*:*) value_of "$line" && cert_data=${cert_data:-$value} ;;
		*client-certificate*:*) value_of "$line" && cert_path=${cert_path:-$value} ;;
		*client-key-data*:*) value_of "$line" && key_data=${key_data:-$value} ;;
		*client-key*:*) value_of "$line" && key_path=${key_path:-$value} ;;
		esac
	done <"$1"
	# Paths are relative to the kubeconfig.
	case $cert_path in '' | /*) ;; *) cert_path=${2%/*}/$cert_path ;; esac
	case $key_path in '' | /*) ;; *) key_path=${2%/*}/$key_path ;; esac
}

# KEY FLAG: what the kubelet was told, by its flag (which wins) or its configuration file; sets $value, empty when neither says.
kubelet_setting() {
	value=$(sed -n "s/^.*--$2=\([^ \"']*\).*\$/\1/p" "$R/var/lib/kubelet/kubeadm-flags.env" 2>/dev/null | head -n 1)
	[ -z "$value" ] || return 0
	value=$(sed -n "s/^$1:[[:space:]]*[\"']\{0,1\}\([^\"'#[:space:]]*\).*\$/\1/p" "$R/var/lib/kubelet/config.yaml" 2>/dev/null | head -n 1)
}
