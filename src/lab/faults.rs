//! What goes wrong on purpose, between a caller and a host.

use crate::model::HostName;

/// One kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection is refused when it is opened (sshd's `MaxStartups`).
    RefuseConnection,
    /// The connection ends before the command is sent.
    DropBefore,
    /// The command is sent; the connection ends while it runs.
    DropDuring,
    /// The command runs; the connection ends before its exit status arrives.
    DropAfter,
    /// The command never ends.
    Hang,
}

/// When a fault strikes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultRule {
    pub host: HostName,
    /// The exec line contains this; empty = any line.
    pub line: String,
    pub fault: Fault,
    /// How often it still strikes.
    pub times: u32,
}

/// All rules.
#[derive(Debug, Clone, Default)]
pub(super) struct FaultPlan {
    rules: Vec<FaultRule>,
}

impl FaultPlan {
    pub(super) fn add(&mut self, rule: FaultRule) {
        self.rules.push(rule);
    }

    /// Everything works again.
    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    /// Takes the fault of the wire that strikes this line now.
    pub(super) fn on_line(&mut self, host: &HostName, line: &str) -> Option<Fault> {
        let wire = |f| matches!(f, Fault::DropBefore | Fault::DropDuring | Fault::DropAfter);
        self.take(|r| r.host == *host && wire(r.fault) && line.contains(&r.line))
    }

    /// Takes the fault that makes this line hang.
    pub(super) fn hangs(&mut self, host: &HostName, line: &str) -> bool {
        self.take(|r| r.host == *host && r.fault == Fault::Hang && line.contains(&r.line))
            .is_some()
    }

    /// Takes the refusal of a new connection.
    pub(super) fn on_connect(&mut self, host: &HostName) -> Option<Fault> {
        self.take(|r| r.host == *host && r.fault == Fault::RefuseConnection)
    }

    fn take(&mut self, strikes: impl Fn(&FaultRule) -> bool) -> Option<Fault> {
        let rule = self.rules.iter_mut().find(|r| r.times > 0 && strikes(r))?;
        rule.times -= 1;
        Some(rule.fault)
    }
}
