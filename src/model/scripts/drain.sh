# certfleet:drain VERB RUN NODE KUBECTL [SECONDS OPTION...]: takes workload off a node and lets it come back, by kubectl on a master.
# look: is the node cordoned, by whom, and is it drained. drain: cordons it, marks that as ours, evicts its pods; what cannot be
# evicted in time ends it, and our cordon is undone. uncordon: undoes a cordon that has our mark, and no other. unmark: takes the
# marks away, and leaves open or closed as it is.
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

# Sets version, off (true when cordoned), by and drained (empty without a mark), and ready (True when it is).
look() {
	answer=$(k get node "$node" --output='jsonpath={.metadata.resourceVersion}|{.spec.unschedulable}|{.metadata.annotations.certfleet\.io/cordoned-by}|{.metadata.annotations.certfleet\.io/drained-by}|{.status.conditions[?(@.type=="Ready")].status}') || return 1
	version=${answer%%|*} rest=${answer#*|}
	off=${rest%%|*} rest=${rest#*|}
	by=${rest%%|*} rest=${rest#*|}
	drained=${rest%%|*} ready=${rest#*|}
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

# ANNOTATIONS [SPEC]: a change to the node that was looked at, and to no later one: what somebody else does meanwhile stays his.
patch() {
	k patch node "$node" --type=merge --patch="{\"metadata\":{\"resourceVersion\":\"$version\",\"annotations\":{$1}}${2:-}}" >/dev/null
}

# Mark and cordon in one change. Nobody ends an evicted pod on a node that is not Ready: then nothing is asked of it.
take() {
	look || return 1
	if [ "$asked" = no ] && [ "$ready" != True ]; then mine=unready && return 0; fi
	case $off,$by in
	true,) mine=no && return 0 ;;
	true,"$run") mine=yes && return 0 ;;
	esac
	mine=yes asked=yes
	patch "\"$BY\":\"$run\"" ',"spec":{"unschedulable":true}'
}

# Only what has a mark of certfleet's; says what came of it.
release() {
	look && lift
}

lift() {
	if [ -n "$by" ]; then
		patch "\"$BY\":null,\"$DONE\":null" ',"spec":{"unschedulable":null}' || return 1
		state=uncordoned
		return 0
	fi
	if [ -n "$drained" ]; then patch "\"$DONE\":null" || return 1; fi
	as_it_is
}

# The way back of a drain: only what has the mark of this run.
take_back() {
	look || return 1
	if [ "$by" = "$run" ]; then lift; else as_it_is; fi
}

unmark() {
	look || return 1
	if [ -z "$by$drained" ]; then as_it_is && return 0; fi
	patch "\"$BY\":null,\"$DONE\":null" && state=unmarked
}

as_it_is() {
	if [ "$off" = true ]; then state=kept; else state=schedulable; fi
}

# Whose the drained node is now, after minutes; nobody's when it takes pods again, or another run has it.
mark_done() {
	look || return 1
	case $off,$by in
	true,) whose=theirs ;;
	true,"$run") whose=ours ;;
	*) whose='' && return 0 ;;
	esac
	patch "\"$DONE\":\"$run\""
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
	if [ "$mine" = unready ]; then
		say unready "$node"
		exit 5
	fi
	state=kept
	if evict "$@" && surely mark_done; then
		if [ -n "$whose" ]; then
			say drained "$whose"
			exit 0
		fi
		as_it_is
		if [ "$off" = true ]; then why="run $by took node $node over"; else why="somebody uncordoned node $node"; fi
		printf '%s while it was drained\n' "$why" >&2
	fi
	if [ "$mine" = yes ] && ! surely take_back; then state=cordoned; fi
	say "$state" "$node"
	exit 4
	;;
uncordon)
	surely release || die 1 "node $node could not be uncordoned"
	say "$state" "$node"
	;;
unmark)
	surely unmark || die 1 "the mark of node $node could not be taken away"
	say "$state" "$node"
	;;
*) die 2 "there is no $verb" ;;
esac
exit 0
