# certfleet:facts CERT_DIR KUBEADM: what this host is, one KEY<TAB>VALUE line per answer. Reads only.
set -u
R=${CERTFLEET_ROOT:-}
cert_dir=$1
kubeadm=$2

say() {
	[ -z "$2" ] || printf '%s\t%s\n' "$1" "$2"
}

# First line of a file, without a fork.
first_line() {
	v=
	if [ -f "$1" ] && [ -r "$1" ]; then IFS= read -r v <"$1" || :; fi
}

has() {
	command -v "$1" >/dev/null 2>&1
}

present_if() {
	if "$@"; then printf present; else printf absent; fi
}

# A directory we may not search hides its files: then the answer is "not known".
file_state() {
	d=${2%/*}
	if [ ! -d "$d" ] || [ -x "$d" ]; then say "$1" "$(present_if [ -f "$2" ])"; fi
}

os_name() {
	[ -r "$R/etc/os-release" ] || return 0
	while IFS= read -r line || [ -n "$line" ]; do
		case $line in
		PRETTY_NAME=*)
			v=${line#PRETTY_NAME=}
			v=${v#[\"\']}
			say os "${v%[\"\']}"
			return 0
			;;
		esac
	done <"$R/etc/os-release"
}

static_pods() {
	for f in "$R"/etc/kubernetes/manifests/*.yaml; do
		[ -f "$f" ] || continue
		f=${f##*/}
		say static-pod "${f%.yaml}"
	done
	# A run that was cut short may have left some beside the kubelet's directory: they are still meant to run.
	for f in "$R"/etc/kubernetes/certfleet-parked/*/*.yaml; do
		[ -f "$f" ] || continue
		say parked "${f#"$R"}"
		f=${f##*/}
		[ -f "$R/etc/kubernetes/manifests/$f" ] || say static-pod "${f%.yaml}"
	done
}

# Where the API server finds etcd: one URL per line.
etcd_servers() {
	f=$R/etc/kubernetes/manifests/kube-apiserver.yaml
	[ -r "$f" ] || return 0
	sed -n "/^[[:space:]]*#/!s/^.*--etcd-servers=\([^\"'[:space:]]*\).*\$/\1/p" "$f" | tail -n 1 | tr ',' '\n' | while IFS= read -r v; do
		say etcd-server "$v"
	done
}

# Kubernetes that kubeadm did not make, and does not renew.
distribution() {
	for d in k3s rke2; do
		if [ -d "$R/var/lib/rancher/$d" ]; then say distribution "$d"; fi
	done
}

