
# certfleet:etcd-certificates VERB ARGS...: the half of a host whose certificates are signed by etcd's CA, when its key is elsewhere.
# request CERT_DIR NAMES | install CERT_DIR NAMES KEEP CERTIFICATES | discard CERT_DIR
# NAMES as kubeadm says them. Requests and certificates are the base64 of their DER, in that order, with commas between them.
# KEEP is the directory in which what is replaced is kept.
verb=$1
pki=$2
# In memory: gone with a restart of the host.
work=$R/run/certfleet/etcd-certificates
all='apiserver-etcd-client etcd-server etcd-peer etcd-healthcheck-client'

# NAME: sets $file, the path without `.crt`.
file_of() {
	case $1 in
	apiserver-etcd-client) file=$pki/apiserver-etcd-client ;;
	etcd-server) file=$pki/etcd/server ;;
	etcd-peer) file=$pki/etcd/peer ;;
	etcd-healthcheck-client) file=$pki/etcd/healthcheck-client ;;
	*) die 2 "not a certificate of etcd's CA: $1" ;;
	esac
}

# Where a file of this host really is.
real_of() {
	real=$(readlink -f "$R$1" 2>/dev/null)
	[ -n "$real" ] || real=$R$1
}

# Nothing of a request that will not be finished stays.
discard() {
	rm -rf "$work"
	for one in $all; do
		file_of "$one"
		for end in key crt; do
			real_of "$file.$end"
			rm -f "$real.certfleet"
		done
	done
}

# Names, or usages, of a certificate, one a line. FILE HEADING
extension() {
	openssl x509 -noout -text <"$1" | sed -n "/X509v3 $2:/{n;p;}" | tr ',' '\n' | sed 's/^[[:space:]]*//;s/[[:space:]]*$//' | sort
}

request() {
	has openssl || die 3 'there is no openssl on this host'
	discard
	mkdir -p "$work" || die 1 'cannot write below /run/certfleet'
	answer=
	for name in $names; do
		file_of "$name"
		old=$(openssl x509 -noout -text <"$R$file.crt" 2>/dev/null)
		[ -n "$old" ] || give_up "$file.crt holds no certificate whose subject could be taken over"
		make_key "$old" "$work/$name.key" || give_up 'no key could be made'
		# The subject of the old certificate, byte by byte. In between a certificate for the new key: before OpenSSL 3 a request
		# has the public key of what it is made from.
		openssl x509 -sha256 -days 1 -in "$R$file.crt" -signkey "$work/$name.key" >"$work/$name.self" 2>"$work/err" ||
			give_up 'no request could be made'
		openssl x509 -x509toreq -sha256 -in "$work/$name.self" -signkey "$work/$name.key" >"$work/$name.request" 2>"$work/err" ||
			give_up 'no request could be made'
		answer=$answer${answer:+,}$(body <"$work/$name.request")
	done
	printf 'request\t%s\n' "$answer"
}

# The certificate in $work/$name.crt: for this key, by this CA, valid now, and for all that the old one is for.
check_certificate() {
	new=$work/$name.crt
	check_key "$new" "$work/$name.key"
	[ "$(subject_of "$new")" = "$(subject_of "$R$file.crt")" ] || give_up "$name: the certificate is for another subject: $(subject_of "$new")"
	[ "$(extension "$new" 'Subject Alternative Name')" = "$(extension "$R$file.crt" 'Subject Alternative Name')" ] ||
		give_up "$name: the certificate is for other names than the old one"
	extension "$new" 'Extended Key Usage' >"$work/usages"
	extension "$R$file.crt" 'Extended Key Usage' >"$work/usages.old"
	while IFS= read -r usage; do
		grep -qxF "$usage" "$work/usages" || give_up "$name: the certificate is not for $usage, as the old one is"
	done <"$work/usages.old"
	check_signature "$new" "$R$pki/etcd/ca.crt" sslclient
	if grep -q 'Server Authentication' "$work/usages"; then check_signature "$new" "$R$pki/etcd/ca.crt" sslserver; fi
}

# FROM TO: the content alone.
fill() {
	cat "$1" >"$2"
}

# FROM FILE: beside the file that it will replace, with its owner and mode.
put_beside() {
	real_of "$2"
	if [ -f "$real" ]; then
		keep_file "$2"
		must "cannot write beside $2" cp -p "$real" "$real.certfleet"
	fi
	must "cannot write beside $2" fill "$1" "$real.certfleet"
	[ -f "$real" ] || chmod 600 "$real.certfleet"
	write_out "$real.certfleet"
}

# The key first: a certificate that is new is whole.
replace() {
	real_of "$file.key"
	must "cannot replace $file.key" mv -f "$real.certfleet" "$real"
	real_of "$file.crt"
	complaint=$(mv -f "$real.certfleet" "$real" 2>&1) && return 0
	real_of "$file.key"
	[ ! -f "$R$keep$file.key" ] || cp -p "$R$keep$file.key" "$real"
	give_up "cannot replace $file.crt: $complaint"
}

install() {
	keep=$1 rest=$2
	# What an earlier step said is not why this one fails.
	rm -f "$work/err"
	for name in $names; do
		[ -s "$work/$name.key" ] || die 3 'no request is pending on this host (was it restarted?); start again'
	done
	for name in $names; do
		file_of "$name"
		one=${rest%%,*}
		case $rest in *,*) rest=${rest#*,} ;; *) rest= ;; esac
		pem CERTIFICATE "$one" >"$work/$name.crt"
		check_certificate
	done
	for name in $names; do
		file_of "$name"
		put_beside "$work/$name.key" "$file.key"
		put_beside "$work/$name.crt" "$file.crt"
	done
	for name in $names; do
		file_of "$name"
		replace
		printf 'installed\t%s\t%s\n' "$file.crt" "$(openssl x509 -noout -enddate <"$R$file.crt" | sed 's/^notAfter=//')"
	done
	rm -rf "$work"
}

names=
if [ "$verb" != discard ]; then
	names=$(printf '%s' "$3" | tr ',' ' ')
	for name in $names; do file_of "$name"; done
	[ -n "$names" ] || die 2 'no certificate is named'
fi
case $verb in
request) request ;;
install) install "$4" "$5" ;;
discard) discard ;;
*) die 2 "no such verb: $verb" ;;
esac
exit 0
