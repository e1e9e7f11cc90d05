# certfleet:stop-static-pods RUNTIME SECONDS [RUN]: ends the control-plane containers and waits until none is left.
# A changed file reaches them only in a new process; a running kubelet would start them again under our hands, or, where no
# client can stop them, ends them itself once their manifests are parked outside of its directory.
seconds=${2:-}
run=${3:-by-hand}
case $seconds in '' | *[!0-9]*) die 2 "not a number of seconds: $seconds" ;; esac
case $run in . | .. | */* | '') die 2 "not a run: $run" ;; esac

kubelet_runs() {
	if has pidof; then
		pidof kubelet >/dev/null 2>&1 && return 0
	elif has pgrep; then
		pgrep -x kubelet >/dev/null 2>&1 && return 0
	fi
	# Between two tries of a crash loop there is no process, and the unit is `activating`.
	has systemctl || return 1
	case $(systemctl is-active kubelet.service 2>/dev/null) in
	active | activating | reloading) return 0 ;;
	esac
	return 1
}

stop_one() {
	case $tool in
	docker) docker stop -t "$seconds" "$1" ;;
	crictl) cri stop --timeout "$seconds" "$1" ;;
	ctr) ctr --address "$socket" -n k8s.io tasks kill --signal SIGTERM "$1" ;;
	esac >/dev/null
}

# Side by side all of the list $1: docker and crictl wait for their end, ctr and signals only ask.
stop_all() {
	if [ "$tool" = proc ]; then
		signal TERM "$1"
		return 0
	fi
	while IFS=$TAB read -r _ id; do
		[ -z "$id" ] || stop_one "$id" &
	done <<END
$1
END
	wait
}

# Not known is running.
api_server_runs() {
	now=$(running) || return 0
	case "
$now" in *"
kube-apiserver$TAB"*) return 0 ;; esac
	return 1
}

# Requests in flight end while etcd still answers; without it they would hold the API server up for all of the grace period.
stop_api_servers() {
	servers=$(printf '%s\n' "$before" | sed -n "/^kube-apiserver$TAB/p")
	[ -n "$servers" ] || return 0
	stop_all "$servers"
	case $tool in docker | crictl) return 0 ;; esac
	round=0
	while api_server_runs; do
		if [ "$round" -ge "$seconds" ]; then
			kill_rest "$servers"
			return 0
		fi
		sleep 1
		round=$((round + 1))
	done
}

# By number, and only while the number is still that process's.
signal() {
	processes | while IFS=$TAB read -r _ id pid; do
		case $2 in *"$id"*) kill "-$1" "$pid" 2>/dev/null ;; esac
	done
}

# ctr and signals only ask: after the grace period the rest is killed.
kill_rest() {
	case $tool in
	proc) signal KILL "$1" ;;
	ctr)
		printf '%s\n' "$1" | while IFS=$TAB read -r _ id; do
			[ -z "$id" ] || ctr --address "$socket" -n k8s.io tasks kill --signal SIGKILL "$id" >/dev/null
		done
		;;
	esac
	return 0
}

# Those of $1 that are not in $2.
report_gone() {
	printf '%s\n' "$1" | while IFS=$TAB read -r name id; do
		case $2 in
		*"$id"*) ;;
		*) printf 'stopped\t%s\t%s\n' "$name" "$id" ;;
		esac
	done
}

flat() {
	printf '%s' "$1" | tr '\t\n' '  '
}

# Waits until nothing of the control plane runs; sets $left. Counted in rounds of one second: a clock may jump.
wait_gone() {
	round=0
	left=$(running) || left=$before
	while [ -n "$left" ] && [ "$round" -lt "$1" ]; do
		if [ "$round" -eq "$seconds" ]; then kill_rest "$left"; fi
		sleep 1
		round=$((round + 1))
		left=$(running) || left=$before
	done
}

# Each manifest is whole in at least one of the two places at any time, whatever is cut short: copied under a name that the
# kubelet passes over, renamed, and only then removed where it was.
move() {
	cp -p "$1" "$2/.certfleet-${1##*/}" && mv -f "$2/.certfleet-${1##*/}" "$2/${1##*/}" && rm -f "$1"
}