# What a server of k3s or RKE2 leaves to others, by its configuration or the flags of its unit. Both may hold a token: nothing but
# these words is looked for, and nothing of the files is printed.
left_to_others() {
	for w in disable-etcd disable-apiserver; do
		if cat "$R"/etc/rancher/k3s/config.yaml "$R"/etc/rancher/k3s/config.yaml.d/*.yaml \
			"$R"/etc/rancher/rke2/config.yaml "$R"/etc/rancher/rke2/config.yaml.d/*.yaml 2>/dev/null |
			grep -Eq "^[[:space:]]*[\"']?$w[\"']?[[:space:]]*:[[:space:]]*[\"']?[Tt]rue"; then
			say left-to-others "$w"
		elif cat "$R"/etc/systemd/system/k3s.service "$R"/etc/systemd/system/k3s.service.d/*.conf \
			"$R"/etc/systemd/system/rke2-server.service "$R"/etc/systemd/system/rke2-server.service.d/*.conf 2>/dev/null |
			grep -v '^[[:space:]]*#' | grep -Eq -e "--$w(=[Tt]rue|[^-=[:alnum:]]|\$)"; then
			say left-to-others "$w"
		fi
	done
}

# HTTP status of the API server that admin.conf names, as ca.crt vouches for it; 000 when nobody answers.
api_status() {
	server=$(sed -n 's/^[[:space:]]*server:[[:space:]]*"\{0,1\}\([^"[:space:]]*\).*$/\1/p' "$R/etc/kubernetes/admin.conf" 2>/dev/null | head -n 1)
	if [ -z "$server" ] || ! has curl; then return 0; fi
	curl -q --silent --noproxy '*' --connect-timeout 2 --max-time 4 --cacert "$R$cert_dir/ca.crt" --output /dev/null \
		--write-out '%{http_code}' "$server/healthz" 2>/dev/null
}

# The newest configuration that a backup of a healthy day kept, when kubeadm cannot ask the API for it now. Runs' names begin with their time.
kept_config() {
	kept=
	for f in "$R"/var/lib/certfleet/backups/*/kubeadm-config.yaml; do
		case $f in *.partial/*) ;; *) [ ! -s "$f" ] || kept=${f#"$R"} ;; esac
	done
	[ -n "$kept" ] || return 0
	case $(api_status) in 2?? | 401 | 403) ;; *) say kubeadm-config "$kept" ;; esac
}

advertise_address() {
	f=$R/etc/kubernetes/manifests/kube-apiserver.yaml
	[ -r "$f" ] || return 0
	say advertise-address "$(flag_of "$f" advertise-address)"
}

kubelet_server() {
	f=$R/etc/kubernetes/kubelet.conf
	[ -r "$f" ] || return 0
	say kubelet-server "$(sed -n 's/^[[:space:]]*"\{0,1\}server"\{0,1\}:[[:space:]]*"\{0,1\}\([^",[:space:]]*\).*$/\1/p' "$f" | head -n 1)"
}

# FILE: its whole certificates, and nothing else of it, on one line.
certificates_of() {
	if [ ! -f "$1" ] || [ ! -r "$1" ]; then return 0; fi
	inside=0 block='' cr=$(printf '\r')
	while IFS= read -r line || [ -n "$line" ]; do
		line=${line%"$cr"}
		case $line in
		'-----BEGIN CERTIFICATE-----') inside=1 block=$line ;;
		'-----END CERTIFICATE-----')
			[ "$inside" = 0 ] || printf '%s%s' "$block" "$line"
			inside=0
			;;
		# A block with any foreign line is dropped: it might run into a key.
		*[!A-Za-z0-9+/=]* | '') inside=0 ;;
		*) [ "$inside" = 0 ] || block=$block$line ;;
		esac
	done <"$1"
}

# An API server that shows, to all or to some names, another certificate than kubeadm's: it may well be of another authority.
serves_another() {
	f=$R/etc/kubernetes/manifests/kube-apiserver.yaml
	[ -r "$f" ] || return 0
	shown=$(flag_of "$f" tls-cert-file)
	# One and the same by a link, or by another way to write it, is kubeadm's.
	[ "$(readlink -f "$R${shown:-$cert_dir/apiserver.crt}")" = "$(readlink -f "$R$cert_dir/apiserver.crt")" ] || shown=another
	if [ "$shown" = another ] || [ -n "$(flag_of "$f" tls-sni-cert-key)" ]; then
		say serves-another yes
	fi
}

# The cluster's authority as this host has it, and the one that its kubelet believes; both are public.
authorities() {
	say cluster-ca "$(certificates_of "$R$cert_dir/ca.crt")"
	serves_another
	f=$R/etc/kubernetes/kubelet.conf
	[ -r "$f" ] || return 0
	v=$(sed -n 's/^[[:space:]]*"\{0,1\}certificate-authority-data"\{0,1\}:[[:space:]]*"\{0,1\}\([A-Za-z0-9+\/=]*\).*$/\1/p' "$f" | head -n 1)
	if [ -z "$v" ]; then
		p=$(sed -n 's/^[[:space:]]*certificate-authority:[[:space:]]*"\{0,1\}\([^"[:space:]]*\).*$/\1/p' "$f" | head -n 1)
		[ -z "$p" ] || v=$(certificates_of "$R$p")
	fi
	say kubelet-ca "$v"
}

# What this kubelet calls itself: the last flag counts, and kubeadm's come first.
hostname_override() {
	v=
	for f in "$R/var/lib/kubelet/kubeadm-flags.env" "$R/etc/default/kubelet" "$R/etc/sysconfig/kubelet"; do
		[ -r "$f" ] || continue
		# systemd leaves out the lines that begin with either (systemd.exec(5), EnvironmentFile=).
		found=$(sed -n "/^[[:space:]]*[#;]/!s/^.*--hostname-override[= ]\([^\"' ]*\).*\$/\1/p" "$f" | tail -n 1)
		v=${found:-$v}
	done
	say hostname-override "$v"
}

# The first user of kubelet.conf.
kubelet_user() {
	f=$R/etc/kubernetes/kubelet.conf
	[ -r "$f" ] || return 0
	say kubelet-user "$(sed -n '/^users:/,$s/^[[:space:]]*-\{0,1\}[[:space:]]*name:[[:space:]]*"\{0,1\}\([^"[:space:]]*\).*$/\1/p' "$f" | head -n 1)"
}

serving_requested() {
	v=$(sed -n 's/^serverTLSBootstrap:[[:space:]]*\([a-z]*\).*$/\1/p' "$R/var/lib/kubelet/config.yaml" 2>/dev/null | head -n 1)
	flag=$(sed -n 's/^.*--rotate-server-certificates=\([a-z]*\).*$/\1/p' "$R/var/lib/kubelet/kubeadm-flags.env" 2>/dev/null | head -n 1)
	say serving-requested "${flag:-$v}"
}

# Of interfaces that are the host's own: those of pods, bridges and services exist on every node, or belong to nobody.
addresses() {
	has ip || return 0
	ip -o addr show scope global 2>/dev/null | while read -r _ name family address _; do
		case $name in lo | docker* | br-* | cni* | cali* | veth* | flannel* | vxlan* | tunl* | cilium* | lxc* | weave* | kube-* | nodelocaldns* | virbr*) continue ;; esac
		case $family in inet | inet6) say address "${address%%/*}" ;; esac
	done
}

# NAME ADDRESS PORT
listen() {
	case $3 in '' | *[!0-9]*) ;; *) say listen "$1	${2:--}	$3" ;; esac
}

# FILE FLAG: the last value of --FLAG=, which is the one that counts, without what YAML or a shell puts around it; comments do not count.
flag_of() {
	sed -n "/^[[:space:]]*#/!s/^.*--$2=\([^\"',[:space:]]*\).*\$/\1/p" "$1" 2>/dev/null | tail -n 1
}

# Where servers listen, if they were told: etcd by URLs, the others by port and address.
listens() {
	for n in kube-apiserver kube-controller-manager kube-scheduler; do
		f=$R/etc/kubernetes/manifests/$n.yaml
		[ ! -r "$f" ] || listen "$n" "$(flag_of "$f" bind-address)" "$(flag_of "$f" secure-port)"
	done
	f=$R/etc/kubernetes/manifests/etcd.yaml
	if [ -r "$f" ]; then
		for n in client peer; do
			v=$(flag_of "$f" "listen-$n-urls")
			v=${v#https://}
			listen "etcd-$n" "${v%:*}" "${v##*:}"
		done
	fi
	f=$R/var/lib/kubelet/config.yaml
	g=$R/var/lib/kubelet/kubeadm-flags.env
	v=$(flag_of "$g" port)
	[ -n "$v" ] || v=$(sed -n 's/^port:[[:space:]]*\([0-9]*\).*$/\1/p' "$f" 2>/dev/null | head -n 1)
	a=$(flag_of "$g" address)
	[ -n "$a" ] || a=$(sed -n 's/^address:[[:space:]]*"\{0,1\}\([0-9A-Fa-f.:]*\).*$/\1/p' "$f" 2>/dev/null | head -n 1)
	listen kubelet "$a" "$v"
}

# The kubelet's own answer to "which runtime": its flags, then its configuration file (1.27 and later).
runtime_endpoint() {
	v=
	f=$R/var/lib/kubelet/kubeadm-flags.env
	[ ! -r "$f" ] || v=$(flag_of "$f" container-runtime-endpoint)
	f=$R/var/lib/kubelet/config.yaml
	if [ -z "$v" ] && [ -r "$f" ]; then
		v=$(sed -n 's/^containerRuntimeEndpoint:[[:space:]]*"\{0,1\}\([^" ]*\).*$/\1/p' "$f" | head -n 1)
	fi
	say runtime-endpoint "$v"
}

disk_free() {
	df -Pk "$R/var/lib" 2>/dev/null | {
		IFS= read -r _ || return 0
		read -r _ _ _ free _ || return 0
		case $free in
		'' | *[!0-9]*) ;;
		*) say disk-free "$((free * 1024))" ;;
		esac
	}
}

dockerd_arguments() {
	pid=
	if has pidof; then pid=$(pidof dockerd 2>/dev/null); elif has pgrep; then pid=$(pgrep -x dockerd 2>/dev/null); fi
	pid=${pid%%[!0-9]*}
	if [ -n "$pid" ] && [ -r "$R/proc/$pid/cmdline" ]; then
		tr '\0' ' ' <"$R/proc/$pid/cmdline" 2>/dev/null
	elif has systemctl; then
		systemctl show --property=ExecStart docker.service 2>/dev/null
	fi
}

# Never asks the daemon: that would start a stopped one through its socket.
live_restore() {
	if [ ! -r "$R/etc/docker/daemon.json" ] && ! has dockerd; then return 0; fi
	v=false
	if [ -r "$R/etc/docker/daemon.json" ]; then
		case $(tr -d ' \t\r\n' <"$R/etc/docker/daemon.json") in
		*'"live-restore":true'*) v=true ;;
		esac
	fi
	case $(dockerd_arguments) in
	*--live-restore=false*) ;;
	*--live-restore*) v=true ;;
	esac
	say live-restore "$v"
}

sockets() {
	for s in /run/docker.sock /run/cri-dockerd.sock /run/dockershim.sock /run/containerd/containerd.sock /run/crio/crio.sock; do
		if [ -S "$R$s" ] || [ -S "$R/var$s" ]; then say socket "$s"; fi
	done
}

say uid "$(id -u 2>/dev/null)"
first_line "$R/proc/sys/kernel/hostname"
say hostname "${v:-$(uname -n 2>/dev/null)}"
first_line "$R/etc/machine-id"
say machine-id "$v"
first_line "$R/proc/sys/kernel/random/boot_id"
say boot-id "$v"
os_name
if has "$kubeadm"; then say kubeadm "$("$kubeadm" version -o short 2>/dev/null </dev/null | head -n 1)"; fi
if has kubelet; then say kubelet "$(kubelet --version 2>/dev/null </dev/null | head -n 1)"; fi
file_state ca-key "$R$cert_dir/ca.key"
file_state ca-crt "$R$cert_dir/ca.crt"
static_pods
advertise_address
etcd_servers
kubelet_server
authorities
hostname_override
kubelet_user
serving_requested
addresses
kept_config
distribution
left_to_others
listens
runtime_endpoint
disk_free
live_restore
sockets
for program in crictl curl openssl; do say "$program" "$(present_if has "$program")"; done
exit 0
