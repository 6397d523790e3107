//! The places in the jail that OpenClaw, its configuration and the warden agree on.
//!
//! Owns names alone; it creates nothing. The jail is built by `creel-jail`, which knows the same places.

/// The agent's working folder.
pub const WORKSPACE: &str = "/workspace";
/// The agent's HOME.
pub const HOME: &str = "/home/agent";
/// OPENCLAW_STATE_DIR.
pub const STATE: &str = "/var/lib/openclaw";
/// Where the prepared runtime folder is seen, read-only.
pub const RUNTIME: &str = "/opt/openclaw";
/// Node in the runtime folder.
pub const NODE: &str = "/opt/openclaw/node/bin/node";
/// OpenClaw's launcher in the runtime folder.
pub const ENTRY: &str = "/opt/openclaw/app/node_modules/openclaw/openclaw.mjs";
/// OPENCLAW_CONFIG_PATH: written by Creel, read-only.
pub const CONFIG: &str = "/etc/openclaw/openclaw.json";
/// The port that OpenClaw's gateway listens on, on 127.0.0.1 and ::1.
pub const GATEWAY_PORT: u16 = 18789;
/// The port of Creel's model endpoint on 127.0.0.1, planted before the agent starts.
pub const MODEL_PORT: u16 = 983;
/// The host's roots and the tenant's CA in one file.
pub const CA_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The tenant's CA alone.
pub const TENANT_CA: &str = "/etc/ssl/creel-ca.pem";
/// Where the warden answers OpenClaw's secret reference.
pub const SECRETS_SOCKET: &str = "/run/creel/secrets.sock";
/// Where the gateway takes webhooks.
pub const HOOKS: &str = "/hooks";
