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

# Installs what is missing of PROGRAM:PACKAGE…, where apt can.
install_tools() {
	local tool missing=()
	for tool in "$@"; do command -v "${tool%:*}" >/dev/null || missing+=("${tool#*:}"); done
	[ ${#missing[@]} -gt 0 ] || return 0
	command -v apt-get >/dev/null || die "not installed: ${missing[*]}"
	say "installing ${missing[*]}"
	DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "${missing[@]}" >/dev/null 2>&1 ||
		{ apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "${missing[@]}"; } >/dev/null 2>&1 ||
		die "apt-get install ${missing[*]} failed"
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

# docker or containerd.
runtime_of() {
	awk -v name="$1" '$1 == name { print $3 }' "$RUN/masters" "$RUN/workers"
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
	if [ -n "$pid" ] && { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -q "$2"; then
		# The host's own init is nspawn's child: when it dies, all of the host dies.
		local child
		for child in $(cat "/proc/$pid/task/$pid/children" 2>/dev/null); do kill -KILL "$child" 2>/dev/null || :; done
		kill -KILL "$pid" 2>/dev/null || :
	fi
	rm -f "$1"
}

# The cgroups below which the host $1 lives: one in each hierarchy of version 1, or the one of version 2.
cgroups_of() {
	local top
	if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
		echo "/sys/fs/cgroup/cfnodes/$1"
		return
	fi
	for top in /sys/fs/cgroup/*/; do [ ! -f "$top/cgroup.procs" ] || echo "${top}cfnodes/$1"; done
}

# A machine has one fleet, whoever brought it up: cgroups, bridge and addresses are the same. Refuses to end that of another checkout.
OWNER=/run/cfnodes.owner

leave_others_alone() {
	local owner
	owner=$(cat "$OWNER" 2>/dev/null) || return 0
	if [ "$owner" = "$RUN" ] || [ ! -d "$owner" ] || [ -z "$(leftovers)" ]; then return 0; fi
	die "a fleet of another checkout is up: end it with ${owner%/.run}/down"
}

# Processes that live in the hosts' own cgroups.
leftovers() {
	local group
	for group in $(cgroups_of x); do
		group=${group%/x}
		[ ! -d "$group" ] || find "$group" -name cgroup.procs -exec cat {} + 2>/dev/null
	done | sort -u
}

# Becomes the command after $1, in cgroups of the host's own: without them the hosts' systemds would share one tree.
enter_cgroup() {
	local group parent
	for group in $(cgroups_of "$1"); do
		mkdir -p "$group"
		parent=${group%/*/*}
		case $parent in
		*/cpuset)
			for file in cpuset.cpus cpuset.mems; do
				for g in "$parent/cfnodes" "$group"; do cat "$parent/$file" >"$g/$file"; done
			done 2>/dev/null
			;;
		esac
		echo "$BASHPID" >"$group/cgroup.procs"
	done
	shift
	exec env "$@"
}

# Ends what still lives in the hosts' own cgroups: all of it was started by up, also when nspawn itself is gone.
end_leftovers() {
	local pid
	leftovers | while read -r pid; do
		[ "$pid" -le 1 ] || kill -KILL "$pid" 2>/dev/null || :
	done
}

# Removes what enter_cgroup and the hosts made. Fails while something is left.
remove_cgroups() {
	local group left=0
	for group in $(cgroups_of x); do
		group=${group%/x}
		[ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null || :
		[ ! -d "$group" ] || left=1
	done
	return $left
}

# A host's end of a cable goes when the host is gone for good: a moment after its last process.
remove_links() {
	local link left=0
	for link in /sys/class/net/vb-cfn-*; do
		[ -e "$link" ] || continue
		ip link del "${link##*/}" 2>/dev/null || left=1
	done
	return $left
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
