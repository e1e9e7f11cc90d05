# Real Kubernetes: Debian's source package of it, which has all programs, built once; images for the static pods; and kubeadm itself
# making the cluster. Sourced by up.
# shellcheck shell=bash

# The newest whose source is whole, with what it needs beside it: later packages have kubectl's part only.
KUBERNETES=1.20.2
KUBERNETES_SOURCE="pool/main/k/kubernetes/kubernetes_1.20.5+really$KUBERNETES.orig.tar.gz"
KUBERNETES_SHA256=b83c0780efb182d928dc63d46488a847f161f04e40a94b96bf5247dd671ecdfc
REFLECT2=/usr/share/gocode/src/github.com/modern-go/reflect2
KUBERNETES_PROGRAMS='kubeadm kubelet kubectl kube-apiserver kube-controller-manager kube-scheduler'

kubernetes_path() {
	printf '%s/kubernetes-%s' "$CACHE" "$(cat "$HERE/tree.sh" "$HERE/kubernetes.sh" | sha256sum | cut -c 1-12)"
}

# The layer with kubeadm, kubelet and kubectl, and the images of what kubeadm runs as static pods.
build_kubernetes() {
	local layer partial=$CACHE/kubernetes.partial programs=$CACHE/kubernetes-programs-$KUBERNETES
	layer=$(kubernetes_path)
	[ -d "$programs" ] || compile_kubernetes "$programs"
	rm -rf "$partial"
	mkdir -p "$partial/usr/bin" "$partial/usr/share/lab-images" "$partial/etc/cni/net.d" "$partial/etc/containerd"
	install -m 755 "$programs/kubeadm" "$programs/kubelet" "$programs/kubectl" "$partial/usr/bin/"
	images "$programs" "$1" "$partial/usr/share/lab-images"
	containerd_config >"$partial/etc/containerd/config.toml"
	# Pods that are no part of the host's network find a network of the host's own.
	cat >"$partial/etc/cni/net.d/10-lab.conf" <<-'END'
		{ "cniVersion": "0.3.1", "name": "lab", "type": "bridge", "bridge": "cni0", "isGateway": true,
		  "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.244.0.0/24" }]], "routes": [{ "dst": "0.0.0.0/0" }] } }
	END
	mv "$partial" "$layer"
}

