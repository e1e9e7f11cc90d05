//! The kubeconfig that calico-node writes for its CNI plugin.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use jiff::Timestamp;

/// The token, and the file that holds it. A token without an end is what clusters before bound tokens had.
pub(super) fn kubeconfig(secret: &str, expires: Option<Timestamp>) -> (String, String) {
    let token = jwt(secret, expires);
    let text = format!(
        "# Kubeconfig file for Calico CNI plugin. Installed by calico/node.\napiVersion: v1\nkind: Config\nclusters:\n\
         - name: local\n  cluster:\n    server: https://10.96.0.1:443\n    insecure-skip-tls-verify: true\nusers:\n\
         - name: calico\n  user:\n    token: {token}\ncontexts:\n- name: calico-context\n  context:\n    cluster: local\n    \
         user: calico\ncurrent-context: calico-context\n"
    );
    (token, text)
}

fn jwt(secret: &str, expires: Option<Timestamp>) -> String {
    let header = BASE64URL.encode(r#"{"alg":"RS256","kid":"lab"}"#);
    let claims = match expires {
        Some(at) => format!(
            r#"{{"aud":["https://kubernetes.default.svc.cluster.local"],"exp":{},"iat":{},"iss":"https://kubernetes.default.svc.cluster.local","sub":"system:serviceaccount:kube-system:calico-cni-plugin"}}"#,
            at.as_second(),
            at.as_second() - 86_400
        ),
        None => {
            r#"{"iss":"kubernetes/serviceaccount","sub":"system:serviceaccount:kube-system:calico-node"}"#.to_owned()
        }
    };
    format!("{header}.{}.{}", BASE64URL.encode(claims), BASE64URL.encode(secret))
}
