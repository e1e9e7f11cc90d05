# Shared by up, down, doom and prove: places, names, addresses. Sourced, never run.
# shellcheck shell=bash disable=SC2034

HERE=$(cd -P "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=$HERE/.cache
RUN=$HERE/.run
NET=${CERTFLEET_NODES_NET:-10.213.77}
BRIDGE=cfnodes0
VIP=$NET.1

say() {
	printf '%s\n' "$*" >&2
}

die() {
	say "${0##*/}: $*"
	exit 1
}

need_root() {
	[ "$(id -u)" = 0 ] || die 'only root can boot hosts: run it with sudo'
}

# Names of the fleet's masters, of its workers, of both.
masters() {
	cut -d ' ' -f 1 "$RUN/masters"
}

workers() {
	cut -d ' ' -f 1 "$RUN/workers"
}

hosts() {
	masters
	workers
}

# The root directory of a running host, as seen from here.
root_of() {
	printf '%s/hosts/%s/root' "$RUN" "$1"
}

# A command line on a host, as root, over ssh.
on() {
	local host=$1
	shift
	ssh -F "$RUN/ssh_config" "$host" sudo -n sh -c "'$*'"
}

# The same on many hosts at once: `on_all "m1 m2" COMMAND`. Fails when one fails.
on_all() {
	local host pids=() bad=0
	for host in $1; do
		on "$host" "$2" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid" || bad=1; done
	return $bad
}

standins() {
	"$RUN/standins" lab "$@"
}

# Ends the process whose id is in the file $1, if it is still the program $2.
end_process() {
	local pid
	[ -f "$1" ] || return 0
	pid=$(cat "$1")
	if [ -n "$pid" ] && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q "$2"; then
		# The host's own init is nspawn's child: when it dies, all of the host dies.
		local child
		for child in $(cat "/proc/$pid/task/$pid/children" 2>/dev/null); do kill -KILL "$child" 2>/dev/null || :; done
		kill -KILL "$pid" 2>/dev/null || :
	fi
	rm -f "$1"
}

# Waits up to $1 seconds until the command after it succeeds.
within() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.5
	done
}

ssh_answers() {
	(exec 3<>"/dev/tcp/$1/22") 2>/dev/null
}
