//! certfleet:backup: a whole copy or none.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use certfleet::model::{Output, scripts};

use crate::tree::{Tree, files, said, shells};

const DIRECTORY: &str = "/var/lib/certfleet/backups";
const PKI: &str = "/etc/kubernetes/pki";

fn host() -> Tree {
    let tree = Tree::new();
    tree.write("/etc/kubernetes/pki/ca.key", "secret key");
    fs::set_permissions(
        tree.path("/etc/kubernetes/pki/ca.key"),
        fs::Permissions::from_mode(0o640),
    )
    .unwrap();
    tree.write("/etc/kubernetes/admin.conf", "admin");
    tree.write("/etc/kubernetes/manifests/odd name\twith tab.yaml", "pod");
    tree.write("/var/lib/kubelet/pki/kubelet-client-1.pem", "pem");
    tree.link(
        "/var/lib/kubelet/pki/kubelet-client-current.pem",
        "/var/lib/kubelet/pki/kubelet-client-1.pem",
    );
    tree.write("/var/lib/kubelet/config.yaml", "config");
    tree
}

fn backup(tree: &Tree, shell: &[&str], run: &str) -> Output {
    tree.run(shell, &scripts::BACKUP, &[run, DIRECTORY, PKI])
}

fn code(output: &Output) -> String {
    output.status.to_string()
}

#[test]
fn copies_everything_and_verifies_on_the_second_run() {
    for shell in shells() {
        let tree = host();
        tree.write(&format!("{DIRECTORY}/run-1.partial/half"), "from a crash");
        let first = backup(&tree, &shell, "run-1");
        assert_eq!(
            first.stdout_text(),
            format!("backup\t{DIRECTORY}/run-1\t5\t27\n"),
            "{shell:?} {}",
            said(&first)
        );
        let copy = tree.path(&format!("{DIRECTORY}/run-1"));
        assert_eq!(
            files(&copy),
            [
                "SHA256SUMS",
                "etc/kubernetes/admin.conf",
                "etc/kubernetes/manifests/odd name\twith tab.yaml",
                "etc/kubernetes/pki/ca.key",
                "var/lib/kubelet/config.yaml",
                "var/lib/kubelet/pki/kubelet-client-1.pem",
                "var/lib/kubelet/pki/kubelet-client-current.pem",
            ]
        );
        let mode = |path: &str| fs::metadata(copy.join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(""), mode("etc/kubernetes/pki/ca.key")), (0o700, 0o640));
        assert!(
            fs::symlink_metadata(copy.join("var/lib/kubelet/pki/kubelet-client-current.pem"))
                .unwrap()
                .is_symlink()
        );
        assert!(!tree.path(&format!("{DIRECTORY}/run-1.partial")).exists());

        tree.write("/etc/kubernetes/admin.conf", "renewed since");
        assert_eq!(
            backup(&tree, &shell, "run-1").stdout,
            first.stdout,
            "the first copy stays"
        );
        fs::write(copy.join("etc/kubernetes/admin.conf"), "rotten").unwrap();
        let damaged = backup(&tree, &shell, "run-1");
        assert_eq!(code(&damaged), "exit status 4");
        assert!(!said(&damaged).contains("secret"));
    }
}

#[test]
fn never_where_the_kubelet_would_run_it() {
    let tree = host();
    tree.link(
        "/var/lib/sneaky",
        tree.path("/etc/kubernetes/manifests").to_str().unwrap(),
    );
    for directory in [
        "/etc/kubernetes/manifests",
        "/etc/kubernetes",
        "/var/lib/sneaky",
        "/var/../etc/kubernetes",
        "relative",
    ] {
        let output = tree.run(&["sh"], &scripts::BACKUP, &["run-1", directory, PKI]);
        assert_eq!(code(&output), "exit status 2", "{directory}: {}", said(&output));
    }
    for run in ["", "..", "a/b"] {
        assert_eq!(code(&backup(&tree, &["sh"], run)), "exit status 2", "{run:?}");
    }
    assert_eq!(files(&tree.path("/etc/kubernetes/manifests")).len(), 1);
    assert_eq!(code(&backup(&Tree::new(), &["sh"], "run-1")), "exit status 3");
}

#[test]
fn a_pki_behind_a_link_is_copied_too() {
    let tree = host();
    fs::rename(tree.path(PKI), tree.path("/elsewhere")).unwrap();
    tree.link(PKI, tree.path("/elsewhere").to_str().unwrap());
    let output = backup(&tree, &["sh"], "run-1");
    assert!(output.status.success(), "{}", said(&output));
    assert!(tree.path(&format!("{DIRECTORY}/run-1/cert-dir/ca.key")).exists());
}

#[test]
fn a_copy_that_fails_leaves_nothing_behind() {
    let tree = host();
    tree.stub("cp", "printf 'cp: no space left on device\\n' >&2; exit 1");
    let output = backup(&tree, &["sh"], "run-1");
    assert_eq!(code(&output), "exit status 1");
    assert!(
        output.last_line().contains("cannot copy /etc/kubernetes"),
        "{}",
        said(&output)
    );
    assert!(files(&tree.path(DIRECTORY)).is_empty());
}

/// Answers only for admin.conf, as a cluster that is well does.
const KUBECTL: &str = r#"case $* in *"--kubeconfig="*"/etc/kubernetes/admin.conf "*"get configmap kubeadm-config "*) ;; *) exit 1 ;; esac
[ -e "$STATE/down" ] && exit 1
printf 'apiVersion: kubeadm.k8s.io/v1beta3\ncertificatesDir: /srv/pki\nkind: ClusterConfiguration\n'"#;

#[test]
fn kubeadms_configuration_is_kept_when_the_api_answers_and_found_when_it_does_not() {
    for shell in shells() {
        let tree = host();
        tree.stub("kubectl", KUBECTL);
        let keep = |run: &str| {
            let output = tree.run(&shell, &scripts::BACKUP, &[run, DIRECTORY, PKI, "kubectl"]);
            assert!(output.status.success(), "{shell:?}: {}", said(&output));
        };
        keep("20200101T000000Z-renew-0001");
        keep("20200301T000000Z-renew-0002");
        fs::write(tree.state("down"), "").unwrap();
        keep("20200401T000000Z-renew-0003");
        let kept = |run: &str| tree.path(&format!("{DIRECTORY}/{run}/kubeadm-config.yaml"));
        assert!(
            fs::read_to_string(kept("20200301T000000Z-renew-0002"))
                .unwrap()
                .contains("certificatesDir: /srv/pki")
        );
        let handed_on = fs::read_to_string(kept("20200401T000000Z-renew-0003")).unwrap();
        assert!(
            handed_on.contains("certificatesDir: /srv/pki"),
            "an older backup may be removed: {shell:?}"
        );
        tree.write("/etc/kubernetes/admin.conf", "    server: https://10.0.0.100:6443\n");
        tree.stub("curl", r#"[ -e "$STATE/down" ] && { printf 000; exit 7; }; case $* in *"https://10.0.0.100:6443/healthz") printf 401 ;; esac"#);
        let ask = || {
            tree.run(&shell, &scripts::FACTS, &[PKI, "kubeadm"])
                .stdout_text()
                .into_owned()
        };
        let line = format!("kubeadm-config\t{DIRECTORY}/20200401T000000Z-renew-0003/kubeadm-config.yaml\n");
        assert!(ask().contains(&line), "{shell:?}: {}", ask());
        fs::remove_file(tree.state("down")).unwrap();
        assert!(
            !ask().contains("kubeadm-config"),
            "a cluster that answers is asked by kubeadm itself"
        );
    }
}
