//! The directory of a lab: what is written, and what is never written over.

use std::fs;

use super::*;
use crate::lab::keys;

fn host(name: &str, role: Role, port: u16) -> LabHost {
    LabHost {
        name: HostName::from(name),
        role,
        port,
        host_key: keys::generate().expect("a key").public_key().clone(),
    }
}

fn write(dir: &Path, hosts: &[LabHost]) -> Result<LabFiles, LabFilesError> {
    let key = keys::generate().expect("a key");
    let login = LabLogin {
        key: &key,
        sudo_password: false,
    };
    LabFiles::write(dir, hosts, &login)
}

fn fleet() -> Vec<LabHost> {
    vec![
        host("m1", Role::ControlPlane, 2201),
        host("w1", Role::Worker, 2202),
        host("w2", Role::Worker, 2203),
    ]
}

#[test]
fn the_inventory_names_every_host_by_role() {
    let text = text::inventory(&fleet(), &text::Place::new(Path::new("/a b")).expect("a place"), true);
    let expected = r#"# Written by `certfleet lab up`, anew at each start.
cluster: lab
ssh:
  user: ops
  identity: "/a b/id_ed25519"
  known-hosts: "/a b/known_hosts"
  config: none
become: { method: sudo, password: prompt }
masters:
  hosts:
    - { name: "m1", address: 127.0.0.1, ssh: { port: 2201 } }
workers:
  hosts:
    - { name: "w1", address: 127.0.0.1, ssh: { port: 2202 } }
    - { name: "w2", address: 127.0.0.1, ssh: { port: 2203 } }
"#;
    assert_eq!(text, expected);
    assert!(serde_yaml::from_str::<serde_json::Value>(&text).is_ok(), "it is YAML");
}

#[test]
fn ssh_config_quotes_spaces_and_percent_signs() {
    let text = text::ssh_config(&fleet(), &text::Place::new(Path::new("/a b/100%")).expect("a place"));
    assert!(text.contains("IdentityFile \"/a b/100%%/id_ed25519\""), "{text}");
    assert!(text.contains("Host w1\n    Port 2202\n"), "{text}");
    assert!(
        text::Place::new(Path::new("/a\"b")).is_none(),
        "a quote cannot be quoted"
    );
}

#[test]
fn a_lab_is_written_twice_but_never_over_something_else() {
    let temp = tempfile::tempdir().expect("a directory");
    let dir = temp.path().join("new/lab");
    let first = write(&dir, &fleet()).expect("a new directory");
    let old = fs::read_to_string(first.dir().join("id_ed25519")).expect("the key");
    let error = write(&dir, &fleet()).expect_err("the first lab still runs");
    assert!(matches!(error, LabFilesError::InUse(_)), "{error}");
    drop(first);
    // What another test starts at this moment holds the file until its exec.
    let again = || write(&dir, &fleet()).inspect_err(|_| std::thread::sleep(std::time::Duration::from_millis(10)));
    (0..200)
        .find_map(|_| again().ok())
        .expect("the lab's own directory again");
    assert_ne!(
        fs::read_to_string(dir.join("id_ed25519")).expect("the key"),
        old,
        "a new key"
    );

    let foreign = temp.path().join("mine");
    fs::create_dir(&foreign).expect("a directory");
    fs::write(foreign.join("id_ed25519"), "precious").expect("a file");
    let error = write(&foreign, &fleet()).expect_err("not a lab");
    assert!(
        error
            .to_string()
            .contains("is not empty and not a directory of the lab"),
        "{error}"
    );
    assert_eq!(
        fs::read_to_string(foreign.join("id_ed25519")).expect("the file"),
        "precious"
    );
    assert_eq!(
        fs::read_dir(&foreign).expect("readable").count(),
        1,
        "nothing was added"
    );
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let temp = tempfile::tempdir().expect("a directory");
    let dir = temp.path().join("lab");
    let files = write(&dir, &fleet()).expect("a new directory");
    let mode = |path: &Path| fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
    assert_eq!(mode(files.dir()), 0o700);
    assert_eq!(mode(&files.dir().join("id_ed25519")), 0o600);
    assert_eq!(mode(&files.ssh_config()), 0o600);
}
