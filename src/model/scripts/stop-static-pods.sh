# certfleet:stop-static-pods RUNTIME SECONDS [RUN [API_SECONDS]]: ends the control-plane containers and waits until none is left.
# A changed file reaches them only in a new process; a running kubelet would start them again under our hands, or, where no
# client can stop them, ends them itself once their manifests are parked outside of its directory.
seconds=${2:-}
run=${3:-by-hand}
api_own=${4:-10}
case $seconds in '' | *[!0-9]*) die 2 "not a number of seconds: $seconds" ;; esac
case $api_own in *[!0-9]*) die 2 "not a number of seconds: $api_own" ;; esac
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

# $1: a container; $2: the seconds it has.
stop_one() {
	case $tool in
	docker) docker stop -t "$2" "$1" ;;
	crictl) cri stop --timeout "$2" "$1" ;;
	ctr) ctr --address "$socket" -n k8s.io tasks kill --signal SIGTERM "$1" ;;
	esac >/dev/null
}

# Side by side all of $1, each with $2 seconds.
stop_each() {
	while IFS=$TAB read -r _ id; do
		stop_one "$id" "$2" &
	done <<END
$1
END
	wait
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

# The lines of $1 that are API servers; with $2 the others.
apis_of() {
	printf '%s\n' "$1" | grep ${2:+"$2"} "^kube-apiserver$TAB"
}

others_of() {
	apis_of "$1" -v | grep .
}

# Waits until nothing runs of what $3 takes from the list; sets $left. At most $1 rounds of one second, as a clock may jump; what is
# left after $2 of them is killed.
wait_gone() {
	round=0
	while :; do
		left=$(running) || left=$before
		left=$("$3" "$left")
		if [ -z "$left" ] || [ "$round" -ge "$1" ]; then return 0; fi
		if [ "$round" -eq "$2" ]; then kill_rest "$left"; fi
		sleep 1
		round=$((round + 1))
	done
}

all_of() {
	printf '%s' "$1"
}

# Seconds an API server has. Told to end, it closes its port and then waits for watches, which do not end: 60 s (measured: 1.20), so
# that a kubelet kills it after its 30 s. Requests are answered long before; during --shutdown-delay-duration it takes new ones.
api_seconds() {
	delay=$(sed -n 's/^[^#]*--shutdown-delay-duration=\([^"'\'', ]*\).*$/\1/p' "$manifests/kube-apiserver.yaml" 2>/dev/null | head -n 1)
	delay=${delay:-0s}
	case ${delay%s} in
	'' | *[!0-9]*) printf '%s' "$seconds" ;;
	*) if [ $((${delay%s} + api_own)) -lt "$seconds" ]; then printf '%s' $((${delay%s} + api_own)); else printf '%s' "$seconds"; fi ;;
	esac
}

# Ends what $1 takes from the list of what ran; each has $2 seconds.
end_them() {
	group=$("$1" "$before")
	[ -n "$group" ] || return 0
	if [ "$tool" = proc ]; then signal TERM "$group"; else stop_each "$group" "$2"; fi
	wait_gone "$(($2 + 30))" "$2" "$1"
	waited=$((waited + round))
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
	wait_gone "$((seconds + 60))" "$seconds" all_of
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

# The API server first, while its etcd still answers: requests in flight would fail, or hold it up for all of its time.
waited=0
end_them apis_of "$(api_seconds)"
end_them others_of "$seconds"
wait_gone 0 1 all_of
report_gone "$before" "$left"
if [ -n "$left" ]; then
	die 4 "still running after $waited seconds: $(flat "$left")"
fi
exit 0
