//! `creel jail`: a command in a jail of its own, without OpenClaw.
//!
//! Owns the command's words and the exit codes of CONTRACT.md (the command's own, 128+N, 125, 126, 127). Descriptors of
//! this side never enter the jail: bytes are moved through pipes, so that no terminal can be spoken to by its controls.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::JoinHandle;

use clap::Args;
use creel_guard::{Actor, Outcome, Tenant};
use creel_jail::{Bind, Disk, InitRequest};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::cli::host::{self, Host};
use crate::cli::{MISSING_LAYER, Where, ask, out};
use crate::config::Config;
use crate::guard_child::{GuardWish, Ticket, Wishes};
use crate::placeholders::Shelf;
use crate::protocol::Generation;
use crate::provider::Provider;
use crate::reception::Reception;
use crate::run::{self, AGENT, Failure, InitNews, Order, Running};
use crate::seat::Seat;
use crate::site::{JAIL_PREFIX, Site};
use crate::terminal::Terminal;

/// Creel itself failed.
const CREEL_FAILED: u8 = 125;

/// Run a command in a jail of its own, without OpenClaw.
#[derive(Debug, Args)]
pub(crate) struct Jail {
    /// What may leave; without, nothing.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    host: Host,
    /// Show a file or folder of the host inside, read-only.
    #[arg(long, value_name = "SRC:DST")]
    bind: Vec<String>,
    /// Put /workspace, /tmp and the rest into memory instead of onto a volume of limited size.
    #[arg(long)]
    no_disk_limit: bool,
    /// Give the command a terminal.
    #[arg(short = 't')]
    tty: bool,
    #[command(flatten)]
    place: Where,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

type Newspaper = mpsc::UnboundedReceiver<(u64, InitNews)>;
type WishList = mpsc::UnboundedReceiver<(u64, GuardWish)>;

impl Jail {
    pub(crate) fn run(self) -> ExitCode {
        crate::logging::start("error");
        ask::block_on(async {
            match self.confine().await {
                Ok(code) => crate::cli::exit(code),
                Err(failure) if failure.code == MISSING_LAYER => out::fail(MISSING_LAYER, failure.why),
                Err(failure) => out::fail(CREEL_FAILED, failure.why),
            }
        })
    }

    async fn confine(self) -> Result<i32, Failure> {
        self.host.engine().map_err(Failure::host)?;
        let config = Config::of(self.config.as_deref()).map_err(|report| Failure::host(format!("{report}")))?;
        let accepted = self.accepted()?;
        if !rustix::process::geteuid().is_root() {
            host::look(&config, !self.no_disk_limit, &accepted)?;
        }
        let site = self.place.site(Some(config.state_dir()));
        site.make().map_err(Failure::host)?;
        site.sweep(false);
        if !self.host.goes_without_nothing() {
            out::note(format_args!("\u{1b}[31mDEGRADED  {}\u{1b}[0m", accepted.join(" ")));
        }
        let binds = self.bind.iter().map(|text| parse_bind(text)).collect::<Result<Vec<_>, _>>()?;
        let (wishes, mut wish_list) = mpsc::unbounded_channel();
        let (news, newspaper) = mpsc::unbounded_channel();
        let (tenant, running) = self.start(&site, &config, &binds, wishes).await?;
        let placeholders = Shelf::told(&running.kit.setup.placeholders).whole_environment(&config);
        let env = environment(placeholders);
        let ended = self.inside(&tenant, &running, env, news, (newspaper, &mut wish_list)).await;
        let last = running.end().await;
        site.forget_jail(tenant.as_str());
        let (code, threads) = ended?;
        for thread in threads {
            let _ = thread.join();
        }
        last?;
        Ok(code)
    }

