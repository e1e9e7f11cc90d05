# The fleet's own files above the Debian tree: programs and units. Sourced by up.
# shellcheck shell=bash

# In /usr/local/bin, where real hosts have what no package installed; the kubelet is where kubeadm's unit looks.
LOCAL_NAMES='kube-apiserver kube-controller-manager kube-scheduler kubeadm containerd-shim'
DOCKER_NAMES='dockerd docker'
CONTAINERD_NAMES='containerd crictl ctr'
REAL_NAMES='kubeadm kubelet kube-apiserver kube-controller-manager kube-scheduler kubectl etcd etcdctl crictl'

build_standins() {
	local target=${CARGO_TARGET_DIR:-$CACHE/target}
	say 'building the stand-ins'
	CARGO_TARGET_DIR=$target cargo build --quiet --release --locked --manifest-path "$HERE/standins/Cargo.toml" || return 1
	cp "$target/release/standins" "$RUN/standins"
}

# What all hosts share. $1: is Kubernetes real.
build_layer() {
	local layer=$RUN/layer name
	mkdir -p "$layer/usr/local/bin" "$layer/usr/local/sbin" "$layer/usr/bin" "$layer/etc/certfleet-lab"
	cp "$RUN/standins" "$layer/usr/local/bin/standins"
	if [ "$1" = 0 ]; then
		for name in $LOCAL_NAMES; do ln -f "$layer/usr/local/bin/standins" "$layer/usr/local/bin/$name"; done
		ln -f "$layer/usr/local/bin/standins" "$layer/usr/bin/kubelet"
	fi
	install -m 755 "$HERE/lab-reset" "$HERE/lab-end" "$layer/usr/local/sbin/"
	real_programs "$layer" "$REAL_NAMES"
	units "$layer/etc/systemd/system"
	install -d -o 1000 -g 1000 -m 700 "$layer/home/ops" "$layer/home/ops/.ssh"
	install -o 1000 -g 1000 -m 600 "$RUN/id_ed25519.pub" "$layer/home/ops/.ssh/authorized_keys"
}

# What a host has because of its runtime $2; $1 is the upper layer of the host, $3 whether the runtime is Debian's.
build_runtime() {
	local upper=$1 name names=$CONTAINERD_NAMES units=containerd.service
	if [ "$2" = docker ]; then names=$DOCKER_NAMES units='docker.socket docker.service'; fi
	mkdir -p "$upper/usr/local/bin" "$upper/etc/certfleet-lab" "$upper/etc/systemd/system/multi-user.target.wants" \
		"$upper/etc/systemd/system/sockets.target.wants"
	echo "$units" >"$upper/etc/certfleet-lab/units"
	[ "$2" = docker ] || real_programs "$upper" crictl
	if [ "$3" = 1 ]; then
		real_runtime "$upper" "$2"
		return
	fi
	for name in $names; do ln -f "$RUN/layer/usr/local/bin/standins" "$upper/usr/local/bin/$name"; done
	"${2}_units" "$upper/etc/systemd/system"
}

# Debian's daemons are installed and not enabled (tree.sh): here they are, and a host without docker has no trace of it.
real_runtime() {
	local u=$1/etc/systemd/system unit file
	ln -sf /lib/systemd/system/containerd.service "$u/multi-user.target.wants/"
	if [ "$2" = docker ]; then
		ln -sf /lib/systemd/system/docker.service "$u/multi-user.target.wants/"
		ln -sf /lib/systemd/system/docker.socket "$u/sockets.target.wants/"
	else
		mkdir -p "$1/usr/bin" "$1/usr/sbin" "$1/usr/lib/systemd/system"
		for file in usr/bin/docker usr/sbin/dockerd usr/lib/systemd/system/docker.service usr/lib/systemd/system/docker.socket; do
			mknod "$1/$file" c 0 0
		done
	fi
	# `two-attempts`, which the stand-ins do by themselves.
	for unit in docker:dockerd containerd:containerd; do
		mkdir -p "$u/${unit%:*}.service.d"
		printf '[Service]\nExecStartPre=/bin/sh -c "[ ! -e %s ] || { rm %s; exit 1; }"\n' \
			"/etc/certfleet-lab/fail-once-${unit#*:}" "/etc/certfleet-lab/fail-once-${unit#*:}" >"$u/${unit%:*}.service.d/lab.conf"
	done
}

