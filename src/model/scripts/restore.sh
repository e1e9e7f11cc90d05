# certfleet:restore RUN DIRECTORY CERT_DIR: puts the copy that certfleet:backup made of RUN back in place.
# The sums are verified first; files that the backup does not have are left alone; each file is replaced in one step. The kubelet's own
# certificates stay as they are: a run replaces them only where they do not work any more, and a kubelet with the old ones does not start.
set -u
umask 077
R=${CERTFLEET_ROOT:-}
run=$1 directory=$2 cert_dir=$3
source=$R$directory/$run

die() {
	code=$1
	shift
	printf '%s\n' "$*" >&2
	exit "$code"
}

case $run in '' | . | .. | */*) die 2 "not a run: $run" ;; esac
[ -d "$source" ] || die 3 "$directory/$run is not there"
cd "$source" || die 1 "cannot enter $directory/$run"
sha256sum -c SHA256SUMS >/dev/null 2>&1 || die 4 "$directory/$run does not match its SHA256SUMS; nothing was changed"

# Files and links below $1 of the backup that are put back.
files_of() {
	find "$1" \( -type f -o -type l \) ! -path ./SHA256SUMS ! -path ./etc/kubernetes/kubelet.conf ! -path './var/lib/kubelet/*'
}

# Copies each of them to the same path below $2 of the host.
put() {
	files_of "$1" | while IFS= read -r file; do
		target=$2/${file#"$1"/}
		mkdir -p "${target%/*}" || exit 1
		cp -Pp "$file" "$target.certfleet-new" || exit 1
		mv -f "$target.certfleet-new" "$target" || exit 1
	done || die 1 "cannot write below $2; the backup is whole, start again"
}

for part in etc var; do
	if [ -d "./$part" ]; then put "./$part" "$R/$part"; fi
done
if [ -d ./cert-dir ]; then
	real=$(cd -P "$R$cert_dir" 2>/dev/null && pwd -P) || die 1 "cannot enter $cert_dir"
	put ./cert-dir "$real"
fi
sync
printf 'restored\t%s\t%s\n' "$directory/$run" "$(($({ files_of ./etc; files_of ./var; files_of ./cert-dir; } 2>/dev/null | wc -l)))"
exit 0