    /// Starts the jail; where others take the disk's room at the same moment, once more with less. Each try has a name of
    /// its own: the ledger of one that failed stays, and belongs to the users that it had.
    async fn start(
        &self,
        site: &Site,
        config: &Config,
        binds: &[Bind],
        wishes: Wishes,
    ) -> Result<(Tenant, Running), Failure> {
        let mut tries = 0;
        loop {
            tries += 1;
            let tenant = new_name().map_err(Failure::host)?;
            let started = match self.order(site, &tenant, config, binds) {
                Ok(order) => run::start(order, 1, wishes.clone()).await,
                Err(failure) => Err(failure),
            };
            match started {
                Ok(running) => return Ok((tenant, running)),
                Err(failure) => {
                    site.forget_jail(tenant.as_str());
                    if !failure.may_pass || tries == TRIES {
                        return Err(failure);
                    }
                }
            }
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }

    /// The layers that this command goes without.
    fn accepted(&self) -> Result<Vec<String>, Failure> {
        let mut accepted = self.host.degraded().map_err(Failure::host)?.to_vec();
        accepted.extend(self.no_disk_limit.then(|| "limit.disk".to_owned()));
        Ok(accepted)
    }

    fn order<'a>(
        &self,
        site: &'a Site,
        tenant: &Tenant,
        config: &'a Config,
        binds: &[Bind],
    ) -> Result<Order<'a>, Failure> {
        let safe = crate::safe::Safe::new(site, config.tenant().as_str(), config.key_file());
        let wrong = |why| Failure { code: crate::cli::USAGE, why, may_pass: false };
        let secrets = crate::cli::secrets::gather(config, None, &safe).map_err(wrong)?;
        Ok(Order {
            tenant: tenant.clone(),
            alive: run::claim(site, tenant)?,
            site,
            seat: Seat::transient()?,
            config,
            rules: Generation::default(),
            provider: Provider::scripted(),
            placeholders: Shelf::fresh(config, secrets.as_bytes()).map_err(Failure::host)?,
            secrets: zeroize::Zeroizing::new(secrets.as_bytes().to_vec()),
            reception: Reception::private(site, tenant.as_str()).map_err(Failure::host)?,
            disk: if self.no_disk_limit || !rustix::process::geteuid().is_root() {
                Disk::Memory
            } else {
                scratch(site, config)?
            },
            runtime: Some(crate::cli::runtime(site)).filter(|runtime| runtime.join("node/bin/node").exists()),
            binds: binds.to_vec(),
            files: Vec::new(),
            secrets_socket: false,
            inner_wall: None,
            engine: self.host.engine().map_err(Failure::host)?,
            degraded: self.accepted()?,
        })
    }

    /// What a shell would say of a command that never ran.
    fn hint(&self, code: i32) {
        let hint = match code {
            127 => "not found in the jail, or it says so itself",
            126 => "can't be run",
            _ => return,
        };
        out::note(format_args!("creel: `{}`: {hint}", self.command.first().map_or("", String::as_str)));
    }

    /// The command as an act of a person's.
    async fn admit(&self, tenant: &Tenant, running: &Running) -> Result<Ticket, Failure> {
        let without = host::recorded(&self.accepted()?);
        let without = if without.is_empty() { without } else { format!("{without}: ") };
        let detail = clip(without + &self.command.join(" "));
        let actor = Actor::Person { name: crate::guard_process::person(rustix::process::geteuid().as_raw()) };
        let action = crate::guard_process::administer(tenant, actor, "jail", &detail);
        let Some(guard) = &running.guard else { return Err(Failure::host("there is no guard")) };
        let refused = |refusal: creel_guard::Refusal| format!("refused by `{}`: {}", refusal.rule, refusal.to_ledger);
        guard.admit(action).await.map_err(|refusal| Failure::host(refused(refusal)))
    }

    /// Runs the command and waits for its end. Returns its code and the threads that still move its last bytes.
    async fn inside(
        &self,
        tenant: &Tenant,
        running: &Running,
        env: Vec<(String, String)>,
        news: run::News,
        (mut newspaper, wish_list): (Newspaper, &mut WishList),
    ) -> Result<(i32, Vec<JoinHandle<()>>), Failure> {
        let ticket = self.admit(tenant, running).await?;
        let (tty_sender, mut ttys) = mpsc::unbounded_channel();
        run::listen(&running.jail, 1, news, Some(tty_sender)).map_err(Failure::host)?;
        let (fds, mut threads) = if self.tty { (Vec::new(), Vec::new()) } else { pipes().map_err(Failure::host)? };
        let what = InitRequest::Spawn {
            id: AGENT,
            argv: self.command.clone(),
            env,
            cwd: crate::inside::WORKSPACE.to_owned(),
            tty: self.tty,
            leader: true,
        };
        running.spawn(what, &run::borrow(&fds)).map_err(Failure::host)?;
        drop(fds);
        let mut terminal: Option<Terminal> = None;
        let signals = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
            signal(SignalKind::hangup()),
            signal(SignalKind::window_change()),
        );
        let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup), Ok(mut resized)) = signals else {
            return Err(Failure::host("signals can't be watched"));
        };
        let (code, told) = loop {
            tokio::select! {
                item = newspaper.recv() => match item {
                    Some((_, InitNews::Ended { id: AGENT, code })) => break (code, false),
                    Some((_, InitNews::Gone)) | None => {
                        out::note("creel: the jail ended before its command did; was it out of memory?");
                        break (125, false);
                    }
                    Some(_) => {}
                },
                Some((_, GuardWish::Gone)) = wish_list.recv() => {
                    out::note("creel: the guard died, so the jail was ended: nothing may happen unrecorded");
                    break (125, false);
                }
                Some(master) = ttys.recv() => terminal = Terminal::attach(master, &mut threads).ok(),
                _ = resized.recv() => terminal.iter().for_each(Terminal::resize),
                _ = interrupt.recv() => break (130, true),
                _ = terminate.recv() => break (143, true),
                _ = hangup.recv() => break (129, true),
            }
        };
        drop(terminal);
        if told {
            // Who tells us to end may be who does not read on: what still waits in the pipes is not waited for.
            threads.clear();
        }
        self.hint(code);
        ticket.settle(Outcome::Done { sent: 0, received: 0, status: Some(i64::from(code)) }).await;
        Ok((code, threads))
    }
}

