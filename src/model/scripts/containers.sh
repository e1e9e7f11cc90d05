# certfleet:containers RUNTIME: NAME<TAB>ID<TAB>STARTED of each running control-plane container. Reads only.

# Process $1's start, RFC 3339.
process_start() {
	at=$(started_at "$1")
	[ -z "$at" ] || date -u -d "@$at" +%Y-%m-%dT%H:%M:%SZ 2>/dev/null
}

# When the container $1 was started, RFC 3339, or `-`. $2 is its process, where that is how it was found.
started() {
	at=
	case $tool in
	docker) at=$(docker inspect --format '{{.State.StartedAt}}' "$1" 2>/dev/null) ;;
	crictl) at=$(cri inspect "$1" 2>/dev/null | sed -n 's/^.*"startedAt": *"\([^"]*\)".*$/\1/p' | head -n 1) ;;
	ctr) pid=$(pid_of "$1") && at=$(process_start "$pid") ;;
	proc) at=$(process_start "$2") ;;
	esac
	printf '%s' "${at:--}"
}

choose_tool
found=$listed
[ "$tool" != proc ] || found=$(processes)
printf '%s\n' "$found" | while IFS=$TAB read -r name id pid; do
	[ -z "$id" ] || printf '%s\t%s\t%s\n' "$name" "$id" "$(started "$id" "${pid:-}")"
done
exit 0
