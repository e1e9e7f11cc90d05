# certfleet:lock VERB RUN HOLDER STALE: one run per cluster. VERB is acquire, refresh, release,
# finish, withdraw, unlock or show.
# The lock is a directory, made in one step; its age is judged by this host's clock alone. `finish` also takes away the
# marks of unfinished runs; `release` leaves them; `withdraw` takes only the own one away. STALE: seconds without a sign of life after which a lock counts as stale.
set -u
umask 077
R=${CERTFLEET_ROOT:-}
verb=$1 run=$2 holder=$3 stale=$4
base=$R/var/lib/certfleet
lock=$base/lock
mark=$base/unfinished

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

case $verb in
acquire)
	mkdir -p "$base" || die 1 "cannot create /var/lib/certfleet"
	if mkdir "$lock" 2>/dev/null; then
		# A lock without content is told as held by nobody known; so the content comes at once, or the lock goes.
		{ printf '%s\n' "$run" >"$lock/run" && printf '%s\n' "$holder" >"$lock/holder" &&
			date -u +%Y-%m-%dT%H:%M:%SZ >"$lock/since" && beat; } || {
			rm -rf "$lock"
			die 1 'cannot write to /var/lib/certfleet/lock'
		}
	elif ! mine; then
		[ -d "$lock" ] || die 1 "cannot create /var/lib/certfleet/lock"
		show held
		exit 7
	else
		beat || die 1 'cannot write to /var/lib/certfleet/lock'
	fi
	show acquired
	others "unfinished	"
	{ others '' && printf '%s\n' "$run"; } >"$mark.new" && mv "$mark.new" "$mark" || die 1 'cannot write to /var/lib/certfleet'
	;;
refresh)
	mine || die 6 'the lock is not held by this run any more'
	beat || die 1 'cannot write to /var/lib/certfleet/lock'
	;;
release | finish | withdraw)
	if mine; then rm -rf "$lock"; fi
	case $verb in
	finish) rm -f "$mark" ;;
	withdraw) others '' >"$mark.new" && mv "$mark.new" "$mark" ;;
	esac
	;;
unlock)
	# By a person, with a reason (HOLDER); the mark of the unfinished run stays.
	if [ -d "$lock" ]; then
		show unlocked
		printf '%s\t%s\t%s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(cat "$lock/run" 2>/dev/null)" "$holder" >>"$base/unlocked.log" ||
			die 1 'cannot write to /var/lib/certfleet'
		rm -rf "$lock"
	fi
	;;
show)
	if [ -d "$lock" ]; then show held; fi
	others "unfinished	"
	;;
*) die 2 "no such verb: $verb" ;;
esac
exit 0
