
# certfleet:read-certificates CERT_DIR: the public part of every certificate of a kubeadm node. Reads only.
# Private keys are compared here, by their public halves.
pki=$1
kubelet=/var/lib/kubelet/pki

# The public half of a private key on standard input.
public_of_key() {
	openssl pkey -pubout -passin pass: 2>/dev/null
}

# match | mismatch | unknown: the certificate in $pem against the public key in $1.
compare() {
	if [ -z "$1" ]; then
		key=unknown
		return
	fi
	theirs=$(printf '%s\n' "$pem" | openssl x509 -noout -pubkey 2>/dev/null)
	if [ -z "$theirs" ]; then
		key=unknown
	elif [ "$theirs" = "$1" ]; then
		key=match
	else
		key=mismatch
	fi
}

# Sets $key for the key file $1.
compare_file() {
	if [ ! -e "$1" ]; then
		key=absent
	elif [ ! -f "$1" ] || [ ! -r "$1" ] || ! has openssl; then
		key=unknown
	else
		compare "$(public_of_key <"$1")"
	fi
}

header() {
	printf '@certificate\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" "$5"
}

unreadable() {
	header "$name" "$path" "unreadable $1" "$mtime" unknown
}

# Sets $mtime and $size, or says why the file $1 cannot be read and fails.
open_file() {
	mtime=- size=0
	if [ -L "$1" ] && [ ! -e "$1" ]; then
		header "$name" "$path" "dangling $(readlink "$1" | tr '\t\n' '  ' | sed 's/ $//')" - unknown
		return 1
	fi
	if [ ! -e "$1" ]; then
		if [ -d "${1%/*}" ] && [ ! -x "${1%/*}" ]; then
			unreadable 'permission denied'
		else
			header "$name" "$path" missing - unknown
		fi
		return 1
	fi
	found=$(stat -L -c '%Y %s' "$1" 2>/dev/null) || found='- 0'
	mtime=${found% *} size=${found#* }
	why=
	if [ -d "$1" ]; then
		why='is a directory'
	elif [ ! -f "$1" ]; then
		why='is not a regular file'
	elif [ ! -r "$1" ]; then
		why='permission denied'
	elif [ "$size" -gt 1048576 ]; then
		why="is too large ($size bytes)"
	elif [ ! -s "$1" ]; then
		why='is empty'
	fi
	[ -n "$why" ] || return 0
	unreadable "$why"
	return 1
}

# NAME PATH KEY_PATH: a PEM file. The key may be in the same file.
pem_row() {
	name=$1 path=$2
	open_file "$R$path" || return 0
	pem=$(certificates <"$R$path" 2>/dev/null)
	if [ -z "$pem" ]; then
		unreadable 'holds no certificate'
		return 0
	fi
	compare_file "$R$3"
	header "$name" "$path" present "$mtime" "$key"
	printf '%s\n' "$pem"
}

# NAME PATH: the client certificate of a kubeconfig.
kubeconfig_row() {
	name=$1 path=$2
	open_file "$R$path" || return 0
	kubeconfig "$R$path" "$path"
	if [ -z "$cert_data" ]; then
		if [ -n "$cert_path" ]; then pem_row "$name" "$cert_path" "${key_path:-$cert_path}"; else unreadable 'holds no client certificate'; fi
		return 0
	fi
	pem=$(printf '%s' "$cert_data" | decode | certificates)
	if [ -z "$pem" ]; then
		unreadable 'holds a client-certificate-data that is not a certificate'
		return 0
	fi
	if [ -z "$key_data" ]; then
		if [ -n "$key_path" ]; then compare_file "$R$key_path"; else key=absent; fi
	elif has openssl; then
		compare "$(printf '%s' "$key_data" | decode | public_of_key)"
	else
		key=unknown
	fi
	key_data=
	header "$name" "$path" present "$mtime" "$key"
	printf '%s\n' "$pem"
}

there() {
	[ -e "$R$1" ] || [ -L "$R$1" ]
}

any_there() {
	for p in "$@"; do
		if there "$p"; then return 0; fi
	done
	return 1
}

# NAME FILE: a certificate of the PKI, its key beside it.
pki_row() {
	pem_row "$1" "$pki/$2.crt" "$pki/$2.key"
}

# COMPONENT FLAG: sets $flag to the value in its manifest, if that is an absolute path. As the component has it: no comment counts, and
# of a flag that is given twice the last one. Read once, without a process: there are many flags.
flag_of() {
	flag=
	if [ "$flags_of" != "$1" ]; then
		flags_of=$1 flags=
		[ -r "$R$etc/manifests/$1.yaml" ] || return 0
		while IFS= read -r line || [ -n "$line" ]; do
			case $line in '#'*) continue ;; esac
			line=${line%%[ $TAB]#*}
			case $line in *--*=*) flags="$flags $line " ;; esac
		done <"$R$etc/manifests/$1.yaml"
	fi
	case $flags in *"--$2="*) ;; *) return 0 ;; esac
	flag=${flags##*"--$2="}
	flag=${flag%%[\"\', $CR]*}
	case $flag in /*) ;; *) flag= ;; esac
}

# FILE FILE: one and the same, by links.
same_file() {
	[ "$(readlink -f "$R$1" 2>/dev/null)" = "$(readlink -f "$R$2" 2>/dev/null)" ]
}

# NAME FILE COMPONENT FLAG KEY_FLAG: the file that the component was told to take, if this host has it; else kubeadm's.
told_row() {
	flag_of "$3" "$4"
	own=$flag
	if [ -z "$own" ] || [ "$own" = "$pki/$2.crt" ] || ! there "$own" || same_file "$own" "$pki/$2.crt"; then
		pki_row "$1" "$2"
		return 0
	fi
	flag_of "$3" "$5"
	pem_row "$1" "$own" "${flag:-$own}"
}

control_plane() {
	told_row apiserver apiserver kube-apiserver tls-cert-file tls-private-key-file
	told_row apiserver-kubelet-client apiserver-kubelet-client kube-apiserver kubelet-client-certificate kubelet-client-key
	told_row front-proxy-client front-proxy-client kube-apiserver proxy-client-cert-file proxy-client-key-file
	flag_of kube-apiserver etcd-certfile
	if there "$pki/apiserver-etcd-client.crt" || there "$etc/manifests/etcd.yaml" || [ -n "$flag" ]; then
		told_row apiserver-etcd-client apiserver-etcd-client kube-apiserver etcd-certfile etcd-keyfile
	fi
	for n in admin.conf controller-manager.conf scheduler.conf; do kubeconfig_row "$n" "$etc/$n"; done
	if there "$etc/super-admin.conf"; then kubeconfig_row super-admin.conf "$etc/super-admin.conf"; fi
}

# Certificate-authority row: on a node that need not have it, only when it is there.
ca_row() {
	if [ "$3" = 1 ] || there "$pki/$2.crt"; then pki_row "$1" "$2"; fi
}

kubelet_rows() {
	if there "$kubelet/kubelet-client-current.pem"; then
		pem_row kubelet-client "$kubelet/kubelet-client-current.pem" "$kubelet/kubelet-client-current.pem"
		embedded_kubelet kubelet.conf
	else
		embedded_kubelet kubelet-client || pem_row kubelet-client "$kubelet/kubelet-client-current.pem" /
	fi
	kubelet_setting tlsCertFile tls-cert-file
	if [ -n "$value" ]; then
		own=$value
		kubelet_setting tlsPrivateKeyFile tls-private-key-file
		pem_row kubelet-serving "$own" "${value:-$own}"
	elif there "$kubelet/kubelet-server-current.pem"; then
		pem_row kubelet-serving "$kubelet/kubelet-server-current.pem" "$kubelet/kubelet-server-current.pem"
	else
		pem_row kubelet-serving "$kubelet/kubelet.crt" "$kubelet/kubelet.key"
	fi
}

# NAME: the certificate inside kubelet.conf (the init node of kubeadm before 1.17). Fails when there is none inside.
embedded_kubelet() {
	if [ ! -f "$R$etc/kubelet.conf" ] || [ ! -r "$R$etc/kubelet.conf" ]; then return 1; fi
	kubeconfig "$R$etc/kubelet.conf" "$etc/kubelet.conf"
	key_data=
	if [ -z "$cert_data" ]; then
		case $cert_path in '' | "$kubelet/kubelet-client-current.pem") return 1 ;; esac
	fi
	kubeconfig_row "$1" "$etc/kubelet.conf"
}

# etcd runs here, or did until its manifest was moved away. Files alone are left over from earlier days where the API server
# of this host finds its etcd elsewhere.
is_member() {
	if there "$m/etcd.yaml"; then return 0; fi
	for f in "$R$etc"/certfleet-parked/*/etcd.yaml; do
		[ ! -e "$f" ] || return 0
	done
	any_there "$pki/etcd/server.crt" "$pki/etcd/peer.crt" || return 1
	flag_of kube-apiserver etcd-servers
	servers=${flags##*--etcd-servers=}
	[ "$servers" != "$flags" ] || return 0
	case ${servers%%[\"\' $CR]*} in '' | *://127.0.0.1* | *://localhost* | *'://[::1]'*) return 0 ;; esac
	return 1
}

master=0 member=0 flags_of='' flags=''
m=$etc/manifests
# A recovery by hand may have moved the manifests away: the files of a control plane tell as well.
if any_there "$m/kube-apiserver.yaml" "$m/kube-controller-manager.yaml" "$m/kube-scheduler.yaml" "$pki/apiserver.crt" "$etc/admin.conf"; then master=1; fi
if is_member; then member=1; fi

[ "$master" = 0 ] || control_plane
if [ "$member" = 1 ]; then
	told_row etcd-server etcd/server etcd cert-file key-file
	told_row etcd-peer etcd/peer etcd peer-cert-file peer-key-file
	pki_row etcd-healthcheck-client etcd/healthcheck-client
fi
ca_row ca ca "$master"
ca_row etcd-ca etcd/ca "$member"
ca_row front-proxy-ca front-proxy-ca "$master"
kubelet_rows
exit 0