/// The clean environment of CONTRACT.md, and what stands for secrets.
fn environment(placeholders: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut env = creel_openclaw::launch::jail_environment();
    env.extend(placeholders);
    if let Ok(term) = std::env::var("TERM") {
        env.retain(|(name, _)| name != "TERM");
        env.push(("TERM".to_owned(), term));
    }
    env
}

fn new_name() -> io::Result<Tenant> {
    let mut random = [0u8; 4];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    let stamp = time::OffsetDateTime::now_utc();
    let stamp = stamp
        .format(time::macros::format_description!("[year][month][day]t[hour][minute][second]"))
        .map_err(io::Error::other)?;
    Tenant::parse(&format!("{JAIL_PREFIX}{stamp}-{:08x}", u32::from_le_bytes(random))).map_err(io::Error::other)
}

fn parse_bind(text: &str) -> Result<Bind, Failure> {
    match text.split_once(':') {
        Some((src, dst)) if !src.is_empty() && !dst.is_empty() => {
            let src = std::path::absolute(src).map_err(Failure::host)?;
            Ok(Bind { src, dst: PathBuf::from(dst) })
        }
        _ => Err(Failure::host(format!("`--bind {text}`: write SRC:DST"))),
    }
}

/// The longest command line that its record holds, in bytes.
const LONGEST_DETAIL: usize = 4096;

fn clip(mut text: String) -> String {
    if text.len() > LONGEST_DETAIL {
        let cut = (0..=LONGEST_DETAIL).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(cut);
        text.push('…');
    }
    text
}

/// A volume for this run alone, of the configured size; where the disk has no room for that, a quarter of what it has.
fn scratch(site: &Site, config: &Config) -> Result<Disk, Failure> {
    let dir = site.tenants();
    let (wanted, room) = (config.limits().disk_bytes, creel_jail::volume::room(&dir)?);
    if wanted <= room {
        return Ok(Disk::Scratch { dir, bytes: wanted });
    }
    let bytes = (room / 4) & !0xf_ffff;
    if bytes < SMALLEST_SCRATCH {
        let why =
            format!("the disk under `{}` has no room for a jail's volume; --no-disk-limit uses memory", dir.display());
        return Err(Failure::host(why));
    }
    out::note(format_args!("creel: the jail's disk is {} MiB: there is no room for {} MiB", bytes >> 20, wanted >> 20));
    Ok(Disk::Scratch { dir, bytes })
}

/// How often a jail tries to get room on the disk.
const TRIES: u32 = 4;

/// Between two of those tries.
const TRY_AGAIN: std::time::Duration = std::time::Duration::from_millis(200);

/// Below this a jail's volume is of no use.
const SMALLEST_SCRATCH: u64 = 64 << 20;

/// The three ends that go in, and the threads that move the bytes here.
fn pipes() -> io::Result<(Vec<OwnedFd>, Vec<JoinHandle<()>>)> {
    let flags = rustix::pipe::PipeFlags::CLOEXEC;
    let (in_read, in_write) = rustix::pipe::pipe_with(flags)?;
    let (out_read, out_write) = rustix::pipe::pipe_with(flags)?;
    let (err_read, err_write) = rustix::pipe::pipe_with(flags)?;
    // Nobody waits for this one: a read of a terminal or an idle pipe can't be cancelled.
    std::thread::spawn(move || {
        if let Ok(stdin) = io::stdin().as_fd().try_clone_to_owned() {
            let _ = pump(&mut File::from(stdin), &mut File::from(in_write));
        }
    });
    let stdout = std::thread::spawn(move || {
        let _ = pump(&mut File::from(out_read), &mut io::stdout());
    });
    let stderr = std::thread::spawn(move || {
        let _ = pump(&mut File::from(err_read), &mut io::stderr());
    });
    Ok((vec![in_read, out_write, err_write], vec![stdout, stderr]))
}

/// Moves bytes as they come: no piece waits for the next.
pub(crate) fn pump(from: &mut dyn io::Read, to: &mut dyn Write) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to.write_all(buffer.get(..count).unwrap_or_default())?;
        to.flush()?;
    }
}
