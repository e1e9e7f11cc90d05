//! The playbooks that come with certfleet, embedded as the files in `playbooks/`.

const BUILTIN: [(&str, &str); 6] = [
    ("renew", include_str!("../../playbooks/renew.yaml")),
    ("restart", include_str!("../../playbooks/restart.yaml")),
    ("rolling", include_str!("../../playbooks/rolling.yaml")),
    ("check", include_str!("../../playbooks/check.yaml")),
    ("k3s", include_str!("../../playbooks/k3s.yaml")),
    ("rke2", include_str!("../../playbooks/rke2.yaml")),
];

/// Name and YAML of every built-in playbook.
pub fn builtin_playbooks() -> &'static [(&'static str, &'static str)] {
    &BUILTIN
}

/// The YAML of one.
pub(super) fn text(name: &str) -> Option<&'static str> {
    BUILTIN.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}
