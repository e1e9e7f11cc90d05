//! Everything that can go wrong between us and a host's command, with what a person should do.

use std::time::Duration;

use thiserror::Error;

use crate::model::duration::display as show;

use super::vault::Refusal;

/// A failure of the way to the host, never of the command itself (that is an exit status).
///
/// No variant holds a secret. `Display` says what happened; [`RemoteError::remedy`] what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RemoteError {
    /// The inventory has no such host: a mistake of the caller.
    #[error("no host `{0}` in the inventory")]
    NoSuchHost(String),
    /// Name resolution, TCP, banner or key exchange failed, retries included.
    #[error("cannot connect to {address}: {reason}")]
    Unreachable { address: String, reason: String },
    /// This process (or this machine) has as many files open as it may: nothing is wrong with the host.
    #[error("cannot connect to {address}: this machine gives certfleet no more open files")]
    NoFilesLeft { address: String },
    /// The server hung up before SSH began and said why in clear text, retries included.
    #[error("{address} hung up before SSH began; it said: {said}")]
    TurnedAway { address: String, said: String },
    /// A deadline of the way in passed (TCP, key exchange or authentication).
    #[error("{address} did not finish {stage} within {}", show(*after))]
    ConnectTimeout {
        address: String,
        stage: &'static str,
        after: Duration,
    },
    /// `known_hosts` has no key for this host and the policy is strict.
    #[error("the host key of {address} is not known ({algorithm} {fingerprint})")]
    HostKeyUnknown {
        address: String,
        algorithm: String,
        fingerprint: String,
    },
    /// `known_hosts` has another key: a rebuilt host, or somebody in between.
    #[error("THE HOST KEY OF {address} HAS CHANGED: it shows {fingerprint}, {file}:{line} says otherwise")]
    HostKeyChanged {
        address: String,
        fingerprint: String,
        file: String,
        line: usize,
    },
    /// The key is marked @revoked.
    #[error("the host key of {address} is revoked ({file}:{line})")]
    HostKeyRevoked { address: String, file: String, line: usize },
    /// A host certificate that is signed by a known authority but not acceptable; why.
    #[error("the host certificate of {address} is not acceptable: {reason}")]
    HostCertificate { address: String, reason: String },
    /// All methods were refused. Never retried: hosts lock accounts.
    #[error("{address} refused the login as {user} (tried: {tried})")]
    AuthRefused {
        address: String,
        user: String,
        tried: String,
    },
    /// An answer that is good for one login was refused; whatever else was asked for was right. The next login asks anew.
    #[error("{address} refused the login as {user}: the answer to `{question}` was not right")]
    CodeRefused {
        address: String,
        user: String,
        question: String,
    },
    /// Root rights were refused.
    #[error("cannot become root: {0}")]
    Become(BecomeError),
    /// The server refused another channel, or the exec request.
    #[error("the host refused {what}: {reason}")]
    ChannelRefused { what: &'static str, reason: String },
    /// The host would not open a tunnel to a port.
    #[error("cannot reach {target} from the host: {reason}")]
    TunnelRefused { target: String, reason: TunnelRefusal },
    /// The connection ended. When the command had been sent, its outcome is unknown.
    #[error("the connection was lost {}", if *sent { "while the command ran" } else { "before the command was sent" })]
    Lost { sent: bool },
    /// The command's own deadline passed; it may still run.
    #[error("no answer within {}", show(*after))]
    CommandTimeout { after: Duration },
    /// A followed command writes faster than its lines are taken; it was ended.
    #[error("the host writes faster than its output can be taken ({} MiB behind)", bytes / (1024 * 1024))]
    Overrun { bytes: usize },
    /// A setting that cannot work: a missing key file, a wrong passphrase, `Match` without an ssh client …
    #[error("{what}")]
    Config { what: String, remedy: String },
}

/// Why a direct-tcpip channel was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TunnelRefusal {
    /// Nothing listens there.
    #[error("connection refused")]
    Closed,
    /// sshd has `AllowTcpForwarding no` or a `PermitOpen` list.
    #[error("forwarding is forbidden by sshd")]
    Forbidden,
}

/// Why root rights were not obtained.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BecomeError {
    #[error("a password is required")]
    PasswordRequired,
    #[error("the password is wrong")]
    WrongPassword,
    #[error("the password is wrong here, and other hosts accepted it")]
    AnotherPassword,
    #[error("the password was not sent: some hosts accepted it, then two refused it one after the other")]
    NotSent,
    #[error("the user may not run commands as root here")]
    NotAllowed,
    #[error("a terminal is required (requiretty)")]
    TerminalRequired,
    #[error("`{0}` is not installed")]
    NotInstalled(String),
    #[error("{0}")]
    Other(String),
}

impl RemoteError {
    /// Whether the command cannot have had an effect: it was never sent.
    pub fn never_sent(&self) -> bool {
        !matches!(
            self,
            RemoteError::Lost { sent: true } | RemoteError::CommandTimeout { .. } | RemoteError::Overrun { .. }
        )
    }

