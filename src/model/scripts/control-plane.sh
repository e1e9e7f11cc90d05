# Prepended to certfleet:containers and certfleet:stop-static-pods: how each runtime is asked.
set -u
R=${CERTFLEET_ROOT:-}
runtime=${1:-}
names='kube-apiserver kube-controller-manager kube-scheduler etcd'
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

# How to ask: docker, crictl or ctr. Exit status 3 when nothing can answer.
choose_tool() {
	case $runtime in
	docker)
		has docker || die 3 'the docker command is not installed'
		# A client would start a stopped docker through its socket; a question must not.
		if has systemctl && ! systemctl is-active docker.service >/dev/null 2>&1; then die 3 'docker is not running'; fi
		tool=docker
		;;
	containerd | cri-o)
		socket=$R/run/containerd/containerd.sock
		[ "$runtime" = containerd ] || socket=$R/run/crio/crio.sock
		if has crictl; then
			tool=crictl
		elif [ "$runtime" = containerd ] && has ctr; then
			tool=ctr
		else
			die 3 "crictl is not installed, so $runtime cannot be asked"
		fi
		;;
	*) die 2 "unknown runtime: $runtime" ;;
	esac
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
