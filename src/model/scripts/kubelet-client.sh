
# certfleet:kubelet-client VERB ARGS...: the node's half of a new client certificate for its kubelet. The key is made here and stays here.
# request CERT_DIR NODE | install CERT_DIR NODE KEEP CERTIFICATE | repoint KEEP | retire-serving KEEP | discard
# KEEP is the directory in which what is replaced is kept. Certificates and requests are the base64 of their DER, on one line.
verb=$1
shift
conf=/etc/kubernetes/kubelet.conf
pki=/var/lib/kubelet/pki
current=$pki/kubelet-client-current.pem
# In memory: gone with a restart of the host.
work=$R/run/certfleet/kubelet-client

# Nothing of a request that will not be finished stays: neither its key nor a file that nobody was pointed at.
discard() {
	if [ -s "$work/target" ]; then
		IFS= read -r orphan <"$work/target" || :
		case $orphan in
		"$pki"/kubelet-client-*.pem) [ "$(readlink "$R$current" 2>/dev/null)" = "$R$orphan" ] || rm -f "$R$orphan" ;;
		esac
	fi
	rm -rf "$work"
	rm -f "$R$pki/.certfleet-new.pem" "$R$pki/.certfleet-link"
}

# As the API server knows the node: what follows `system:node:`.
check_node() {
	case $1 in '' | *[!a-z0-9.-]* | [.-]* | *[.-]) die 2 "not the name of a node: $1" ;; esac
}

# Lines of kubelet.conf with this key (a basic regular expression).
lines() {
	grep -c "^[[:space:]]*$1" "$R$conf" 2>/dev/null
}

# Sets $rewrite: whether kubelet.conf must be made to name the link. Ends where that cannot be done by certfleet.
look_at_conf() {
	if [ ! -f "$R$conf" ] || [ ! -r "$R$conf" ]; then die 3 "$conf is not there: this node must join the cluster anew"; fi
	certificates=$(lines 'client-certificate\(-data\)\{0,1\}:[[:space:]]*[^[:space:]|>]')
	keys=$(lines 'client-key\(-data\)\{0,1\}:[[:space:]]*[^[:space:]|>]')
	q="[\"']\{0,1\}"
	pointed=$(lines "client-certificate:[[:space:]]*${q}$current${q}[[:space:]]*\$")
	key_pointed=$(lines "client-key:[[:space:]]*${q}$current${q}[[:space:]]*\$")
	rewrite=yes
	if [ "$certificates" != 1 ] || [ "$keys" != 1 ]; then
		die 6 "$conf names $certificates client certificates and $keys keys, one of each is expected: make its user name $current by hand"
	fi
	if [ "$pointed" = 1 ] && [ "$key_pointed" = 1 ]; then rewrite=no; fi
}

