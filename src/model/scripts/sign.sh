# Prepended to the signer's half of a certificate whose key is on another host. Leaves nothing behind.
# Requests and certificates are the base64 of their DER, on one line.
set -u
umask 077
R=${CERTFLEET_ROOT:-}
work=$R/run/certfleet/sign.$$

die() {
	code=$1
	shift
	printf '%s\n' "$*" >&2
	exit "$code"
}

# KIND BASE64: a PEM file.
pem() {
	printf -- '-----BEGIN %s-----\n' "$1"
	printf '%s\n' "$2" | fold -w 64
	printf -- '-----END %s-----\n' "$1"
}

# The CA is still valid so many days from now, and a minute.
outlives() {
	openssl x509 -noout -checkend $(($1 * 86400 + 60)) <"$ca.crt" >/dev/null 2>&1
}

# Sets $days: what was asked for, or as much of it as the CA lives.
fit_days() {
	outlives "$days" && return 0
	low=0 high=$days
	while [ $((high - low)) -gt 1 ]; do
		middle=$(((low + high) / 2))
		if outlives "$middle"; then low=$middle; else high=$middle; fi
	done
	days=$low
	[ "$days" -gt 0 ] || die 5 "the CA ($shown.crt) ends within a day"
}

# PATH DAYS: sets $ca, and $days as far as the CA lives; from here on there is a work directory.
open_authority() {
	shown=$1 ca=$R$1 days=$2
	command -v openssl >/dev/null 2>&1 || die 3 'there is no openssl on this host'
	if [ ! -r "$ca.key" ] || [ ! -r "$ca.crt" ]; then die 3 "$shown.key is not on this host (external CA)"; fi
	openssl x509 -noout -checkend 0 <"$ca.crt" >/dev/null 2>&1 || die 5 "the CA ($shown.crt) has expired"
	fit_days
	mkdir -p "$work" || die 1 'cannot write below /run/certfleet'
	trap 'rm -rf "$work"' EXIT
	trap 'exit 1' HUP INT TERM
}

# SUBJECT: the request is signed by its own key, and for nobody else.
check_request() {
	# Old versions end with 0 whatever they found.
	case $(openssl req -noout -verify <"$work/request" 2>&1) in
	*'verify OK'*) ;;
	*) die 4 'the request is not signed by its own key' ;;
	esac
	subject=$(openssl req -noout -subject -nameopt RFC2253 <"$work/request" 2>/dev/null)
	subject=${subject#subject=}
	[ "${subject# }" = "$1" ] || die 4 "the request is for another subject: $subject"
}

# USAGES NAMES: what the request itself asks for beside its subject counts for nothing.
write_config() {
	cat >"$work/config" <<END
[ca]
default_ca=own
[own]
database=$work/index
serial=$work/serial
new_certs_dir=$work
default_md=sha256
policy=any
x509_extensions=extensions
unique_subject=no
email_in_dn=no
[any]
organizationName=optional
commonName=supplied
[extensions]
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature,keyEncipherment
extendedKeyUsage=$1
authorityKeyIdentifier=keyid
${2:+subjectAltName=$2}
END
	random=$(openssl rand -hex 16 2>/dev/null)
	[ "${#random}" = 32 ] || die 1 'openssl gave no random number'
	# Positive, and as long as it may be guessed.
	printf '4%s\n' "${random#?}" >"$work/serial"
	: >"$work/index"
	: >"$work/index.attr"
}

# SUBJECT USAGES NAMES REQUEST: sets $certificate.
sign() {
	pem 'CERTIFICATE REQUEST' "$4" >"$work/request"
	check_request "$1"
	write_config "$2" "$3"
	rm -f "$work/certificate"
	# Clocks that are up to five minutes behind must not find it not yet valid.
	from=$(date -u -d "@$(($(date +%s) - 300))" +%y%m%d%H%M%SZ 2>/dev/null) || from=
	openssl ca -batch -notext -preserveDN -config "$work/config" -cert "$ca.crt" -keyfile "$ca.key" -passin pass: \
		${from:+-startdate "$from"} -days "$days" -in "$work/request" -out "$work/certificate" >/dev/null 2>"$work/err" </dev/null
	[ -s "$work/certificate" ] || die 1 "openssl did not sign: $(grep -v '^$' "$work/err" | tail -n 1)"
	certificate=$(sed -n '/^-----BEGIN/,/^-----END/p' "$work/certificate" | sed '/^-----/d' | tr -d '\r\n')
}
