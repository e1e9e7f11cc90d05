# Prepended to the node's half of each certificate that another host signs: the key is made here and stays here.
# The script that follows names its work directory $work, and says in discard() what must not stay.
set -u
umask 077
R=${CERTFLEET_ROOT:-}

die() {
	code=$1
	shift
	printf '%s\n' "$*" >&2
	exit "$code"
}

has() {
	command -v "$1" >/dev/null 2>&1
}

give_up() {
	why=$1
	shift
	if [ -s "$work/err" ]; then why="$why: $(tail -n 1 "$work/err")"; fi
	discard
	die 1 "$why"
}

# SENTENCE WORDS...: gives up with SENTENCE, and what the command complains of, where it fails.
must() {
	sentence=$1
	shift
	complaint=$("$@" 2>&1) && return 0
	[ -z "$complaint" ] || sentence="$sentence: $(printf '%s\n' "$complaint" | tail -n 1)"
	give_up "$sentence"
}

# The base64 of a PEM file, on one line.
body() {
	sed -n '/^-----BEGIN/,/^-----END/p' | sed '/^-----/d' | tr -d '\r\n'
}

# KIND BASE64: a PEM file.
pem() {
	printf -- '-----BEGIN %s-----\n' "$1"
	printf '%s\n' "$2" | fold -w 64
	printf -- '-----END %s-----\n' "$1"
}

# FROM TO: whole under its name, or not there.
copy_whole() {
	cp -p "$1" "$2.partial" && write_out "$2.partial" && mv -f "$2.partial" "$2" && return 0
	rm -f "$2.partial"
	return 1
}

# A copy below $keep, made once: a run that goes on takes it for what was there before.
keep_file() {
	must "cannot create $keep" mkdir -p "$R$keep${1%/*}"
	[ -e "$R$keep$1" ] || must "cannot keep a copy of $1" copy_whole "$R$1" "$R$keep$1"
}

# TEXT FILE: a new key as that of the certificate which openssl described with TEXT; RSA 2048 where nobody knows.
make_key() {
	case $1 in
	*'ASN1 OID: secp384r1'*) curve=secp384r1 ;;
	*'ASN1 OID: secp521r1'*) curve=secp521r1 ;;
	*id-ecPublicKey*) curve=prime256v1 ;;
	*) curve= ;;
	esac
	bits=$(printf '%s\n' "$1" | sed -n 's/^.*Public-Key: (\([0-9]*\) bit.*$/\1/p' | head -n 1)
	case $bits in 3072 | 4096 | 8192) ;; *) bits=2048 ;; esac
	if [ -n "$curve" ]; then
		openssl ecparam -name "$curve" -genkey -noout -out "$2" 2>"$work/err"
	else
		openssl genrsa -out "$2" "$bits" 2>"$work/err"
	fi
}

# CERTIFICATE KEY: they belong together.
check_key() {
	theirs=$(openssl x509 -noout -pubkey <"$1" 2>/dev/null)
	ours=$(openssl pkey -pubout -passin pass: <"$2" 2>/dev/null)
	if [ -z "$theirs" ] || [ "$theirs" != "$ours" ]; then give_up 'the certificate does not belong to the key that was made here'; fi
}

# The subject of a certificate: CN=x,O=y.
subject_of() {
	subject=$(openssl x509 -noout -subject -nameopt RFC2253 <"$1")
	subject=${subject#subject=}
	printf '%s' "${subject# }"
}

# WORDS...: what openssl says of a certificate; the authorities of the system count for nothing.
verify() {
	SSL_CERT_DIR=/nonexistent SSL_CERT_FILE=/nonexistent openssl verify "$@" 2>&1
}

# CERTIFICATE AUTHORITY PURPOSE: valid now, and signed by that CA.
check_signature() {
	# A CA may be an intermediate one whose root is not here. OpenSSL before 1.0.2 does not know the option, and says how it is used.
	seen=$(verify -partial_chain -purpose "$3" -CAfile "$2" "$1")
	case $seen in *error* | *': OK') ;; *) seen=$(verify -purpose "$3" -CAfile "$2" "$1") ;; esac
	# Old versions end with 0 whatever they found.
	case $seen in
	*error*) give_up "the certificate does not pass: $(printf '%s\n' "$seen" | grep error | head -n 1)" ;;
	*': OK') ;;
	*) give_up 'the certificate could not be verified' ;;
	esac
}

# Old versions write everything out, whatever they are told.
write_out() {
	sync "$@" 2>/dev/null || sync
}
