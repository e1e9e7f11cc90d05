
# certfleet:inspect CERT_DIR LOGIN_USER [PATH...]: what decides whether a renewed certificate is in use. Reads only.
# One KEY<TAB>VALUE... line per answer. Tokens are looked at here; none is ever printed.
cert_dir=$1
login=${2:-}
shift
[ $# -eq 0 ] || shift

# Fields without tabs and newlines.
say() {
	row=$1
	shift
	for field in "$@"; do
		case $field in *[!A-Za-z0-9_./:@=,\ +-]*) field=$(printf '%s' "$field" | tr '\t\r\n' '   ') ;; esac
		row=$row$TAB$field
	done
	printf '%s\n' "$row"
}

# Seconds since the epoch when the process $1 was started: boot time plus field 22 of its stat.
started() {
	stat_line=
	IFS= read -r stat_line 2>/dev/null <"$R/proc/$1/stat" || return 1
	# The name in parentheses may hold blanks.
	rest=${stat_line##*) }
	# shellcheck disable=SC2086
	set -- $rest
	[ $# -ge 20 ] || return 1
	shift 19
	case $1 in '' | *[!0-9]*) return 1 ;; esac
	at=$((boot + $1 / ticks))
}

# Name of the program by its own first argument: calico's kube-controllers has the comm of kube-controller-manager.
program_of() {
	program=$(tr '\0' '\n' <"$R/proc/$1/cmdline" 2>/dev/null | head -n 1)
	program=${program##*/}
}

processes() {
	boot=$(sed -n 's/^btime //p' "$R/proc/stat" 2>/dev/null)
	case $boot in '' | *[!0-9]*) return 0 ;; esac
	ticks=$(getconf CLK_TCK 2>/dev/null) || ticks=100
	case $ticks in '' | 0 | *[!0-9]*) ticks=100 ;; esac
	for d in "$R"/proc/[0-9]*; do
		comm=
		IFS= read -r comm 2>/dev/null <"$d/comm" || continue
		case $comm in
		kube-apiserver | kube-controller | kube-scheduler | etcd | kubelet | kube-vip) ;;
		*) continue ;;
		esac
		pid=${d##*/}
		program_of "$pid"
		case $program in
		kube-apiserver | kube-controller-manager | kube-scheduler | etcd | kubelet | kube-vip) ;;
		*) continue ;;
		esac
		if started "$pid"; then say process "$program" "$pid" "$at"; fi
	done
}

addresses() {
	if has ip; then
		ip -o addr show 2>/dev/null | sed -n 's/^.* inet6\{0,1\} \([0-9A-Fa-f.:]*\).*$/\1/p'
	elif has hostname; then
		hostname -I 2>/dev/null | tr ' ' '\n'
	fi | while IFS= read -r a; do
		[ -z "$a" ] || say address "$a"
	done
}

# A kubeconfig with a client certificate inside or a path to one; sets $pem.
kubeconfig_pem() {
	kubeconfig "$1" "$2"
	key_data='' pem=''
	if [ -n "$cert_data" ]; then
		pem=$(printf '%s' "$cert_data" | decode | certificates)
	elif [ -n "$cert_path" ]; then
		if [ -f "$R$cert_path" ] && [ -r "$R$cert_path" ]; then pem=$(certificates <"$R$cert_path"); fi
	fi
}

# SOURCE PATH: a kubeconfig outside of kubeadm's own; a missing one is no row unless it was asked for by name.
copy() {
	source=$1 path=$2
	f=$R$path
	if [ ! -e "$f" ]; then
		if [ -L "$f" ]; then
			say @copy "$source" "$path" "dangling $(readlink "$f")" -
		elif [ "$source" = inventory ]; then
			say @copy "$source" "$path" missing -
		fi
		return 0
	fi
	mtime=$(stat -L -c %Y "$f" 2>/dev/null) || mtime=-
	if [ ! -f "$f" ] || [ ! -r "$f" ]; then
		say @copy "$source" "$path" 'unreadable is not a readable file' "$mtime"
		return 0
	fi
	kubeconfig_pem "$f" "$path"
	if [ -z "$pem" ]; then
		# A kubeconfig with a token or an exec plugin holds no certificate that could go stale.
		[ "$source" != inventory ] || say @copy "$source" "$path" 'unreadable holds no client certificate' "$mtime"
		return 0
	fi
	say @copy "$source" "$path" present "$mtime"
	printf '%s\n' "$pem"
}

