# certfleet:stop-static-pods RUNTIME SECONDS: stops the control-plane containers and waits until none is left.
# A changed file reaches them only in a new process; a running kubelet would start them again under our hands.
seconds=${2:-}
case $seconds in '' | *[!0-9]*) die 2 "not a number of seconds: $seconds" ;; esac

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

# ctr only sends signals: after the grace period the rest is killed.
kill_rest() {
	[ "$tool" = ctr ] || return 0
	printf '%s\n' "$1" | while IFS=$TAB read -r _ id; do
		[ -z "$id" ] || ctr --address "$socket" -n k8s.io tasks kill --signal SIGKILL "$id" >/dev/null
	done
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

if kubelet_runs; then die 5 'the kubelet runs and would start the containers again; stop it first'; fi
choose_tool
before=$(running) || die 3 "$runtime does not answer"
[ -n "$before" ] || exit 0

while IFS=$TAB read -r _ id; do
	stop_one "$id" &
done <<END
$before
END
wait

# Counted in rounds of one second: a clock may jump.
round=0
left=$(running) || left=$before
while [ -n "$left" ] && [ "$round" -lt "$((seconds + 30))" ]; do
	if [ "$round" -eq "$seconds" ]; then kill_rest "$left"; fi
	sleep 1
	round=$((round + 1))
	left=$(running) || left=$before
done
report_gone "$before" "$left"
if [ -n "$left" ]; then
	die 4 "still running after $round seconds: $(printf '%s' "$left" | tr '\t\n' '  ')"
fi
exit 0
