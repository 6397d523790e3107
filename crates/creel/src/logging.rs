//! What Creel's processes write about themselves.
//!
//! Owns the start of `tracing`: lines on standard error, which `creel up` has pointed at the log file in the state
//! folder. Nothing of the agent's bytes goes there unescaped, and no secret ever.

/// Starts logging at the level of `CREEL_LOG`, else at `usual`.
pub(crate) fn start(usual: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("CREEL_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(usual));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).try_init();
}