# CERTFLEET_NODE_BINARIES: what is there is used in place of the stand-in of its name. $2: names; crictl is no shared one.
real_programs() {
	local name
	[ -n "${CERTFLEET_NODE_BINARIES:-}" ] || return 0
	for name in $2; do
		[ -x "$CERTFLEET_NODE_BINARIES/$name" ] || continue
		case $name in
		kubelet) cp --remove-destination "$CERTFLEET_NODE_BINARIES/$name" "$1/usr/bin/$name" ;;
		crictl) [ "$1" = "$RUN/layer" ] || cp --remove-destination "$CERTFLEET_NODE_BINARIES/$name" "$1/usr/local/bin/$name" ;;
		*) cp --remove-destination "$CERTFLEET_NODE_BINARIES/$name" "$1/usr/local/bin/$name" ;;
		esac
		[ "$1" != "$RUN/layer" ] || say "real program: $name"
	done
}

units() {
	local u=$1
	mkdir -p "$u/multi-user.target.wants" "$u/kubelet.service.d"
	# No udev inside: nothing but this unit sets the address.
	cat >"$u/lab-address.service" <<-'END'
		[Unit]
		Description=Address of this host
		DefaultDependencies=no
		Before=ssh.service network.target network-online.target
		[Service]
		Type=oneshot
		RemainAfterExit=yes
		ExecStart=/bin/sh -c 'ip link set lo up; ip addr add $(cat /etc/certfleet-lab/address) dev host0; ip link set host0 up'
		# Version 1 control groups are mounted read-only here; a real runtime makes groups of its own.
		ExecStart=-/bin/sh -c 'for g in /sys/fs/cgroup/*/; do [ ! -e $g/cgroup.procs ] || mount -o remount,rw,bind $g; done'
	END
	cat >"$u/kubelet.service" <<-'END'
		[Unit]
		Description=kubelet: The Kubernetes Node Agent
		Documentation=https://kubernetes.io/docs/home/
		[Service]
		ExecStart=/usr/bin/kubelet
		Restart=always
		StartLimitInterval=0
		RestartSec=10
		[Install]
		WantedBy=multi-user.target
	END
	cat >"$u/kubelet.service.d/10-kubeadm.conf" <<-'END'
		# What kubeadm's package ships.
		[Service]
		Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
		Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
		EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
		ExecStart=
		ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS
	END
	ln -sf ../lab-address.service "$u/multi-user.target.wants/"
	ln -sf ../kubelet.service "$u/multi-user.target.wants/"
}

docker_units() {
	cat >"$1/docker.socket" <<-'END'
		[Unit]
		Description=Docker Socket for the API
		[Socket]
		ListenStream=/run/docker.sock
		SocketMode=0660
		[Install]
		WantedBy=sockets.target
	END
	cat >"$1/docker.service" <<-'END'
		[Unit]
		Description=Docker Application Container Engine
		After=network.target docker.socket
		Requires=docker.socket
		[Service]
		Type=notify
		NotifyAccess=all
		ExecStart=/usr/local/bin/dockerd -H fd://
		# The real daemon ends its containers when it is told to end; this one is told so here.
		ExecStop=/usr/local/bin/dockerd --stand-in-stop
		StandardInput=socket
		StandardOutput=journal
		StandardError=journal
		Restart=always
		RestartSec=2
		KillMode=process
		[Install]
		WantedBy=multi-user.target
	END
	ln -sf ../docker.socket "$1/sockets.target.wants/"
	ln -sf ../docker.service "$1/multi-user.target.wants/"
}

containerd_units() {
	cat >"$1/containerd.service" <<-'END'
		[Unit]
		Description=containerd container runtime
		After=network.target
		[Service]
		Type=notify
		NotifyAccess=all
		ExecStart=/usr/local/bin/containerd
		Restart=always
		RestartSec=5
		# The shims, and with them the containers, live on.
		KillMode=process
		[Install]
		WantedBy=multi-user.target
	END
	ln -sf ../containerd.service "$1/multi-user.target.wants/"
}
