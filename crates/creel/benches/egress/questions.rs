//! Look-ups: the DNS door with everything on beside unbound, both asked for one name that they know.

use std::path::Path;
use std::sync::Arc;

use creel_doors::Shutdown;
use creel_doors::dns::{self, Dns, Sockets};
use creel_doors::names::Names;
use creel_guard::Tenant;
use tokio::net::UdpSocket;

use super::origin::Ports;
use super::others::{Process, command, free, installed};
use super::{Failure, HOST, door, note};

/// Questions a row and round.
const QUESTIONS: usize = 20_000;

/// The door as a process of its own.
pub(super) async fn serve(folder: &Path) -> Result<(), Failure> {
    let tenant = Tenant::parse("bench")?;
    let guard = door::guard(&note(folder, "questions"), &tenant, Ports::read(folder)?)?;
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let port = socket.local_addr()?.port();
    let door = Dns::new(guard, tenant, Arc::new(Names::new(Box::new(|_| Ok(())))));
    std::fs::write(note(folder, "questions.ready"), port.to_string())?;
    let (_trigger, shutdown) = Shutdown::pair();
    dns::serve(door, Sockets { udp: vec![socket], tcp: Vec::new() }, shutdown).await;
    Ok(())
}

/// unbound with one thread, which has the name as local data and asks nobody.
pub(super) async fn unbound(folder: &Path) -> Result<Process, Failure> {
    let program = installed("/usr/sbin/unbound")?;
    let port = free()?;
    let config = format!(
        "server:\n  interface: 127.0.0.1@{port}\n  do-daemonize: no\n  chroot: \"\"\n  username: \"\"\n  pidfile: \"\"\n  use-syslog: no\n\
         \x20 num-threads: 1\n  local-zone: \"test.\" static\n  local-data: \"{HOST}. 5 A 192.0.2.1\"\nremote-control:\n  control-enable: no\n"
    );
    std::fs::write(note(folder, "unbound.conf"), config)?;
    let mut command = command(program);
    command.arg("-d").arg("-c").arg(note(folder, "unbound.conf"));
    Process::other("unbound", port, &[], command).await
}

/// Both in turns, three rounds, one question and 32 at a time.
pub(super) async fn rows(folder: &Path) -> Result<(), Failure> {
    use std::io::Write as _;
    let mut asked = vec![Process::own("questions", folder).await?];
    match unbound(folder).await {
        Ok(other) => asked.push(other),
        Err(why) => writeln!(std::io::stdout(), "left out: {why}")?,
    }
    for window in [1, 32] {
        let mut spent = vec![0.0; asked.len()];
        for _ in 0..3 {
            for (process, sum) in asked.iter().zip(&mut spent) {
                ask(process.port, window, 1000).await?;
                let before = process.cpu();
                ask(process.port, window, QUESTIONS).await?;
                *sum += process.cpu() - before;
            }
        }
        writeln!(std::io::stdout(), "look-ups, {window} at a time")?;
        for (process, sum) in asked.iter().zip(&spent) {
            let each = sum * 1e6 / (3 * QUESTIONS) as f64;
            writeln!(std::io::stdout(), "  {:<10} {each:>8.1} us CPU", process.name)?;
        }
    }
    Ok(())
}

/// So many questions, `window` of them under way.
async fn ask(port: u16, window: usize, many: usize) -> Result<(), Failure> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    socket.connect(("127.0.0.1", port)).await?;
    let question = question();
    let mut buffer = [0; 512];
    for sent in 0..many + window {
        if sent < many {
            socket.send(&question).await?;
        }
        if sent >= window {
            let length = socket.recv(&mut buffer).await?;
            // QR, no error, one answer: RFC 1035, 4.1.1
            let right = buffer.get(2).is_some_and(|byte| byte & 0x80 != 0)
                && buffer.get(3).is_some_and(|byte| byte & 0x0f == 0)
                && buffer.get(6..8) == Some(&[0, 1]);
            if length < 12 || !right {
                return Err("a look-up failed".into());
            }
        }
    }
    Ok(())
}

/// `origin.test IN A`, recursion desired.
fn question() -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in HOST.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap_or(0));
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.extend_from_slice(&[0, 0, 1, 0, 1]);
    bytes
}
