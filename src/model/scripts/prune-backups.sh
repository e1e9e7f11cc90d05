# certfleet:prune-backups MODE KEEP DIRECTORY: keeps the newest KEEP whole backups, and every newer one that is not whole.
# MODE `look` changes nothing and exits with 1 when something would go; `remove` removes it. Only directories with the name of a
# run are touched.
set -u
umask 077
LC_ALL=C
export LC_ALL
R=${CERTFLEET_ROOT:-}
mode=$1 keep=$2 directory=$3

die() {
	code=$1
	shift
	printf '%s\n' "$*" >&2
	exit "$code"
}

case $mode in look | remove) ;; *) die 2 "no such mode: $mode" ;; esac
case $keep in '' | 0* | *[!0-9]*) die 2 "not a number of backups to keep: $keep" ;; esac
case $directory/ in /*/../* | //*) die 2 "not a directory of backups: $directory" ;; /*) ;; *) die 2 "not an absolute directory: $directory" ;; esac
# None was ever made.
cd "$R$directory" 2>/dev/null || exit 0

# Names begin with the time of their run: the newest goes to the front.
set --
for name in [0-9]*T[0-9]*Z-*; do
	if [ -d "$name" ] && [ ! -L "$name" ]; then set -- "$name" "$@"; fi
done

whole=0 old=0
for name in "$@"; do
	case $name in
	*.partial) ;;
	*)
		if [ "$whole" -lt "$keep" ]; then
			if (cd "$name" && sha256sum -c SHA256SUMS) >/dev/null 2>&1; then
				whole=$((whole + 1))
				printf 'kept\t%s\n' "$name"
			else
				printf 'damaged\t%s\n' "$name"
			fi
			continue
		fi
		;;
	esac
	old=$((old + 1))
	if [ "$mode" = look ]; then
		printf 'old\t%s\n' "$name"
		continue
	fi
	# The name goes first: half a backup must never be taken for one.
	case $name in *.partial) gone=$name ;; *) gone=$name.partial && mv "$name" "$gone" ;; esac || die 1 "cannot rename $directory/$name"
	rm -rf "$gone" || die 1 "cannot remove $directory/$gone"
	printf 'removed\t%s\n' "$name"
done
if [ "$mode" = look ] && [ "$old" -gt 0 ]; then exit 1; fi
exit 0
