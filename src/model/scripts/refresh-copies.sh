# certfleet:refresh-copies CERT_DIR LOGIN_USER BACKUP KEEP [PATH...]: gives copies of admin.conf the new certificate and key.
# Only a copy that held the old one is touched: the same as in BACKUP, or an earlier one of the same subject by the same CA. Everything
# else in it (servers, contexts, other users), its owner and its mode stay. The file as it was is kept below KEEP.
set -u
umask 077
R=${CERTFLEET_ROOT:-}
cert_dir=$1 login=$2 backup=$3 keep=$4
shift 4
etc=/etc/kubernetes

has() {
	command -v "$1" >/dev/null 2>&1
}

say() {
	printf '%s\t%s' "$1" "$2"
	[ $# -lt 3 ] || printf '\t%s' "$3"
	printf '\n'
}

die() {
	printf '%s\n' "$*" >&2
	exit 1
}

# The client certificates inside the kubeconfig $1, one base64 a line.
inside() {
	sed -n 's/^[[:space:]]*client-certificate-data:[[:space:]]*"\{0,1\}\([A-Za-z0-9+\/=]*\).*$/\1/p' "$1" 2>/dev/null
}

decode() {
	fold -w 64 | { if has base64; then base64 -d 2>/dev/null; else openssl base64 -d 2>/dev/null; fi; }
}

# FIELD BASE64: what openssl says of a certificate.
field() {
	printf '%s' "$2" | decode | openssl x509 -noout "-$1" -nameopt RFC2253 2>/dev/null
}

# notAfter as a number that grows with time.
ends() {
	# shellcheck disable=SC2046
	set -- $(field enddate "$1" | sed -e 's/^notAfter=//' -e 's/:/ /g')
	[ $# -ge 6 ] || return 1
	months=JanFebMarAprMayJunJulAugSepOctNovDec
	before=${months%%"$1"*}
	printf '%04d%02d%02d%s%s%s\n' "$6" $((${#before} / 3 + 1)) "$2" "$3" "$4" "$5"
}

# BASE64 [OPTION]: what openssl says of a certificate; the authorities of the system count for nothing.
verify() {
	# shellcheck disable=SC2086
	printf '%s' "$1" | decode | SSL_CERT_DIR=/nonexistent SSL_CERT_FILE=/nonexistent openssl verify ${2:-} -CAfile "$R$cert_dir/ca.crt" 2>&1
}

# The cluster's CA signed it. An expired certificate is still signed.
signed_here() {
	# A CA may be an intermediate one whose root is not here. OpenSSL before 1.0.2 does not know the option, and says how it is used.
	seen=$(verify "$1" -partial_chain)
	case $seen in *error* | *': OK'*) ;; *) seen=$(verify "$1") ;; esac
	case $(printf '%s\n' "$seen" | sed -n 's/^.*error \([0-9][0-9]*\) at .*$/\1/p' | sort -u | tr '\n' ' ') in
	'10 ') return 0 ;;
	'') case $seen in *': OK'*) return 0 ;; esac ;;
	esac
	return 1
}

# OLD NEW: an earlier certificate of the same subject by the same CA.
earlier() {
	has openssl || return 1
	theirs=$(field subject "$1") ours=$(field subject "$2")
	if [ -z "$theirs" ] || [ "$theirs" != "$ours" ]; then return 1; fi
	then=$(ends "$1") && now=$(ends "$2") || return 1
	[ "$then" -lt "$now" ] && signed_here "$1"
}

# COPY ORIGINAL OLD: the new certificate and key in place of the old ones. The key goes from file to file.
swap() {
	awk -v old="$3" '
		{
			value = $2
			gsub(/["\r]/, "", value)
		}
		FNR == NR {
			if ($1 == "client-certificate-data:" && certificate == "") certificate = value
			if ($1 == "client-key-data:" && key == "") key = value
			next
		}
		$1 == "client-certificate-data:" {
			armed = (value == old)
			if (armed) { print substr($0, 1, index($0, $1) - 1) $1 " " certificate; next }
		}
		$1 == "client-key-data:" && armed {
			print substr($0, 1, index($0, $1) - 1) $1 " " key
			armed = 0
			done++
			next
		}
		{ print }
		END { exit !(done > 0 && certificate != "" && key != "") }
	' "$2" "$1"
}

# PATH ORIGINAL OLD
refresh() {
	file=$R$1
	new=$(mktemp "${file%/*}/.certfleet.XXXXXX") || die "cannot write beside $1"
	if ! cp -p "$file" "$new" || ! swap "$file" "$R$etc/$2" "$3" >"$new"; then
		rm -f "$new"
		say left "$1" 'its key is not beside its certificate'
		return 0
	fi
	mkdir -p "$R$keep${1%/*}"
	[ -e "$R$keep$1" ] || cp -p "$file" "$R$keep$1"
	if [ ! -e "$R$keep$1" ] || ! mv -f "$new" "$file"; then
		rm -f "$new"
		die "cannot keep a copy of $1, or replace it"
	fi
	say refreshed "$1" "$2"
}

# Whose certificate is $1? Sets $original and $state.
judge() {
	original='' state=other
	for name in admin.conf super-admin.conf; do
		[ -f "$R$etc/$name" ] || continue
		fresh=$(inside "$R$etc/$name" | head -n 1)
		[ -n "$fresh" ] || continue
		if [ "$1" = "$fresh" ]; then
			state=same
			return 0
		fi
		kept=$(inside "$R$backup$etc/$name" | head -n 1)
		if [ "$1" = "$kept" ] || earlier "$1" "$fresh"; then
			original=$name state=old
			return 0
		fi
	done
}

copy() {
	path=$1
	[ -e "$R$path" ] || return 0
	if [ -L "$R$path" ]; then
		case $(readlink -f "$R$path") in
		"$R$etc/"*) say same "$path" ;;
		*) say left "$path" 'a symlink' ;;
		esac
		return 0
	fi
	if [ ! -f "$R$path" ]; then return 0; fi
	state=none
	for data in $(inside "$R$path"); do
		judge "$data"
		[ "$state" = other ] || break
	done
	case $state in
	old) refresh "$path" "$original" "$data" ;;
	same) say same "$path" ;;
	other) say left "$path" 'it holds another certificate than admin.conf did' ;;
	esac
}

home_of() {
	home=
	if has getent; then home=$(getent passwd "$1" 2>/dev/null); else home=$(sed -n "/^$1:/p" "$R/etc/passwd" 2>/dev/null); fi
	home=${home%:*}
	home=${home##*:}
}

copy /root/.kube/config
[ -n "$login" ] || login=${SUDO_USER:-${DOAS_USER:-}}
case $login in
'' | root | *[!A-Za-z0-9._-]*) ;;
*)
	home_of "$login"
	[ -z "$home" ] || copy "$home/.kube/config"
	;;
esac
for p in "$@"; do copy "$p"; done
exit 0
