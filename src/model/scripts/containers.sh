# certfleet:containers RUNTIME: NAME<TAB>ID<TAB>STARTED of each running control-plane container. Reads only.

# When the container $1 was started, RFC 3339, or `-`.
started() {
	at=
	case $tool in
	docker) at=$(docker inspect --format '{{.State.StartedAt}}' "$1" 2>/dev/null) ;;
	crictl) at=$(cri inspect "$1" 2>/dev/null | sed -n 's/^.*"startedAt": *"\([^"]*\)".*$/\1/p' | head -n 1) ;;
	esac
	printf '%s' "${at:--}"
}

choose_tool
found=$(running) || die 3 "$runtime does not answer"
printf '%s\n' "$found" | while IFS=$TAB read -r name id; do
	[ -z "$id" ] || printf '%s\t%s\t%s\n' "$name" "$id" "$(started "$id")"
done
exit 0
