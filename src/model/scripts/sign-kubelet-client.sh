
# certfleet:sign-kubelet-client CERT_DIR NODE REQUEST: the master's half of a new client certificate for a kubelet.
# Signed is only what asks to be this very node.
node=$2
case $node in '' | *[!a-z0-9.-]* | [.-]* | *[.-]) die 2 "not the name of a node: $node" ;; esac
open_authority "$1/ca" 365
sign "CN=system:node:$node,O=system:nodes" clientAuth '' "$3"
printf 'certificate\t%s\n' "$certificate"
exit 0
