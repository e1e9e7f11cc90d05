//! Why something failed: the texts of Go's crypto/x509, crypto/tls, net and of the API server's status errors.
//!
//! First match wins; certificate causes stand above connection causes, since a line may carry both.

use super::class::Class;
use super::facts::Text;

/// One cause.
#[derive(Debug)]
pub(super) struct Cause {
    pub(super) rule: &'static str,
    pub(super) text: Text,
    pub(super) class: Class,
    /// The other reading of the same text.
    pub(super) ambiguous_with: Option<Class>,
    /// Where the text comes from.
    #[expect(dead_code, reason = "for the reader who checks the table against the sources")]
    pub(super) origin: &'static str,
}

const fn cause(rule: &'static str, text: Text, class: Class, origin: &'static str) -> Cause {
    Cause {
        rule,
        text,
        class,
        ambiguous_with: None,
        origin,
    }
}

const EXPIRED: &str = "certificate has expired";

/// The table, most telling first.
pub(super) const CAUSES: &[Cause] = &[
    cause(
        "x509-before",
        Text::all(&[EXPIRED, " is before "]),
        Class::NotYetValid,
        "crypto/x509 verify.go, Go 1.14+",
    ),
    cause(
        "x509-after",
        Text::all(&[EXPIRED, " is after "]),
        Class::Expired,
        "crypto/x509 verify.go, Go 1.14+",
    ),
    cause(
        "x509-not-valid-yet",
        Text::any(&[
            "certificate is not valid yet",
            "certificate is not yet valid",
            "x509: certificate is not yet",
        ]),
        Class::NotYetValid,
        "client-go util/cert, kubeadm pki_helpers.go",
    ),
    Cause {
        rule: "x509-expired-or-not-yet",
        text: Text::any(&["certificate has expired or is", "x509: certificate has exp"]),
        class: Class::Expired,
        ambiguous_with: Some(Class::NotYetValid),
        origin: "crypto/x509 verify.go, Go up to 1.13: one text for both",
    },
    cause(
        "tls-alert-expired",
        Text::any(&["tls: expired certificate"]),
        Class::RejectedByPeer,
        "crypto/tls alert.go 45",
    ),
    cause(
        "certificate-expired",
        Text::any(&[EXPIRED, "certificate is expired", "certificate expired"]),
        Class::Expired,
        "kubeadm, kubelet transport.go",
    ),
    cause(
        "x509-unknown-authority",
        Text::any(&[
            "certificate signed by unknown authority",
            "x509: certificate signed by",
            "x509: certificate sig",
            "parent certificate cannot sign",
            "is not authorized to sign other certificates",
            "self signed certificate in certificate chain",
            "self-signed certificate",
            "unable to get local issuer certificate",
            "crypto/rsa: verification error",
            "x509: too many intermediates",
            "x509: root certificate is missing",
            "x509: ECDSA verification failure",
        ]),
        Class::UnknownAuthority,
        "crypto/x509 verify.go UnknownAuthorityError; openssl verify texts",
    ),
    cause(
        "x509-san",
        Text::any(&[
            "certificate is valid for",
            "doesn't contain any IP SANs",
            "x509: cannot validate certificate",
            "certificate is not valid for any names",
            "certificate relies on legacy Common Name",
            "x509: Common Name is not a valid hostname",
            "does not match any of DNSNames",
            "does not contain any DNSNames",
            "does not contain any IP",
            "x509: certificate is not valid for",
        ]),
        Class::SanMismatch,
        "crypto/x509 verify.go HostnameError; etcd pkg/transport listener_tls.go",
    ),
    cause(
        "tls-alert",
        Text::any(&[
            "tls: bad certificate",
            "tls: unknown certificate",
            "tls: unsupported certificate",
            "tls: revoked certificate",
            "tls: unknown certificate authority",
            "remote error: tls: certificate required",
            "remote error: tls: handshake failure",
            "remote error: tls: access denied",
            "remote error: tls: unrecognized name",
            "remote error: tls: error decrypting message",
            "remote error: bad certificate",
            "tlsv1 alert unknown ca",
            "sslv3 alert bad certificate",
            "tls: client didn't provide a certificate",
        ]),
        Class::RejectedByPeer,
        "crypto/tls alert.go",
    ),
    cause(
        "x509-other",
        Text::any(&[
            "x509: ",
            "tls: failed to ver",
            "x509: certificate specifies an incompatible key usage",
        ]),
        Class::OtherError,
        "crypto/x509, a text cut off or rare",
    ),
    cause(
        "unauthorized",
        Text::any(&[
            "Unauthorized",
            "the server has asked for the client to prov",
            "unauthorized:",
            "is unauthorized",
            "You must be logged in to the server",
            "system:anonymous",
            "invalid bearer token",
            "bearer token is invalid",
            "401 Unauthorized",
        ]),
        Class::Unauthorized,
        "apimachinery errors.go; RBAC 403 as system:anonymous",
    ),
    cause(
        "conn-refused",
        Text::any(&[
            "connection refused",
            "connect: connection ref",
            "actively refused",
            "The connection to the server ",
        ]),
        Class::ConnRefused,
        "net, syscall ECONNREFUSED (Go before 1.11 writes getsockopt:)",
    ),
    cause(
        "timeout",
        Text::any(&[
            "TLS handshake timeout",
            "i/o timeout",
            "context deadline exceeded",
            "Client.Timeout exceeded",
            "request canceled",
            "connection timed out",
            "operation timed out",
            "timeout awaiting response headers",
            "request timed out",
            "the server was unable to return a response in the time allotted",
            "timed out waiting for the condition",
            "DeadlineExceeded",
            "Timeout: request did not complete",
            "Timeout: Too large resource",
            "net/http: TLS hand",
            "http2: client connection lost",
        ]),
        Class::Timeout,
        "net/http transport.go; apimachinery wait.go; apiserver timeout filter",
    ),
    cause(
        "node-name-not-found",
        Text::all(&["\" not f"]).and_any(&["node \"", "node \\\"", "node \\\\\\\"", "nodes \"", "nodes \\\""]),
        Class::NodeNotFound,
        "pkg/kubelet/kubelet.go, kubelet_getters.go GetNode; quoted once, twice or thrice",
    ),
    cause(
        "node-name-not-found-plain",
        Text::all(&[" not f"]).and_any(&["GetNode: node", "error getting node", "node '"]),
        Class::NodeNotFound,
        "up to 1.9: single quotes or none",
    ),
    cause(
        "node-not-found",
        Text::any(&[
            "error getting node\" err",
            "error getting node\\\" err",
            "error getting the current node from lister",
            "failed to get node info",
            "hasn't been registered yet",
            "node not found",
            "' is not in cache",
        ]),
        Class::NodeNotFound,
        "pkg/kubelet/kubelet.go, kubelet_getters.go GetNode, eviction_manager.go; \"is not in cache\" up to 1.4",
    ),
    cause(
        "network",
        Text::any(&[
            "no route to host",
            "network is unreachable",
            "no such host",
            "connection reset by peer",
            "server misbehaving",
            "broken pipe",
            ": EOF",
            ": unexpected EOF",
            "http2: server sent GOAWAY",
            "the server is currently unable to handle the request",
            "etcdserver: ",
            "an error on the server (",
            "Temporary failure in name resolution",
            "use of closed network connection",
            "server gave HTTP response to HTTPS client",
            "first record does not look like a TLS handshake",
            "remote error: tls: internal error",
            "dial tcp: lookup",
            "dial tcp: address",
            "transport is closing",
            "apiserver not ready",
            "the server could not find the requested resource",
        ]),
        Class::OtherError,
        "net; apimachinery errors.go",
    ),
];