compile_kubernetes() {
	local work=$CACHE/kubernetes.work log=$CACHE/kubernetes.log suite
	suite=$(suite)
	say "building Kubernetes $KUBERNETES from Debian's source (once, a quarter of an hour and 6 GB meanwhile): $log"
	install_tools go:golang-go rsync:rsync curl:curl make:make cc:gcc
	[ -d "$REFLECT2" ] || apt-get install -yq --no-install-recommends golang-github-modern-go-reflect2-dev >/dev/null 2>&1 || die "no $REFLECT2"
	rm -rf "$work"
	mkdir -p "$work/out"
	curl -fsSL --max-time 600 -o "$work/source.tar.gz" "${CERTFLEET_NODES_MIRROR:-$(mirror "$suite")}/$KUBERNETES_SOURCE" ||
		die "the mirror has no $KUBERNETES_SOURCE"
	echo "$KUBERNETES_SHA256  $work/source.tar.gz" | sha256sum --check --quiet - || die 'not the source that was expected'
	tar -C "$work" --strip-components 1 -xzf "$work/source.tar.gz"
	# Its own reflect2 (1.0.1) breaks with Go from 1.18 on, which Debian has: with Debian's own it works.
	rm "$work"/vendor/github.com/modern-go/reflect2/*.{go,s}
	cp "$REFLECT2"/*.{go,s} "$work/vendor/github.com/modern-go/reflect2/"
	(
		cd "$work"
		mkdir -p .go/src/k8s.io home
		ln -sfn ../../.. .go/src/k8s.io/kubernetes
		printf "KUBE_GIT_COMMIT='%s'\nKUBE_GIT_TREE_STATE='clean'\nKUBE_GIT_VERSION='v%s'\nKUBE_GIT_MAJOR='1'\nKUBE_GIT_MINOR='20'\n" \
			faecb196815e248d3ecfb03c680a4507229c2a56 "$KUBERNETES" >version
		# shellcheck disable=SC2086
		env HOME="$work/home" GOPATH="$work/.go" CGO_ENABLED=0 KUBE_GIT_VERSION_FILE="$work/version" \
			make WHAT="$(printf 'cmd/%s ' $KUBERNETES_PROGRAMS)"
		cc -static -Os -o out/pause build/pause/linux/pause.c || cc -static -Os -o out/pause build/pause/pause.c
	) >"$log" 2>&1 || die "Kubernetes does not compile: see $log"
	for name in $KUBERNETES_PROGRAMS; do cp "$work/_output/bin/$name" "$work/out/"; done
	mv "$work/out" "$1"
	rm -rf "$work"
}

# The images that kubeadm asks for, each with its program and nothing else. $2 is the Debian tree, which has etcd.
images() {
	local programs=$1 tree=$2 out=$3 name root=$CACHE/image.root
	for name in kube-apiserver kube-controller-manager kube-scheduler; do
		rm -rf "$root" && mkdir -p "$root/usr/local/bin"
		cp "$programs/$name" "$root/usr/local/bin/"
		image "$root" "k8s.gcr.io/$name:v$KUBERNETES" "$out/$name.tar"
	done
	rm -rf "$root" && mkdir -p "$root/usr/local/bin" "$root/lib64" "$root/lib/x86_64-linux-gnu"
	cp "$tree/usr/bin/etcd" "$tree/usr/bin/etcdctl" "$root/usr/local/bin/"
	cp -L "$tree/lib64/ld-linux-x86-64.so.2" "$root/lib64/"
	cp -L "$tree/lib/x86_64-linux-gnu/libc.so.6" "$tree/lib/x86_64-linux-gnu/libpthread.so.0" "$root/lib/x86_64-linux-gnu/"
	image "$root" 'k8s.gcr.io/etcd:3.4.13-0' "$out/etcd.tar"
	rm -rf "$root" && mkdir -p "$root/bin"
	cp "$programs/pause" "$root/pause"
	cp "$tree/bin/busybox" "$root/bin/sh"
	image "$root" 'k8s.gcr.io/pause:3.2' "$out/pause.tar"
	rm -rf "$root"
}

# An image named $2 of the directory $1, in the file $3, as `docker save` writes it.
image() {
	local work=$CACHE/image.work layer
	rm -rf "$work" && mkdir -p "$work"
	tar -C "$1" --owner=0 --group=0 --mtime=@0 --sort=name -cf "$work/layer.tar" .
	layer=$(sha256sum "$work/layer.tar" | cut -d ' ' -f 1)
	printf '{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/usr/local/bin:/bin"],"Entrypoint":["/pause"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
		"$layer" >"$work/config.json"
	printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$2" >"$work/manifest.json"
	tar -C "$work" -cf "$3" manifest.json config.json layer.tar
	rm -rf "$work"
}

# Overlays cannot be stacked once more, and without CAP_SYS_RESOURCE nothing may ask for a better score than it has.
containerd_config() {
	cat <<-'END'
		version = 2
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "k8s.gcr.io/pause:3.2"
		  restrict_oom_score_adj = true
		  [plugins."io.containerd.grpc.v1.cri".containerd]
		    snapshotter = "native"
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "/usr/lib/cni"
	END
}

# What a host needs before kubeadm comes to it. $1: upper layer, $2: name, $3: address.
kubernetes_host() {
	local upper=$1 pki=$1/etc/kubernetes/pki
	mkdir -p "$upper/etc/certfleet-lab" "$pki/etcd" "$upper/etc/tmpfiles.d" "$upper/etc/systemd/system/kubelet.service.d"
	echo "v$KUBERNETES" >"$upper/etc/certfleet-lab/version"
	echo "$3/24" >"$upper/etc/certfleet-lab/address"
	# The kubelet reads the kernel's messages, which no nspawn host may.
	echo 'L+ /dev/kmsg - - - - /dev/null' >"$upper/etc/tmpfiles.d/lab.conf"
	kubeadm_config "$2" "$3" >"$upper/etc/certfleet-lab/kubeadm.yaml"
	! grep -q "^$2 " "$RUN/masters" || master_authorities "$pki"
}

# All masters have the fleet's authorities from the start, so that `doom` can sign with them; kubeadm takes those it finds.
master_authorities() {
	local kind
	for kind in crt key; do
		install -m 600 "$RUN/pki/ca.$kind" "$1/ca.$kind"
		install -m 600 "$RUN/pki/front-proxy-ca.$kind" "$1/front-proxy-ca.$kind"
		install -m 600 "$RUN/pki/etcd-ca.$kind" "$1/etcd/ca.$kind"
	done
	if [ ! -e "$RUN/pki/sa.key" ]; then
		openssl genrsa -out "$RUN/pki/sa.key" 2048 2>/dev/null
		openssl rsa -in "$RUN/pki/sa.key" -pubout -out "$RUN/pki/sa.pub" 2>/dev/null
	fi
	install -m 600 "$RUN/pki/sa.key" "$1/sa.key"
	install -m 644 "$RUN/pki/sa.pub" "$1/sa.pub"
}

kubeadm_config() {
	cat <<-END
		apiVersion: kubeadm.k8s.io/v1beta2
		kind: InitConfiguration
		bootstrapTokens: [{ token: abcdef.0123456789abcdef }]
		localAPIEndpoint: { advertiseAddress: $2 }
		nodeRegistration: { name: $1, criSocket: /run/containerd/containerd.sock }
		---
		apiVersion: kubeadm.k8s.io/v1beta2
		kind: JoinConfiguration
		discovery:
		  bootstrapToken: { token: abcdef.0123456789abcdef, apiServerEndpoint: "$VIP:6443", unsafeSkipCAVerification: true }
		nodeRegistration: { name: $1, criSocket: /run/containerd/containerd.sock }
		$(! grep -q "^$1 " "$RUN/masters" || echo "controlPlane: { localAPIEndpoint: { advertiseAddress: $2 } }")
		---
		apiVersion: kubeadm.k8s.io/v1beta2
		kind: ClusterConfiguration
		clusterName: kubernetes
		kubernetesVersion: v$KUBERNETES
		controlPlaneEndpoint: "$VIP:6443"
		networking: { podSubnet: 10.244.0.0/16 }
		---
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		cgroupDriver: cgroupfs
		failSwapOn: false
		resolvConf: /etc/resolv.conf
		evictionHard: { nodefs.available: "1%", imagefs.available: "1%" }
		# The machine's disk is everybody's, and a removed image cannot be pulled.
		imageGCHighThresholdPercent: 100
		imageGCLowThresholdPercent: 99
		# So often it says that the node is Ready, which the script ready wants to hear anew.
		nodeStatusReportFrequency: 5s
	END
}

# A cluster on the booted hosts: `kubeadm init` on the first master, `kubeadm join` on the others.
make_cluster() {
	local first host
	first=$(masters | head -n 1)
	on_all "$(hosts)" 'for i in /usr/share/lab-images/*.tar; do ctr -n k8s.io images import --snapshotter native $i; done' >"$RUN/images.log" 2>&1 ||
		die "the images cannot be imported: see $RUN/images.log"
	on "$first" 'kubeadm init --skip-phases=preflight,addon --config /etc/certfleet-lab/kubeadm.yaml' >"$RUN/kubeadm.log" 2>&1 ||
		die "kubeadm init failed: see $RUN/kubeadm.log"
	for host in $(hosts | grep -vx "$first"); do
		on "$host" 'kubeadm join --skip-phases=preflight --config /etc/certfleet-lab/kubeadm.yaml' >>"$RUN/kubeadm.log" 2>&1 ||
			die "kubeadm join failed on $host: see $RUN/kubeadm.log"
	done
	workloads | ssh -F "$RUN/ssh_config" "$first" sudo -n kubectl --kubeconfig=/etc/kubernetes/admin.conf apply -f - >>"$RUN/kubeadm.log" 2>&1 ||
		die "the pods of the cluster cannot be made: see $RUN/kubeadm.log"
	# What the kubelets said before there was a cluster is no complaint about this one.
	on_all "$(hosts)" 'tar -C / -cf /var/lib/lab-pristine.tar etc/kubernetes etc/certfleet-lab var/lib/kubelet/pki
		journalctl --quiet --rotate; sleep 1; journalctl --quiet --vacuum-time=1s'
}

# A calico-node that runs nothing, on every node, and is stuck while a file of its host names it; and pods that a drain has to move.
workloads() {
	cat <<-'END'
		apiVersion: apps/v1
		kind: DaemonSet
		metadata: { name: calico-node, namespace: kube-system, labels: { k8s-app: calico-node } }
		spec:
		  selector: { matchLabels: { k8s-app: calico-node } }
		  template:
		    metadata: { labels: { k8s-app: calico-node } }
		    spec:
		      hostNetwork: true
		      terminationGracePeriodSeconds: 0
		      tolerations: [{ operator: Exists }]
		      containers:
		        - name: calico-node
		          image: k8s.gcr.io/pause:3.2
		          imagePullPolicy: Never
		          command: [sh, -c]
		          args:
		            - |
		              stuck=
		              if [ -e /lab/calico-stuck ]; then read -r stuck </lab/calico-stuck; fi
		              case " $stuck " in *" $POD "*) exit 1 ;; esac
		              exec /pause
		          env: [{ name: POD, valueFrom: { fieldRef: { fieldPath: metadata.name } } }]
		          volumeMounts: [{ name: lab, mountPath: /lab, readOnly: true }]
		      volumes: [{ name: lab, hostPath: { path: /etc/certfleet-lab } }]
		---
		apiVersion: apps/v1
		kind: Deployment
		metadata: { name: shop, namespace: default }
		spec:
		  replicas: 2
		  selector: { matchLabels: { app: shop } }
		  template:
		    metadata: { labels: { app: shop } }
		    spec:
		      terminationGracePeriodSeconds: 1
		      containers: [{ name: shop, image: "k8s.gcr.io/pause:3.2", imagePullPolicy: Never }]
		---
		apiVersion: policy/v1beta1
		kind: PodDisruptionBudget
		metadata: { name: shop, namespace: default }
		spec: { minAvailable: 1, selector: { matchLabels: { app: shop } } }
	END
}
