# certfleet:lock VERB RUN HOLDER STALE: one run per cluster. VERB is acquire, refresh, release,
# finish, withdraw, unlock or show.
# The lock is a directory, made in one step; its age is judged by this host's clock alone. `finish` also takes away the
# marks of unfinished runs, if the lock is still this run's; `release` leaves them; `withdraw` makes an `acquire` undone, and no more: the lock
# and the mark that a run had before stay. STALE: seconds without a sign of life after which a lock counts as stale.
# Each end of a run is counted in `last`: what somebody read before it may no longer be so.
set -u
umask 077
R=${CERTFLEET_ROOT:-}
verb=$1 run=$2 holder=$3 stale=$4
base=$R/var/lib/certfleet
lock=$base/lock
mark=$base/unfinished
last=$base/last
tab=$(printf '\t')

die() {
	code=$1
	shift
	printf '%s\n' "$*" >&2
	exit "$code"
}

# One line: who holds it, since when, how long without a sign of life, and whether that is stale.
show() {
	now=$(date +%s)
	beat=$(cat "$lock/beat" 2>/dev/null || printf '')
	case $beat in '' | *[!0-9]*) beat=$now ;; esac
	age=$((now - beat))
	word=alive
	if [ "$age" -gt "$stale" ]; then word=stale; fi
	printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$(cat "$lock/run" 2>/dev/null)" "$(cat "$lock/holder" 2>/dev/null)" \
		"$(cat "$lock/since" 2>/dev/null)" "$age" "$word"
}

beat() {
	date +%s >"$lock/beat.new" && mv "$lock/beat.new" "$lock/beat"
}

mine() {
	[ -d "$lock" ] && [ "$(cat "$lock/run" 2>/dev/null)" = "$run" ]
}

# Marks of other runs, one line each.
others() {
	[ -f "$mark" ] || return 0
	while IFS= read -r other; do
		if [ "$other" != "$run" ]; then printf '%s%s\n' "$1" "$other"; fi
	done <"$mark"
}

# Whether this run has its mark here.
marked() {
	[ -f "$mark" ] || return 1
	while IFS= read -r other; do
		if [ "$other" = "$run" ]; then return 0; fi
	done <"$mark"
	return 1
}

# Takes this run's own mark away.
unmark() {
	[ -f "$mark" ] || return 0
	others '' >"$mark.new" && mv "$mark.new" "$mark"
}

# The last end of a run here: its number, the run, and who.
ended() {
	if [ -f "$last" ]; then printf 'last\t%s\n' "$(cat "$last")"; fi
}

# One more end: of RUN, of WHO.
count_end() {
	number=0
	if [ -f "$last" ]; then IFS=$tab read -r number rest <"$last"; fi
	case $number in '' | *[!0-9]*) number=0 ;; esac
	printf '%s\t%s\t%s\n' "$((number + 1))" "$1" "$2" >"$last.new" && mv "$last.new" "$last"
}

# A lock that was not made whole is not kept; one that was there before is.
give_up() {
	[ -f "$lock/again" ] || rm -rf "$lock"
	die 1 "$1"
}

case $verb in
acquire)
	mkdir -p "$base" || die 1 "cannot create /var/lib/certfleet"
	if mkdir "$lock" 2>/dev/null; then
		# A lock without content is told as held by nobody known; so the content comes at once, or the lock goes.
		{ printf '%s\n' "$run" >"$lock/run" && printf '%s\n' "$holder" >"$lock/holder" &&
			date -u +%Y-%m-%dT%H:%M:%SZ >"$lock/since" && beat; } || give_up 'cannot write to /var/lib/certfleet/lock'
	elif ! mine; then
		[ -d "$lock" ] || die 1 "cannot create /var/lib/certfleet/lock"
		show held
		exit 7
	else
		{ printf '' >"$lock/again" && beat; } || die 1 'cannot write to /var/lib/certfleet/lock'
	fi
	show acquired
	ended
	others "unfinished	"
	if marked; then
		printf 'marked\n'
		printf '' >"$lock/marked" || give_up 'cannot write to /var/lib/certfleet/lock'
	else
		{ { others '' && printf '%s\n' "$run"; } >"$mark.new" && mv "$mark.new" "$mark"; } || give_up 'cannot write to /var/lib/certfleet'
	fi
	;;
refresh)
	mine || die 6 'the lock is not held by this run any more'
	beat || die 1 'cannot write to /var/lib/certfleet/lock'
	;;
release | finish)
	mkdir -p "$base"
	count_end "$run" "$holder"
	case $verb in
	# Without the lock, other runs may have been here since: their marks are theirs.
	finish) if mine; then rm -f "$mark"; else unmark; fi ;;
	esac
	if mine; then rm -rf "$lock"; fi
	;;
withdraw)
	if mine; then
		[ -f "$lock/marked" ] || unmark
		[ -f "$lock/again" ] || rm -rf "$lock"
	fi
	;;
unlock)
	# By a person, with a reason (HOLDER); the mark of the unfinished run stays.
	if [ -d "$lock" ]; then
		show unlocked
		printf '%s\t%s\t%s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(cat "$lock/run" 2>/dev/null)" "$holder" >>"$base/unlocked.log" ||
			die 1 'cannot write to /var/lib/certfleet'
		count_end "$(cat "$lock/run" 2>/dev/null)" "$(cat "$lock/holder" 2>/dev/null)"
		rm -rf "$lock"
	fi
	;;
show)
	if [ -d "$lock" ]; then show held; fi
	ended
	others "unfinished	"
	;;
*) die 2 "no such verb: $verb" ;;
esac
exit 0