# What an earlier run left parked comes back first. A manifest that somebody wrote meanwhile stays; ours is kept beside.
put_back() {
	for d in "$parked"/*; do
		[ -d "$d" ] || continue
		for f in "$d"/*.yaml; do
			[ -f "$f" ] || continue
			m=$manifests/${f##*/}
			if [ ! -e "$m" ]; then
				move "$f" "$manifests" || return 1
			elif [ "$(cat "$f")" = "$(cat "$m")" ]; then
				rm -f "$f" || return 1
			else
				mv -f "$f" "$f.superseded" || return 1
			fi
			printf 'back\t%s\n' "${f##*/}"
		done
		rm -f "$d/journal" "$d"/.certfleet-*
		rmdir "$d" 2>/dev/null || printf 'kept\t%s\n' "${d#"$R"}"
	done
	sync
	# A superseded copy is kept out of everybody's way.
	[ ! -d "$parked" ] || rmdir "$parked" 2>/dev/null || { mkdir -p "$R/var/lib/certfleet" && mv "$parked" "$R/var/lib/certfleet/parked-$run"; }
}

# The journal first, so that whoever finds the directory knows what it is.
park() {
	dir=$parked/$run
	(umask 077 && mkdir -p "$dir") || die 1 "cannot create ${dir#"$R"}"
	printf 'run\t%s\nsince\t%s\nfrom\t%s\nnames\t%s\ncure\tmove the manifests back to /etc/kubernetes/manifests once no process of theirs runs\n' \
		"$run" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "${manifests#"$R"}" "$names" >"$dir/.journal" && mv "$dir/.journal" "$dir/journal" && sync ||
		die 1 "cannot write ${dir#"$R"}/journal; nothing was moved"
	for n in $names; do
		[ -f "$manifests/$n.yaml" ] || continue
		move "$manifests/$n.yaml" "$dir" || {
			put_back
			die 1 "cannot move $n.yaml to ${dir#"$R"}; the manifests were put back"
		}
	done
	sync
}

# No client, and a kubelet that runs: it ends what has no manifest any more.
recycle_by_manifests() {
	park
	wait_gone "$((seconds + 60))"
	report_gone "$before" "$left"
	if [ -n "$left" ]; then
		die 4 "still running after $round seconds: $(flat "$left"). Their manifests stay in ${parked#"$R"}/$run, so that no second copy is started: end those processes, then move the manifests back to /etc/kubernetes/manifests"
	fi
	put_back || die 1 "cannot move the manifests back: they are in ${parked#"$R"}/$run, and belong in /etc/kubernetes/manifests"
	exit 0
}

# kube-vip talks to the API with the kubeconfig that it read at its start: it goes too where that file is newer.
vip_is_stale() {
	for m in "$manifests"/*.yaml; do
		if [ ! -f "$m" ] || ! grep -q 'image:.*kube-vip' "$m"; then continue; fi
		for p in $(sed -n 's/^[[:space:]-]*path:[[:space:]]*"\{0,1\}\(\/etc\/kubernetes\/[a-z-]*admin\.conf\)"\{0,1\}[[:space:]]*$/\1/p' "$m"); do
			written=$(stat -L -c %Y "$R$p" 2>/dev/null) || continue
			for d in "$R"/proc/[0-9]*; do
				comm=
				IFS= read -r comm 2>/dev/null <"$d/comm" || continue
				[ "$comm" = kube-vip ] || continue
				at=$(started_at "${d##*/}")
				if [ -n "$at" ] && [ "$at" -lt "$written" ]; then return 0; fi
			done
		done
	done
	return 1
}

if [ -d "$parked" ]; then
	put_back || die 1 "cannot move back what an earlier run left in ${parked#"$R"}: its manifests belong in /etc/kubernetes/manifests"
fi
if vip_is_stale; then names="$names kube-vip"; fi
choose_tool
if [ "$tool" != proc ] && kubelet_runs; then die 5 'the kubelet runs and would start the containers again; stop it first'; fi
before=$listed
[ -n "$before" ] || exit 0
if [ "$tool" = proc ] && kubelet_runs; then recycle_by_manifests; fi

stop_api_servers
stop_all "$(printf '%s\n' "$before" | sed "/^kube-apiserver$TAB/d")"
wait_gone "$((seconds + 30))"
report_gone "$before" "$left"
if [ -n "$left" ]; then
	die 4 "still running after $round seconds: $(flat "$left")"
fi
exit 0
