//! A TCP connection to a host, and what its failures mean.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use rustix::io::Errno;
use tokio::net::TcpStream;

use crate::remote::error::RemoteError;
use crate::remote::transport::Duplex;

use super::connect::{Again, Failure, unreachable};
use super::target::Target;

/// Connects to the first address that answers.
pub(super) async fn tcp(target: &Target) -> Result<Box<dyn Duplex>, Failure> {
    let addresses = resolve(target).await?;
    let mut last = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Nagle costs 40 ms per exchange; a socket that refuses the option still works.
                let _ = stream.set_nodelay(true);
                return Ok(Box::new(stream));
            }
            Err(error) => last = Some(error),
        }
    }
    Err(tcp_failure(target, last))
}

fn tcp_failure(target: &Target, last: Option<io::Error>) -> Failure {
    let Some(error) = last else {
        return (
            unreachable(target, "the name has no address of the wanted family"),
            Again::Never,
        );
    };
    if let Some(full) = no_files_left(target, &error) {
        return (full, Again::Never);
    }
    let again = match error.kind() {
        ErrorKind::ConnectionRefused => Again::Refused,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::TimedOut => Again::Dropped,
        _ => Again::Never,
    };
    (unreachable(target, &error.to_string()), again)
}

/// `EMFILE`, `ENFILE`. Not to be tried again: open connections stay open, so that waiting helps nobody.
pub(super) fn no_files_left(target: &Target, error: &io::Error) -> Option<RemoteError> {
    let full = [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error);
    let address = target.address();
    let is_full = error.raw_os_error().is_some_and(|code| full.contains(&code));
    is_full.then_some(RemoteError::NoFilesLeft { address })
}

async fn resolve(target: &Target) -> Result<Vec<SocketAddr>, Failure> {
    let found = tokio::net::lookup_host((target.host_name.as_str(), target.port)).await;
    let found = found.map_err(|error| {
        let reason = format!("its name cannot be resolved ({error})");
        let told = no_files_left(target, &error).unwrap_or_else(|| unreachable(target, &reason));
        (told, Again::Never)
    })?;
    Ok(found
        .filter(|a| target.only_v6.is_none_or(|v6| a.is_ipv6() == v6))
        .collect())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::model::host::SshSettings;
    use crate::remote::ssh_config::SshConfig;

    use super::super::target::Person;

    #[tokio::test]
    async fn a_full_table_of_files_is_no_fault_of_the_host() {
        let settings = SshSettings {
            config: Some(PathBuf::from("none")),
            ..SshSettings::default()
        };
        let config = SshConfig::new(PathBuf::from("/none"), PathBuf::from("/none"), None);
        let person = Person {
            home: PathBuf::from("/none"),
            user: Some("me".to_owned()),
        };
        let target = Target::resolve("m1", &settings, &config, &person)
            .await
            .expect("resolved");
        for full in [Errno::MFILE, Errno::NFILE] {
            let (error, again) = tcp_failure(&target, Some(full.into()));
            assert_eq!(again, Again::Never);
            assert!(error.remedy().contains("ulimit -Hn"), "{error}: {}", error.remedy());
        }
        let (refused, again) = tcp_failure(&target, Some(Errno::CONNREFUSED.into()));
        assert_eq!(again, Again::Refused);
        assert!(refused.remedy().contains("Check that the host is up"));
    }
}
