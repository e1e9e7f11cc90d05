//! systemd units of one host.

use super::clock::Millis;

/// Where a unit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnitState {
    Inactive,
    Active,
    Failed,
    Activating {
        due: Millis,
    },
    Deactivating {
        due: Millis,
    },
    /// The process died; systemd starts it again.
    AutoRestart {
        due: Millis,
    },
}

/// One unit.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) state: UnitState,
    /// When it last became active; `None` = never since boot.
    pub(super) active_since: Option<Millis>,
    /// When the state last changed.
    pub(super) changed: Millis,
    pub(super) pid: u32,
    pub(super) restarts: u32,
    /// So many starts fail from now on.
    pub(super) fail_next: u32,
}

impl Unit {
    pub(super) fn new(name: &'static str, description: &'static str) -> Self {
        Self {
            name,
            description,
            state: UnitState::Inactive,
            active_since: None,
            changed: 0,
            pid: 0,
            restarts: 0,
            fail_next: 0,
        }
    }

    pub(super) fn is_active(&self) -> bool {
        self.state == UnitState::Active
    }

    pub(super) fn set(&mut self, state: UnitState, now: Millis) {
        if state == UnitState::Active {
            self.active_since = Some(now);
        } else {
            self.pid = 0;
        }
        self.state = state;
        self.changed = now;
    }

    /// `ActiveState`.
    pub(super) fn active_word(&self) -> &'static str {
        match self.state {
            UnitState::Inactive => "inactive",
            UnitState::Active => "active",
            UnitState::Failed => "failed",
            UnitState::Activating { .. } | UnitState::AutoRestart { .. } => "activating",
            UnitState::Deactivating { .. } => "deactivating",
        }
    }

    /// `SubState`.
    pub(super) fn sub_word(&self) -> &'static str {
        match self.state {
            UnitState::Inactive => "dead",
            UnitState::Active => "running",
            UnitState::Failed => "failed",
            UnitState::Activating { .. } => "start",
            UnitState::Deactivating { .. } => "stop-sigterm",
            UnitState::AutoRestart { .. } => "auto-restart",
        }
    }

    pub(super) fn is_socket(&self) -> bool {
        self.name.ends_with(".socket")
    }
}

/// `kubelet` is `kubelet.service`.
pub(super) fn unit_file(name: &str) -> String {
    if [".service", ".socket", ".timer", ".target"]
        .iter()
        .any(|s| name.ends_with(s))
    {
        name.to_owned()
    } else {
        format!("{name}.service")
    }
}
