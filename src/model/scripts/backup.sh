# certfleet:backup RUN DIRECTORY CERT_DIR [KUBECTL]: a root-only copy of what a renewal changes. The copy gets its name last.
set -u
umask 077
R=${CERTFLEET_ROOT:-}
run=$1 directory=$2 cert_dir=$3 kubectl=${4:-}
target=$R$directory/$run
partial=$target.partial

die() {
	code=$1
	shift
	printf '%s\n' "$*" >&2
	exit "$code"
}

give_up() {
	cd / && rm -rf "$partial"
	die 1 "$@"
}

# Absolute directory without symlinks, or nothing.
real() {
	(cd -P "$1" 2>/dev/null && pwd -P)
}

# Copies the content of the directory $1 to the same path below the copy.
copy() {
	mkdir -p "$partial$1" || give_up "cannot create $directory/$run.partial$1"
	cp -a "$R$1/." "$partial$1/" || give_up "cannot copy $1"
}

# Prints the line; the sums have been verified or just been made.
report() {
	files=$(wc -l <SHA256SUMS)
	bytes=$(find . -type f ! -path ./SHA256SUMS -exec cat {} + | wc -c)
	printf 'backup\t%s\t%s\t%s\n' "$directory/$run" "$((files))" "$((bytes))"
}

case $run in '' | . | .. | */*) die 2 "not a run: $run" ;; esac
case $directory in /*) ;; *) die 2 "not an absolute directory: $directory" ;; esac
[ -d "$R/etc/kubernetes" ] || die 3 '/etc/kubernetes is not there: nothing to back up'
kubernetes=$(real "$R/etc/kubernetes") || die 3 '/etc/kubernetes cannot be entered'
# Lexically first, so that not even an empty directory is made there; then by where links lead.
case $directory/ in "/etc/kubernetes/"* | */../*) die 2 "a backup must not be below /etc/kubernetes: $directory" ;; esac
mkdir -p "$R$directory" || die 1 "cannot create $directory"
case $(real "$R$directory")/ in "$kubernetes/"*) die 2 "a backup must not be below /etc/kubernetes: $directory" ;; esac

if [ -d "$target" ]; then
	cd "$target" || die 1 "cannot enter $directory/$run"
	sha256sum -c SHA256SUMS >/dev/null 2>&1 || die 4 "$directory/$run does not match its SHA256SUMS; move it away"
	report
	exit 0
fi

rm -rf "$partial"
mkdir "$partial" || die 1 "cannot create $directory/$run.partial"
copy /etc/kubernetes
if [ -d "$R/var/lib/kubelet/pki" ]; then copy /var/lib/kubelet/pki; fi
if [ -f "$R/var/lib/kubelet/config.yaml" ]; then
	mkdir -p "$partial/var/lib/kubelet" || give_up 'cannot create var/lib/kubelet'
	cp -p "$R/var/lib/kubelet/config.yaml" "$partial/var/lib/kubelet/" || give_up 'cannot copy /var/lib/kubelet/config.yaml'
fi
# A PKI elsewhere, or a link to elsewhere of which only the link was copied.
certificates=$(real "$R$cert_dir") || certificates=
case $certificates/ in
/ | "$kubernetes/"*) ;;
*)
	mkdir -p "$partial/cert-dir" || give_up 'cannot create cert-dir'
	cp -a "$certificates/." "$partial/cert-dir/" || give_up "cannot copy $cert_dir"
	;;
esac

# What kubeadm was told (certificatesDir, external etcd, validity): asked now, for a day on which nobody answers.
ask_config() {
	set -- "$kubectl" --kubeconfig="$R/etc/kubernetes/admin.conf" --request-timeout=5s -n kube-system get configmap kubeadm-config \
		--output='jsonpath={.data.ClusterConfiguration}'
	if command -v timeout >/dev/null 2>&1; then timeout 20 "$@"; else "$@"; fi
}
if [ -n "$kubectl" ] && command -v "$kubectl" >/dev/null 2>&1 && [ -f "$R/etc/kubernetes/admin.conf" ]; then
	config=$(ask_config 2>/dev/null </dev/null) || config=
	case $config in
	*'kind: ClusterConfiguration'*) printf '%s\n' "$config" >"$partial/kubeadm-config.yaml" || give_up 'cannot write kubeadm-config.yaml' ;;
	*)
		# What an earlier backup kept is handed on: that one may be removed some day. Names begin with their time.
		kept=
		for f in "$R$directory"/*/kubeadm-config.yaml; do
			case $f in *.partial/*) ;; *) [ ! -s "$f" ] || kept=$f ;; esac
		done
		[ -z "$kept" ] || cp -p "$kept" "$partial/kubeadm-config.yaml" || give_up 'cannot copy kubeadm-config.yaml'
		;;
	esac
fi

cd "$partial" || die 1 "cannot enter $directory/$run.partial"
find . -type f ! -path ./SHA256SUMS -exec sha256sum {} + >SHA256SUMS || give_up 'cannot make SHA256SUMS'
sync
mv "$partial" "$target" || give_up "cannot rename $directory/$run.partial"
report
exit 0
