# Debian's docker and containerd, a layer above the tree; python3 too, for benches/outage. Sourced by up.
# shellcheck shell=bash

runtimes_path() {
	printf '%s/runtimes-%s' "$CACHE" "$(cat "$HERE/tree.sh" "$HERE/runtimes.sh" | sha256sum | cut -c 1-12)"
}

# Debian's docker and containerd as a layer above the tree $1, enabled nowhere.
build_runtimes() {
	local tree=$1 layer work=$CACHE/runtimes.work root=$CACHE/runtimes.root partial=$CACHE/runtimes.partial
	layer=$(runtimes_path)
	rm -rf "$partial" "$work"
	mkdir -p "$partial" "$work" "$root"
	say "installing docker and containerd (once, a minute): $layer"
	mount -t overlay cfn-runtimes -o "lowerdir=$tree,upperdir=$partial,workdir=$work" "$root"
	cp /etc/resolv.conf "$root/etc/resolv.conf"
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod +x "$root/usr/sbin/policy-rc.d"
	# shellcheck disable=SC2016
	if ! chroot "$root" sh -c 'export DEBIAN_FRONTEND=noninteractive
		apt-get update -q && apt-get install -yq --no-install-recommends docker.io containerd runc iptables containernetworking-plugins python3
		systemctl disable docker.service docker.socket containerd.service' >"$CACHE/runtimes.log" 2>&1; then
		umount "$root"
		die "docker and containerd cannot be installed: see $CACHE/runtimes.log"
	fi
	rm -rf "$root/usr/sbin/policy-rc.d" "$root/etc/resolv.conf" "$root/var/cache/apt" "$root/var/lib/apt/lists" "$root/usr/share/doc"
	umount "$root"
	mv "$partial" "$layer"
	rm -rf "$work" "$root"
}
