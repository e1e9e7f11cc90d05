# The Debian tree that all hosts share, built once. Sourced by up.
# shellcheck shell=bash

PACKAGES=systemd,systemd-sysv,dbus,openssh-server,sudo,openssl,curl,iproute2,iputils-ping,procps,etcd-server,etcd-client
PACKAGES=$PACKAGES,ca-certificates,kubernetes-client,netbase,locales,busybox-static,less

# The suite of this machine and the mirror that its apt uses for it.
suite() {
	# shellcheck disable=SC1091
	(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-bookworm}")
}

mirror() {
	local found
	found=$(awk -v suite="$1" '
		/^URIs:/ { uri = $2 }
		/^Suites:/ { for (i = 2; i <= NF; i++) if ($i == suite && uri != "") { print uri; exit } }
		/^$/ { uri = "" }
	' /etc/apt/sources.list.d/*.sources 2>/dev/null)
	[ -n "$found" ] || found=$(sed -n "s/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) $1 .*/\2/p" \
		/etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | head -n 1)
	[ -n "$found" ] || die "apt's sources name no mirror for $1: set CERTFLEET_NODES_MIRROR"
	printf '%s' "$found"
}

tree_path() {
	printf '%s/tree-%s' "$CACHE" "$(cat "$HERE/tree.sh" | sha256sum | cut -c 1-12)"
}

build_tree() {
	local tree=$1 partial=$CACHE/tree.partial suite
	suite=$(suite)
	mkdir -p "$CACHE"
	rm -rf "$partial"
	say "building the Debian tree (once, two minutes): $tree"
	debootstrap --variant=minbase --include="$PACKAGES" "$suite" "$partial" \
		"${CERTFLEET_NODES_MIRROR:-$(mirror "$suite")}" >"$CACHE/debootstrap.log" 2>&1 ||
		die "debootstrap failed: see $CACHE/debootstrap.log"
	configure_tree "$partial"
	mv "$partial" "$tree"
}

# What every host has in common and no package brings.
configure_tree() {
	local t=$1 unit
	chroot "$t" useradd -m -s /bin/bash ops
	echo 'ops ALL=(ALL:ALL) NOPASSWD: ALL' >"$t/etc/sudoers.d/ops"
	chmod 440 "$t/etc/sudoers.d/ops"
	rm -f "$t"/etc/ssh/ssh_host_* "$t/etc/hostname" "$t/etc/resolv.conf"
	printf 'UseDNS no\nPrintMotd no\n' >"$t/etc/ssh/sshd_config.d/nodes.conf"
	mkdir -p "$t/var/log/journal"
	# No terminals, no timers, and etcd only as a static pod.
	for unit in etcd.service getty@.service console-getty.service getty.target systemd-logind.service remote-fs.target \
		apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
		systemd-networkd.service systemd-resolved.service systemd-timesyncd.service systemd-tmpfiles-clean.timer; do
		ln -sf /dev/null "$t/etc/systemd/system/$unit"
	done
	rm -rf "$t/var/cache/apt/archives" "$t/var/lib/apt/lists" "$t/usr/share/doc" "$t/usr/share/locale"
}
