# certfleet:supervise MODE JOB WAIT WORDS...: runs WORDS once per JOB, in a session of its own, so that a lost connection ends nothing.
# MODE start runs it or, when it was started before, waits for it; attach only waits, at most WAIT seconds.
# Output and exit status are the command's own. The last line of standard error says what is known of the job.
set -u
umask 077
R=${CERTFLEET_ROOT:-}
mode=$1 job=$2 wait=$3
shift 3
case $job in '' | */../* | ../* | /*) printf 'certfleet:supervise refused bad name\n' >&2; exit 2 ;; esac
dir=$R/run/certfleet/$job
boot=$(cat "$R/proc/sys/kernel/random/boot_id" 2>/dev/null || printf unknown)

# What the command wrote, its exit status, and how it ended.
tell() {
	cat "$dir/out" 2>/dev/null
	cat "$dir/err" >&2 2>/dev/null
	code=$(cat "$dir/rc")
	printf '\ncertfleet:supervise exited %s\n' "$code" >&2
	exit "$code"
}

refuse() {
	printf 'certfleet:supervise refused %s\n' "$1" >&2
	exit 1
}

if [ "$mode" = start ]; then
	mkdir -p "${dir%/*}" || refuse "cannot create ${dir%/*}"
	if mkdir "$dir" 2>/dev/null; then
		: >"$dir/out" && : >"$dir/err" || refuse "cannot write to $dir"
		# The inner shell is told nothing by a terminal or a connection that goes away.
		inner='printf "%s\n" "$$" >"$0/pid" || exit 1; "$@" </dev/null >"$0/out" 2>"$0/err"; printf "%s\n" "$?" >"$0/rc.new" && mv "$0/rc.new" "$0/rc"'
		if command -v setsid >/dev/null 2>&1; then
			setsid sh -c "trap '' HUP; $inner" "$dir" "$@" </dev/null >/dev/null 2>&1 &
		else
			sh -c "trap '' HUP; $inner" "$dir" "$@" </dev/null >/dev/null 2>&1 &
		fi
		wait "$!"
		[ -s "$dir/rc" ] && tell
	fi
fi

if [ ! -d "$dir" ]; then
	printf 'certfleet:supervise none %s\n' "$boot" >&2
	exit 1
fi
waited=0
until [ -s "$dir/rc" ]; do
	pid=$(cat "$dir/pid" 2>/dev/null || printf '')
	if [ -n "$pid" ] && ! kill -0 "$pid" 2>/dev/null && [ ! -s "$dir/rc" ]; then
		printf 'certfleet:supervise vanished\n' >&2
		exit 1
	fi
	# Not even a process number: the host's disk was full, or the first shell was killed at once.
	if [ -z "$pid" ] && [ "$waited" -ge 5 ]; then
		printf 'certfleet:supervise vanished\n' >&2
		exit 1
	fi
	if [ "$waited" -ge "$wait" ]; then
		printf 'certfleet:supervise running\n' >&2
		exit 1
	fi
	sleep 1
	waited=$((waited + 1))
done
tell
