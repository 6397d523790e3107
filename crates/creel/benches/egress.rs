//! What a request through the egress door costs, everything on (rules, judging, ledger), beside other proxies.
//!
//! `make bench` prints CPU microseconds of the proxy a request, and the median and the 99th percentile that it adds to a
//! direct request, in one run: compare the ratios. The proxies are processes of their own: the door, a proxy of hyper and
//! rustls that does nothing (`egress/naive.rs`), and squid, tinyproxy and haproxy where they are installed; look-ups beside
//! unbound. It takes no argument; with one it is one of those processes.

#[path = "guard/calm.rs"]
mod calm;
#[path = "egress/door.rs"]
mod door;
#[path = "egress/load.rs"]
mod load;
#[path = "egress/naive.rs"]
mod naive;
#[path = "egress/origin.rs"]
mod origin;
#[path = "egress/others.rs"]
mod others;
#[path = "egress/questions.rs"]
mod questions;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use load::{Kind, Load, Taken};
use others::Process;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The name that everybody asks for.
const HOST: &str = "origin.test";

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match words.as_slice() {
        [] => {
            let folder = std::env::temp_dir().join(format!("creel-bench-egress-{}", std::process::id()));
            std::fs::create_dir_all(&folder)?;
            let done = runtime.block_on(measure(&folder));
            std::fs::remove_dir_all(&folder)?;
            done
        }
        [role, folder] => runtime.block_on(async {
            match role.as_str() {
                "origin" => origin::serve(Path::new(folder)).await,
                "door" => door::serve(Path::new(folder)).await,
                "questions" => questions::serve(Path::new(folder)).await,
                _ => naive::serve(Path::new(folder)).await,
            }
        }),
        _ => Err("no such process".into()),
    }
}

async fn measure(folder: &Path) -> Result<(), Failure> {
    let _origin = Process::own("origin", folder).await?;
    let ports = origin::Ports::read(folder)?;
    let mut proxies = vec![Process::own("door", folder).await?, Process::own("naive", folder).await?];
    let others = [
        others::squid(folder, ports).await,
        others::tinyproxy(folder, ports).await,
        others::haproxy(folder, ports).await,
    ];
    for other in others {
        match other {
            Ok(proxy) => proxies.push(proxy),
            Err(why) => writeln!(std::io::stdout(), "left out: {why}")?,
        }
    }
    let idle: Vec<Option<u64>> = proxies.iter().map(Process::memory).collect();
    for (proxy, idle) in proxies.iter().zip(&idle) {
        writeln!(std::io::stdout(), "{:<10} {:>8.1} MiB idle", proxy.name, idle.unwrap_or(0) as f64 / 1048576.0)?;
    }
    for kind in Kind::ALL {
        for callers in kind.callers() {
            row(folder, ports, &proxies, kind, *callers).await?;
        }
    }
    questions::rows(folder).await?;
    for (proxy, idle) in proxies.iter().zip(&idle).take(2) {
        let held = load::hold(folder, ports, proxy, 400).await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let grown = proxy.memory().unwrap_or(0).saturating_sub(idle.unwrap_or(0));
        let each = grown as f64 / 1024.0 / held.len() as f64;
        writeln!(
            std::io::stdout(),
            "{:<10} {each:>8.1} KiB each of {} idle intercepted connections",
            proxy.name,
            held.len()
        )?;
    }
    Ok(())
}

/// One kind of load, direct and through each proxy in turns, three rounds of it.
async fn row(
    folder: &Path,
    ports: origin::Ports,
    proxies: &[Process],
    kind: Kind,
    callers: usize,
) -> Result<(), Failure> {
    let mut able: Vec<&Process> = Vec::new();
    for proxy in proxies.iter().filter(|proxy| proxy.takes.contains(&kind)) {
        match Load::new(folder, ports, kind, callers, Some(proxy.port))?.warm().await {
            Ok(()) => able.push(proxy),
            Err(why) => writeln!(std::io::stdout(), "{} is left out of `{kind}`: {why}", proxy.name)?,
        }
    }
    let mut direct = Vec::new();
    let mut taken: Vec<(Vec<Duration>, f64, usize)> = able.iter().map(|_| (Vec::new(), 0.0, 0)).collect();
    for _ in 0..3 {
        direct.extend(Load::new(folder, ports, kind, callers, None)?.run().await?.each);
        for (proxy, sum) in able.iter().zip(&mut taken) {
            let load = Load::new(folder, ports, kind, callers, Some(proxy.port))?;
            load.warm().await.map_err(|why| format!("{} can't do `{kind}`: {why}", proxy.name))?;
            let before = proxy.cpu();
            let Taken { each } = load.run().await?;
            sum.1 += proxy.cpu() - before;
            sum.2 += each.len();
            sum.0.extend(each);
        }
    }
    let (p50, p99) = percentiles(direct);
    let mut out = std::io::stdout();
    writeln!(out, "{kind}, {callers} at a time: direct p50 {p50:.0} us, p99 {p99:.0} us")?;
    for (proxy, (each, cpu, count)) in able.iter().zip(taken) {
        let (own50, own99) = percentiles(each);
        let cpu = cpu * 1e6 / count as f64;
        writeln!(
            out,
            "  {:<10} {cpu:>8.1} us CPU   + {:>7.0} us p50   + {:>7.0} us p99",
            proxy.name,
            own50 - p50,
            own99 - p99
        )?;
    }
    Ok(())
}

fn percentiles(mut all: Vec<Duration>) -> (f64, f64) {
    all.sort_unstable();
    let at = |part: f64| {
        let place = (all.len() as f64 * part) as usize;
        all.get(place.min(all.len().saturating_sub(1))).map_or(0.0, |one| one.as_secs_f64() * 1e6)
    };
    (at(0.5), at(0.99))
}

/// Where a process leaves what others must know of it.
fn note(folder: &Path, name: &str) -> PathBuf {
    folder.join(name)
}