home_of() {
	home=
	if has getent; then home=$(getent passwd "$1" 2>/dev/null); else home=$(sed -n "/^$1:/p" "$R/etc/passwd" 2>/dev/null); fi
	home=${home%:*}
	home=${home##*:}
}

copies() {
	copy root /root/.kube/config
	[ -n "$login" ] || login=${SUDO_USER:-${DOAS_USER:-}}
	case $login in
	'' | root | *[!A-Za-z0-9._-]*) ;;
	*)
		home_of "$login"
		[ -z "$home" ] || copy "user $login" "$home/.kube/config"
		;;
	esac
	for p in "$@"; do copy inventory "$p"; done
}

# Kubeconfigs that static pods mount: what kube-vip and its like authenticate with.
mounts() {
	for m in "$R$etc"/manifests/*.yaml; do
		if [ ! -f "$m" ] || [ ! -r "$m" ]; then continue; fi
		pod=${m##*/}
		pod=${pod%.yaml}
		sed -n 's/^[[:space:]-]*path:[[:space:]]*"\{0,1\}\(\/[^"[:space:]]*\)"\{0,1\}[[:space:]]*$/\1/p' "$m" | sort -u | while IFS= read -r p; do
			if [ ! -f "$R$p" ] || [ ! -r "$R$p" ]; then continue; fi
			grep -q '^kind:[[:space:]]*Config' "$R$p" 2>/dev/null || continue
			say mount "$pod" "$p"
			case $p in
			"$etc"/admin.conf | "$etc"/super-admin.conf | "$etc"/controller-manager.conf | "$etc"/scheduler.conf) ;;
			*) copy "pod $pod" "$p" ;;
			esac
		done
	done
}

# The number of a claim in the JSON on standard input.
claim() {
	printf '%s' "$json" | tr -d ' \n' | sed -n "s/^.*\"$1\":\([0-9][0-9]*\).*\$/\1/p"
}

tokens() {
	for f in "$R"/etc/cni/net.d/*kubeconfig "$R"/etc/cni/net.d/*/*kubeconfig; do
		if [ ! -f "$f" ] || [ ! -r "$f" ]; then continue; fi
		token=$(sed -n 's/^[[:space:]]*token:[[:space:]]*"\{0,1\}\([A-Za-z0-9._-]*\)"\{0,1\}[[:space:]]*$/\1/p' "$f" | head -n 1)
		[ -n "$token" ] || continue
		payload=${token#*.}
		payload=${payload%%.*}
		token=
		case $((${#payload} % 4)) in
		2) payload=$payload== ;;
		3) payload=$payload= ;;
		esac
		json=$(printf '%s' "$payload" | tr '_-' '/+' | decode | tr -d '\0')
		expires=$(claim exp) issued=$(claim iat)
		say cni-token "${f#"$R"}" "${expires:--}" "${issued:--}"
		json='' payload=''
	done
}

# NAME KEY FLAG: a setting of the kubelet, true or false; no line where its configuration cannot be read.
setting() {
	kubelet_setting "$2" "$3"
	if [ -r "$R/var/lib/kubelet/config.yaml" ] || [ -n "$value" ]; then say "$1" "${value:-unset}"; fi
}

processes
addresses
copies "$@"
mounts
tokens
setting rotate-certificates rotateCertificates rotate-certificates
setting server-tls-bootstrap serverTLSBootstrap rotate-server-certificates
for ca in ca etcd/ca front-proxy-ca; do
	if [ -f "$R$cert_dir/$ca.crt" ]; then
		if [ -f "$R$cert_dir/$ca.key" ]; then v=present; else v=absent; fi
		say ca-key "$ca" "$v"
	fi
done
exit 0