    /// What the person should do.
    pub fn remedy(&self) -> String {
        match self {
            RemoteError::NoSuchHost(_) => "Check the host name against `certfleet inventory`.".to_owned(),
            RemoteError::Unreachable { .. } | RemoteError::ConnectTimeout { .. } => {
                "Check that the host is up and that `ssh` reaches it from here; `address:`, `port:` and `jump:` are set in the inventory.".to_owned()
            }
            RemoteError::NoFilesLeft { .. } => {
                "Each host takes one open file, and certfleet itself twenty. Raise the hard limit (`ulimit -Hn` shows it): /etc/security/limits.conf, `LimitNOFILE=` of a systemd unit, docker's `--ulimit`; or take fewer hosts at once with `--limit`.".to_owned()
            }
            RemoteError::TurnedAway { said, .. } => turned_away(said).to_owned(),
            RemoteError::HostKeyUnknown { address, .. } => format!(
                "Compare the fingerprint with the host's console, then record it with `ssh {}`, or set `host-key-policy: accept-new`.",
                ssh_words(address)
            ),
            RemoteError::HostKeyChanged { file, line, .. } => format!(
                "If the host was rebuilt, remove line {line} of {file} and compare the new fingerprint at its console. If not, somebody may be in between: do not go on."
            ),
            RemoteError::HostKeyRevoked { file, line, .. } => {
                format!("The key was revoked on purpose ({file}:{line}). Give the host a new key; do not remove the line.")
            }
            RemoteError::HostCertificate { .. } => "Have the host certificate issued again by your SSH authority.".to_owned(),
            RemoteError::AuthRefused { address, user, .. } => {
                format!("Try `ssh -l {user} {}`. Set `user:` and `identity:` in the inventory, load the key into the agent, or set `password: prompt`.", ssh_words(address))
            }
            RemoteError::CodeRefused { .. } => "A one-time code is good for one login: wait for the next one. It is asked for again when the host is needed again; a key that needs no code suits a fleet better.".to_owned(),
            RemoteError::Become(error) => error.remedy(),
            RemoteError::ChannelRefused { what: "the command", .. } => "Log in as this user by hand (`ssh USER@HOST true`): its shell, its password's age or a ForceCommand keeps commands from running. Log in as another user, or mend that.".to_owned(),
            RemoteError::ChannelRefused { .. } => "Raise MaxSessions in the host's sshd_config, or look at its log.".to_owned(),
            RemoteError::TunnelRefused { reason: TunnelRefusal::Closed, .. } => "Nothing listens there; look at the process that should.".to_owned(),
            RemoteError::TunnelRefused { reason: TunnelRefusal::Forbidden, .. } => "Set `AllowTcpForwarding yes` in sshd_config.".to_owned(),
            RemoteError::Lost { .. } => "Look whether the host is up; the state is probed again on the next run.".to_owned(),
            RemoteError::CommandTimeout { .. } => "The command may still run on the host; look there before repeating it.".to_owned(),
            RemoteError::Overrun { .. } => "Something floods the host's journal; look at it with `journalctl` on the host.".to_owned(),
            RemoteError::Config { remedy, .. } => remedy.clone(),
        }
    }
}

fn turned_away(said: &str) -> &'static str {
    if said.contains("Not allowed at this time") {
        "Its sshd penalises this machine for earlier failures (PerSourcePenalties). Wait a minute, or add this machine to PerSourcePenaltyExemptList in its sshd_config."
    } else if said.contains("MaxStartups") {
        "Its sshd has too many logins in progress. Raise MaxStartups in its sshd_config, or lower what else logs in."
    } else {
        "Look whether sshd listens on this port, and what stands between here and there (TCP wrappers, a proxy, fail2ban)."
    }
}

/// `host` or `host:port` (or `[host]:port`, as `known_hosts` writes it) as arguments of `ssh`.
fn ssh_words(address: &str) -> String {
    let bracketed = address.strip_prefix('[').and_then(|a| a.split_once("]:"));
    let one_colon = || address.split_once(':').filter(|(_, port)| !port.contains(':'));
    match bracketed.or_else(one_colon) {
        Some((host, port)) => format!("-p {port} {host}"),
        None => address.to_owned(),
    }
}

impl BecomeError {
    /// A password that a host refused, here or elsewhere.
    pub(super) fn password(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Here | Refusal::Elsewhere => BecomeError::WrongPassword,
            Refusal::HereAlone => BecomeError::AnotherPassword,
            Refusal::InARow => BecomeError::NotSent,
        }
    }

    /// What the person should do.
    pub fn remedy(&self) -> String {
        match self {
            BecomeError::PasswordRequired => {
                "Set `become: { password: prompt }` in the inventory, or allow the user NOPASSWD in sudoers (with doas: `permit nopass`)."
            }
            BecomeError::WrongPassword => {
                "Start again with the right password; no second attempt was made, so nothing is locked."
            }
            BecomeError::AnotherPassword => {
                "This host has another password: give the user the same one there, or NOPASSWD in sudoers, or run it by itself with `--limit`. It was sent there once."
            }
            BecomeError::NotSent => {
                "Hosts with different passwords cannot share one run: give the user the same one on all, or NOPASSWD in sudoers, or run them apart with `--limit`."
            }
            BecomeError::NotAllowed => "Log in as a user whom sudoers allows to run commands as root.",
            BecomeError::TerminalRequired => {
                "Remove `requiretty` for this user in sudoers (`Defaults:USER !requiretty`)."
            }
            BecomeError::NotInstalled(_) => "Set `become: { method: … }` to what the host has: sudo, doas, su or none.",
            BecomeError::Other(_) => "Try the same by hand with `ssh HOST sudo -n true`.",
        }
        .to_owned()
    }
}
