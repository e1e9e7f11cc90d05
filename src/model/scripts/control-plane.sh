# Prepended to certfleet:containers and certfleet:stop-static-pods: how each runtime is asked.
set -u
R=${CERTFLEET_ROOT:-}
runtime=${1:-}
names='kube-apiserver kube-controller-manager kube-scheduler etcd'
manifests=$R/etc/kubernetes/manifests
parked=$R/etc/kubernetes/certfleet-parked
TAB=$(printf '\t')

has() {
	command -v "$1" >/dev/null 2>&1
}

die() {
	code=$1
	shift
	printf '%s\n' "$*" >&2
	exit "$code"
}

cri() {
	crictl --runtime-endpoint "unix://$socket" --timeout 20s "$@"
}

# How to ask: docker, crictl, ctr; else `proc`, with the reason in $why. Sets $listed to what runs. $client_known: there is a
# client, so ids seen before may be its own.
choose_tool() {
	tool=proc why='' client_known=0
	case $runtime in
	docker)
		# A client would start a stopped docker through its socket; a question must not.
		if ! has docker; then
			why='the docker command is not installed'
		elif has systemctl && ! systemctl is-active docker.service >/dev/null 2>&1; then
			why='docker is not running' client_known=1
		else
			tool=docker
		fi
		;;
	containerd | cri-o)
		socket=$R/run/containerd/containerd.sock
		[ "$runtime" = containerd ] || socket=$R/run/crio/crio.sock
		if has crictl; then
			tool=crictl
		elif [ "$runtime" = containerd ] && has ctr; then
			tool=ctr
		else
			why="crictl is not installed, so $runtime cannot be asked"
		fi
		;;
	*) die 2 "unknown runtime: $runtime" ;;
	esac
	# A client that fails (another version, a stopped runtime) is as good as none.
	if [ "$tool" != proc ] && ! listed=$(running); then
		why="$runtime does not answer" client_known=1 tool=proc
	fi
	[ "$tool" = proc ] || return 0
	[ -r "$R/proc/stat" ] || die 3 "$why, and /proc cannot be read"
	listed=$(running) || die 3 "$why, and its containers cannot be told from /proc"
}

# NAME<TAB>ID of each running control-plane container.
running() {
	case $tool in
	docker) docker_running '{{.Label "io.kubernetes.container.name"}}'"$TAB"'{{.ID}}' ;;
	crictl)
		for n in $names; do
			ids=$(cri ps --quiet --no-trunc --state Running --name "^$n\$" --label io.kubernetes.pod.namespace=kube-system) || return 1
			for id in $ids; do printf '%s\t%s\n' "$n" "$id"; done
		done
		;;
	ctr) ctr_running ;;
	proc)
		all=$(processes) || return 1
		[ -z "$all" ] || printf '%s\n' "$all" | while IFS=$TAB read -r n id _; do printf '%s\t%s\n' "$n" "$id"; done
		;;
	esac
}

docker_running() {
	all=$(docker ps --no-trunc --filter label=io.kubernetes.pod.namespace=kube-system --filter status=running --format "$1") || return 1
	printf '%s\n' "$all" | while IFS=$TAB read -r n rest; do
		case " $names " in *" $n "*) [ -z "$n" ] || printf '%s\t%s\n' "$n" "$rest" ;; esac
	done
}

ctr_running() {
	tasks=$(ctr --address "$socket" -n k8s.io tasks ls) || return 1
	tasks=$(printf '%s\n' "$tasks" | sed -n 's/^\([^ ]*\) .*RUNNING.*$/\1/p')
	for n in $names; do
		filter="labels.\"io.kubernetes.container.name\"==$n,labels.\"io.kubernetes.pod.namespace\"==kube-system"
		ids=$(ctr --address "$socket" -n k8s.io containers ls -q "$filter") || return 1
		for id in $ids; do
			case "
$tasks
" in *"
$id
"*) printf '%s\t%s\n' "$n" "$id" ;; esac
		done
	done
}

# NAME<TAB>ID<TAB>PID of the static pods' own processes, without any client. ID is the runtime's container id, as the
# process's control group has it; else the process itself, number and start.
processes() {
	for d in "$R"/proc/[0-9]*; do
		comm=
		IFS= read -r comm 2>/dev/null <"$d/comm" || continue
		case $comm in kube-apiserver | kube-controller | kube-scheduler | etcd | kube-vip) ;; *) continue ;; esac
		pid=${d##*/}
		program=$(tr '\0' '\n' 2>/dev/null <"$d/cmdline" | head -n 1)
		program=${program##*/}
		case " $names " in *" $program "*) ;; *) continue ;; esac
		# A zombie has no command line; a process of somebody else's pod has other flags.
		if [ -z "$program" ] || ! of_manifest "$program" "$pid"; then continue; fi
		id=$(sed -n 's/^.*[/:-]\([0-9a-f]\{64\}\)\(\.scope\)\{0,1\}\(\/.*\)\{0,1\}$/\1/p' "$d/cgroup" 2>/dev/null | head -n 1)
		if [ -z "$id" ]; then
			# Ids from the client could not be compared with a process's.
			[ "$client_known" = 0 ] || return 1
			id=process-$pid-$(ticks_of "$pid")
		fi
		printf '%s\t%s\t%s\n' "$program" "$id" "$pid"
	done
}

# Whether the first flag of process $2 is in the manifest of $1: another cluster's (kind, a nested one) has other flags, or no manifest here.
# One without flags (a service of the machine) is nobody's pod.
of_manifest() {
	flag=$(tr '\0' '\n' 2>/dev/null <"$R/proc/$2/cmdline" | sed -n '/^--/{p;q;}')
	for f in "$manifests/$1.yaml" "$parked"/*/"$1.yaml"; do
		if [ -f "$f" ] && [ -n "$flag" ] && grep -qF -e "$flag" "$f"; then return 0; fi
	done
	return 1
}

# Field 22 of /proc/PID/stat: clock ticks from boot to the start of the process.
ticks_of() {
	stat_line=
	IFS= read -r stat_line 2>/dev/null <"$R/proc/$1/stat" || stat_line=
	# The name in parentheses may hold blanks.
	rest=${stat_line##*) }
	# shellcheck disable=SC2086
	set -- $rest
	if [ $# -ge 20 ]; then
		shift 19
		printf '%s' "$1"
	else
		printf 0
	fi
}

# Seconds since the epoch when process $1 was started; nothing when it is not known.
started_at() {
	boot=$(sed -n 's/^btime //p' "$R/proc/stat" 2>/dev/null)
	hertz=$(getconf CLK_TCK 2>/dev/null) || hertz=100
	case $hertz in '' | 0 | *[!0-9]*) hertz=100 ;; esac
	ticks=$(ticks_of "$1")
	case $boot$ticks in '' | *[!0-9]*) return 0 ;; esac
	[ -z "$boot" ] || [ "$ticks" = 0 ] || printf '%s' "$((boot + ticks / hertz))"
}

# The process of container $1.
pid_of() {
	for d in "$R"/proc/[0-9]*; do
		if grep -q "$1" "$d/cgroup" 2>/dev/null; then
			program=$(tr '\0' '\n' 2>/dev/null <"$d/cmdline" | head -n 1)
			case " $names " in *" ${program##*/} "*) printf '%s' "${d##*/}" && return 0 ;; esac
		fi
	done
	return 1
}