# Server, CA, context and user stay as they are; only where the certificate is found changes.
rewrite_conf() {
	real=$(readlink -f "$R$conf") || real=$R$conf
	new=${real%/*}/.kubelet.conf.certfleet
	keep_file "$conf"
	must "cannot write beside $conf" cp -p "$real" "$new"
	sed -e "s|^\([[:space:]]*\)client-certificate\(-data\)\{0,1\}:.*\$|\1client-certificate: $current|" \
		-e "s|^\([[:space:]]*\)client-key\(-data\)\{0,1\}:.*\$|\1client-key: $current|" "$real" >"$new"
	if [ ! -s "$new" ] || ! mv -f "$new" "$real"; then
		rm -f "$new"
		give_up "cannot rewrite $conf"
	fi
}

# What openssl says of the certificate that is replaced; nothing where there is none.
old_certificate() {
	if [ -f "$R$current" ]; then
		openssl x509 -noout -text <"$R$current" 2>/dev/null
	else
		data=$(sed -n 's/^[[:space:]]*client-certificate-data:[[:space:]]*"\{0,1\}\([A-Za-z0-9+\/=]*\).*$/\1/p' "$R$conf" | head -n 1)
		[ -z "$data" ] || printf '%s' "$data" | fold -w 64 | openssl base64 -d 2>/dev/null | openssl x509 -noout -text 2>/dev/null
	fi
}

request() {
	node=$2
	check_node "$node"
	has openssl || die 3 'there is no openssl on this host'
	look_at_conf
	discard
	mkdir -p "$work" || die 1 'cannot write below /run/certfleet'
	make_key "$(old_certificate)" "$work/key" || give_up 'no key could be made'
	printf '[req]\nprompt=no\ndistinguished_name=name\n[name]\nO=system:nodes\nCN=system:node:%s\n' "$node" >"$work/config"
	openssl req -new -sha256 -config "$work/config" -key "$work/key" -out "$work/request" 2>"$work/err" || give_up 'no request could be made'
	printf 'request\t%s\n' "$(body <"$work/request")"
}

# Sets $authority: the CA that this node trusts.
authority() {
	authority=$R$1/ca.crt
	[ -f "$authority" ] && return 0
	authority=$work/ca.crt
	data=$(sed -n 's/^[[:space:]]*certificate-authority-data:[[:space:]]*"\{0,1\}\([A-Za-z0-9+\/=]*\).*$/\1/p' "$R$conf" | head -n 1)
	[ -n "$data" ] || give_up "neither $1/ca.crt nor $conf holds the cluster's CA"
	printf '%s' "$data" | fold -w 64 | openssl base64 -d >"$authority" 2>/dev/null
}

# The certificate in $work/certificate: for this key, this node, by this CA, valid now.
check_certificate() {
	check_key "$work/certificate" "$work/key"
	subject=$(subject_of "$work/certificate")
	[ "$subject" = "CN=system:node:$2,O=system:nodes" ] || give_up "the certificate is for another subject: $subject"
	authority "$1"
	check_signature "$work/certificate" "$authority" sslclient
}

# Sets $target: a new dated file with certificate and key, as the kubelet names its own.
store() {
	stamp=$(date +%Y-%m-%d-%H-%M-%S)
	target=$pki/kubelet-client-$stamp.pem number=1
	while [ -e "$R$target" ]; do
		target=$pki/kubelet-client-$stamp-$number.pem number=$((number + 1))
	done
	mkdir -p "$R$pki" || give_up "cannot create $pki"
	printf '%s\n' "$target" >"$work/target" || give_up 'cannot write below /run/certfleet'
	cat "$work/certificate" "$work/key" >"$R$pki/.certfleet-new.pem" || give_up "cannot write to $pki"
	write_out "$R$pki/.certfleet-new.pem"
	mv -f "$R$pki/.certfleet-new.pem" "$R$target" || give_up "cannot write $target"
}

# The link changes in one step. Where a file stood instead of a link, it is kept.
point() {
	if [ -f "$R$current" ] && [ ! -L "$R$current" ]; then
		cp -p "$R$current" "$R$pki/kubelet-client-before-$stamp.pem" || give_up "cannot keep a copy of $current"
	fi
	rm -f "$R$pki/.certfleet-link"
	ln -s "$R$target" "$R$pki/.certfleet-link" || give_up "cannot make a link in $pki"
	mv -T -f "$R$pki/.certfleet-link" "$R$current" 2>/dev/null || mv -f "$R$pki/.certfleet-link" "$R$current" || give_up "cannot replace $current"
}

install() {
	keep=$3
	# What an earlier step said is not why this one fails.
	rm -f "$work/err"
	check_node "$2"
	[ -s "$work/key" ] || die 3 'no request is pending on this host (was it restarted?); start again'
	pem CERTIFICATE "$4" >"$work/certificate"
	look_at_conf
	check_certificate "$1" "$2"
	store
	point
	[ "$rewrite" = no ] || rewrite_conf
	rm -rf "$work"
	printf 'installed\t%s\t%s\n' "$target" "$(openssl x509 -noout -enddate <"$R$target" | sed 's/^notAfter=//')"
}

repoint() {
	keep=$1
	openssl x509 -noout -checkend 0 <"$R$current" >/dev/null 2>&1 || die 3 "$current holds no valid certificate to point at"
	look_at_conf
	[ "$rewrite" = no ] || rewrite_conf
	printf 'repointed\t%s\n' "$conf"
}

# A kubelet makes a new self-signed pair where it finds none; an expired one it goes on serving.
retire_serving() {
	keep=$1
	if [ ! -f "$R$pki/kubelet.crt" ] || ! openssl x509 -noout <"$R$pki/kubelet.crt" 2>/dev/null; then
		printf 'kept\tnothing there\n'
	elif openssl x509 -noout -checkend 0 <"$R$pki/kubelet.crt" >/dev/null 2>&1; then
		printf 'kept\tnot expired\n'
	else
		keep_file "$pki/kubelet.crt"
		[ ! -f "$R$pki/kubelet.key" ] || keep_file "$pki/kubelet.key"
		rm -f "$R$pki/kubelet.key" "$R$pki/kubelet.crt" || die 1 "cannot remove $pki/kubelet.crt"
		printf 'retired\t%s\n' "$pki/kubelet.crt"
	fi
}

case $verb in
request) request "$@" ;;
install) install "$@" ;;
repoint) repoint "$@" ;;
retire-serving) retire_serving "$@" ;;
discard) discard ;;
*) die 2 "no such verb: $verb" ;;
esac
exit 0
