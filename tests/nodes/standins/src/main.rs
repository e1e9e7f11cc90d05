//! What a real cluster runs and a Debian mirror does not have, as one program that acts by the name it is called by.
//! Each stand-in is honest about TLS: it loads, serves, verifies and refuses certificates as the real one does.

/// `println!` to a reader that may have gone: Go's programs end silently there.
macro_rules! println {
    ($($word:tt)*) => {{
        use std::io::Write;
        if writeln!(std::io::stdout(), $($word)*).is_err() {
            std::process::exit(141);
        }
    }};
}

mod apiserver;
mod clients;
mod controllers;
mod etcd;
mod host;
mod http;
mod klog;
mod kubeadm;
mod kubelet;
mod lab;
mod lb;
mod objects;
mod pki;
mod poll;
mod runtime;
mod shim;
mod tls;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args();
    let called = words.next().unwrap_or_default();
    let mut name = called.rsplit('/').next().unwrap_or_default().to_owned();
    let mut args: Vec<String> = words.collect();
    if name == "standins" && !args.is_empty() {
        name = args.remove(0);
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    end_on_sigterm(&name);
    match act(&name, &args) {
        Ok(code) => ExitCode::from(code),
        Err(e) => {
            eprintln!("{name}: {e:#}");
            ExitCode::from(1)
        }
    }
}

/// In a real container a program is process 1, which no signal ends that it does not handle itself.
fn end_on_sigterm(name: &str) {
    if matches!(name, "kube-controller-manager" | "kube-scheduler") {
        let at_once = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
        let _ = signal_hook::flag::register_conditional_shutdown(signal_hook::consts::SIGTERM, 0, at_once);
    }
}

fn act(name: &str, args: &[String]) -> anyhow::Result<u8> {
    match name {
        "kube-apiserver" => apiserver::main(args),
        "kube-controller-manager" => controllers::main(args, controllers::Which::Manager),
        "kube-scheduler" => controllers::main(args, controllers::Which::Scheduler),
        "kubelet" => kubelet::main(args),
        "kubeadm" => kubeadm::main(args),
        "dockerd" | "containerd" => runtime::main(name, args),
        "containerd-shim" => shim::main(args),
        "docker" => clients::docker(args),
        "crictl" => clients::crictl(args),
        "ctr" => clients::ctr(args),
        "lab" => lab::main(args),
        "lb" => lb::main(args),
        "poll" => poll::main(args),
        _ => anyhow::bail!("no stand-in has this name"),
    }
}
