# certfleet:drain VERB RUN NODE KUBECTL [SECONDS OPTION...]: takes workload off a node and lets it come back, by kubectl on a master.
# look: is the node cordoned, by whom, and is it drained. drain: cordons it, marks that as ours, evicts its pods; what cannot be
# evicted in time ends it, and our cordon is undone. uncordon: undoes a cordon that has our mark, and no other.
set -u
R=${CERTFLEET_ROOT:-}
verb=$1 run=$2 node=$3 kubectl=$4
shift 4
TAB=$(printf '\t')
BY=certfleet.io/cordoned-by
DONE=certfleet.io/drained-by
TRIES=5

k() {
	"$kubectl" --kubeconfig="$R/etc/kubernetes/admin.conf" --request-timeout=10s "$@" </dev/null
}

die() {
	printf '%s\n' "$2" >&2
	exit "$1"
}

say() {
	printf '%s%s%s\n' "$1" "$TAB" "$2"
}

# Sets version, off (true when cordoned), by and drained (empty without a mark).
look() {
	answer=$(k get node "$node" --output='jsonpath={.metadata.resourceVersion}|{.spec.unschedulable}|{.metadata.annotations.certfleet\.io/cordoned-by}|{.metadata.annotations.certfleet\.io/drained-by}') || return 1
	version=${answer%%|*} rest=${answer#*|}
	off=${rest%%|*} rest=${rest#*|}
	by=${rest%%|*} drained=${rest#*|}
}

# A blip of the API is no answer.
surely() {
	try=1
	until "$@"; do
		[ "$try" -lt "$TRIES" ] || return 1
		try=$((try + 1))
		sleep 2
	done
}

patch() {
	k patch node "$node" --type=merge --patch="$1" >/dev/null
}

# Mark and cordon in one change, and only to the node that was looked at: what somebody else cordons meanwhile stays his.
take() {
	look || return 1
	case $off,$by in
	true,) mine=no && return 0 ;;
	true,"$run") mine=yes && return 0 ;;
	esac
	mine=yes asked=yes
	patch "{\"metadata\":{\"resourceVersion\":\"$version\",\"annotations\":{\"$BY\":\"$run\"}},\"spec\":{\"unschedulable\":true}}"
}

# Only what has our mark; says what came of it.
release() {
	look || return 1
	if [ -n "$by" ]; then
		patch "{\"metadata\":{\"annotations\":{\"$BY\":null,\"$DONE\":null}},\"spec\":{\"unschedulable\":null}}" || return 1
		state=uncordoned
		return 0
	fi
	if [ -n "$drained" ]; then patch "{\"metadata\":{\"annotations\":{\"$DONE\":null}}}" || return 1; fi
	if [ "$off" = true ]; then state=kept; else state=schedulable; fi
}

mark_done() {
	patch "{\"metadata\":{\"annotations\":{\"$DONE\":\"$run\"}}}"
}

# kubectl before 1.20 knows the option by its old name.
local_data() {
	if k drain --help 2>/dev/null | grep -q -e --delete-emptydir-data; then
		printf '%s' --delete-emptydir-data
	else
		printf '%s' --delete-local-data
	fi
}

evict() {
	seconds=$1
	shift
	left=$#
	while [ "$left" -gt 0 ]; do
		option=$1
		shift
		if [ "$option" = --delete-emptydir-data ]; then option=$(local_data); fi
		set -- "$@" "$option"
		left=$((left - 1))
	done
	k drain "$node" --ignore-daemonsets --timeout="${seconds}s" "$@"
}

case $verb in
look)
	look || die 1 "node $node cannot be looked at"
	if [ "$off" = true ]; then state=cordoned; else state=schedulable; fi
	say "$state" "${by:--}$TAB${drained:--}"
	;;
drain)
	asked=no
	if ! surely take; then
		# A change that was asked for may have been made although nobody said so.
		if [ "$asked" = yes ]; then say cordoned "$node"; else say untouched "$node"; fi
		die 3 "node $node could not be cordoned"
	fi
	if evict "$@" && surely mark_done; then
		if [ "$mine" = yes ]; then say drained ours; else say drained theirs; fi
		exit 0
	fi
	state=kept
	if [ "$mine" = yes ] && ! surely release; then state=cordoned; fi
	say "$state" "$node"
	exit 4
	;;
uncordon)
	surely release || die 1 "node $node could not be uncordoned"
	say "$state" "$node"
	;;
*) die 2 "there is no $verb" ;;
esac
exit 0
