//! Whose trouble a kubelet line tells of. First match wins; a row matches by text or by klog source file.

mod asked;
mod own;
mod products;

use super::facts::Text;

/// Whose trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// The kubelet asked its API server for something.
    ApiRequest,
    /// Somebody asked the kubelet (port 10250): its serving side.
    Serving,
    /// Somebody's exec, attach or port-forward through the kubelet.
    Stream,
    /// A CNI plugin, with its own kubeconfig.
    PodNetwork,
    /// A registry.
    Image,
    /// An admission webhook.
    Webhook,
    /// A cloud provider's API.
    Cloud,
    /// A pod's probe or hook.
    Probe,
    /// The container runtime's socket.
    Runtime,
    /// A pod, container or volume.
    Workload,
    /// The kubelet gives up.
    Fatal,
    /// Anything else it says.
    General,
}

impl Scope {
    /// Whether an error there is somebody else's.
    pub(super) fn is_foreign(self) -> bool {
        matches!(
            self,
            Self::PodNetwork | Self::Image | Self::Webhook | Self::Cloud | Self::Probe | Self::Workload
        )
    }

    /// Whether a line there quotes what others print.
    pub(super) fn quotes(self) -> bool {
        matches!(
            self,
            Self::Probe | Self::Workload | Self::Image | Self::PodNetwork | Self::Serving | Self::Stream
        )
    }
}

/// One row.
#[derive(Debug)]
pub(super) struct ScopeRow {
    pub(super) rule: &'static str,
    pub(super) text: Text,
    /// klog source files that decide without any text.
    pub(super) files: &'static [&'static str],
    pub(super) scope: Scope,
    /// Where it was read.
    #[expect(dead_code, reason = "for the reader who checks the table against the sources")]
    pub(super) origin: &'static str,
}

const NEVER: Text = Text::all(&["\u{0}never\u{0}"]);

const fn text(rule: &'static str, scope: Scope, text: Text, origin: &'static str) -> ScopeRow {
    ScopeRow {
        rule,
        text,
        files: &[],
        scope,
        origin,
    }
}

const fn files(rule: &'static str, scope: Scope, files: &'static [&'static str], origin: &'static str) -> ScopeRow {
    ScopeRow {
        rule,
        text: NEVER,
        files,
        scope,
        origin,
    }
}

/// All rows: what others asked for or failed at, then what only a name tells, then what the kubelet itself wanted.
const TABLES: [&[ScopeRow]; 3] = [asked::TABLE, products::TABLE, own::TABLE];

/// All rows in order.
pub(super) fn scopes() -> impl Iterator<Item = &'static ScopeRow> {
    TABLES.into_iter().flatten()
}
