//! The file as it is written: every section and key there is.
//!
//! Owns `RawConfig`. It knows names and types; whether the values make sense together is `check`'s business.
//! A new setting is one line here and nothing else: docs, sample, schema and range check follow.

use super::approvals::RawApprovals;
use super::budget::RawBudget;
use super::canaries::RawCanaries;
use super::kept::DESTROYS;
use super::secrets::RawSecret;
use super::settings::{Legal, section};
use super::size::{Placed, Size};
use super::sources::RawSource;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;

section! {
    /// `creel.toml`. Whatever is not written here has the default; without any file nothing may leave the jail but
    /// requests to the model.
    RawConfig "" {
        /// Whose jail this is.
        tenant: RawTenant = RawTenant::default(), Legal::Table(&RawTenant::SECTION), why "";
        /// What the jail may use of this machine.
        limits: RawLimits = RawLimits::default(), Legal::Table(&RawLimits::SECTION), why "";
        /// Where the agent may go.
        egress: RawEgress = RawEgress::default(), Legal::Table(&RawEgress::SECTION), why "";
        /// Credentials that the agent uses and never holds.
        secret: Vec<Placed<RawSecret>> = Vec::new(), Legal::Tables(&RawSecret::SECTION), why "";
        /// Where values of secrets are asked for.
        source: Vec<Placed<RawSource>> = Vec::new(), Legal::Tables(&RawSource::SECTION), why "";
        /// Who resolves the names that are approved.
        dns: RawDns = RawDns::default(), Legal::Table(&RawDns::SECTION), why "";
        /// Which model the agent gets.
        model: RawModel = RawModel::default(), Legal::Table(&RawModel::SECTION), why "";
        /// What the model may cost.
        budget: RawBudget = RawBudget::default(), Legal::Table(&RawBudget::SECTION), why "";
        /// Which tools the model may call.
        tools: RawTools = RawTools::default(), Legal::Table(&RawTools::SECTION), why "";
        /// Who answers questions, and how long they wait.
        approvals: RawApprovals = RawApprovals::default(), Legal::Table(&RawApprovals::SECTION), why "";
        /// The operator's own rules.
        policy: RawPolicy = RawPolicy::default(), Legal::Table(&RawPolicy::SECTION), why "";
        /// Which programs may run in the jail.
        exec: RawExec = RawExec::default(), Legal::Table(&RawExec::SECTION), why "";
        /// How the ledger is kept.
        ledger: RawLedger = RawLedger::default(), Legal::Table(&RawLedger::SECTION), why "";
        /// Where Creel keeps its state.
        state: RawState = RawState::default(), Legal::Table(&RawState::SECTION), why "";
        /// OpenClaw itself.
        openclaw: RawOpenClaw = RawOpenClaw::default(), Legal::Table(&RawOpenClaw::SECTION), why "";
        /// When the agent is started anew.
        restart: RawRestart = RawRestart::default(), Legal::Table(&RawRestart::SECTION), why "";
        /// What is kept of the files that the agent takes orders from.
        files: RawFiles = RawFiles::default(), Legal::Table(&RawFiles::SECTION), why "";
        /// How much of the workspace is kept, and when.
        snapshots: RawSnapshots = RawSnapshots::default(), Legal::Table(&RawSnapshots::SECTION), why "";
        /// What becomes of an agent that takes bait.
        canaries: RawCanaries = RawCanaries::default(), Legal::Table(&RawCanaries::SECTION), why "";
        /// How what the agent remembers is looked through.
        memory: RawMemory = RawMemory::default(), Legal::Table(&RawMemory::SECTION), why "";
        /// Who is told at once when something happens.
        alerts: Vec<Placed<RawAlert>> = Vec::new(), Legal::Tables(&RawAlert::SECTION), why "";
        /// Where the ledger's records are sent as they are written.
        export: Vec<Placed<RawExport>> = Vec::new(), Legal::Tables(&RawExport::SECTION), why "";
    }
}

section! {
    /// Whose jail this is.
    RawTenant "tenant" {
        /// The tenant's name, in every record and in the name of its folder.
        name: Placed<String> = Placed::unset("default".to_owned()),
            Legal::Text("1 to 63 of `a-z`, `0-9` and `-`, not starting with `-`"),
            why "one tenant needs no better name";
    }
}

section! {
    /// What the jail may use of this machine, everything in it together. The kernel enforces each limit; one that this
    /// host can't enforce is named, and Creel does not start.
    RawLimits "limits" {
        /// CPU time, in cores.
        cpus: Placed<f64> = Placed::unset(2.0), Legal::Number { min: 0.05, max: 1024.0 },
            why "OpenClaw idles at 3 % of a core and is ready in about 20 s on two";
        /// Memory, page cache included, no swap on top.
        memory: Placed<Size> = Placed::unset(Size(4096 * MIB)), Legal::Bytes { min: 32 * MIB, max: 16 * TIB },
            why "OpenClaw peaks at 1.9 GiB after a few turns; twice that leaves room for what it starts";
        /// Disk for everything the agent can write: workspace, state, home, `/tmp` and `/dev/shm` together.
        disk: Placed<Size> = Placed::unset(Size(10_240 * MIB)), Legal::Bytes { min: 16 * MIB, max: 64 * TIB },
            why "room for a few checked-out projects; it is allocated in full, so that the host can't run out";
        /// Processes and threads.
        processes: Placed<u64> = Placed::unset(512), Legal::Count { min: 16, max: 1 << 22 },
            why "OpenClaw and its helpers take about 40 threads; a build takes some hundred";
        /// Open files of each process.
        open_files: Placed<u64> = Placed::unset(4096), Legal::Count { min: 64, max: 1 << 20 },
            why "Node opens some hundred files at start; npm and git a few thousand";
    }
}

section! {
    /// Where the agent may go, apart from the model. Whatever no rule names is refused, its name does not resolve, and
    /// the attempt is in the ledger.
    RawEgress "egress" {
        /// Ready entries for well-known services, each a name and its parameters (`github owner=acme`). `creel profiles list`
        /// names them, [profiles.md](profiles.md) shows them.
        profiles: Placed<Vec<Placed<String>>> = Placed::unset(Vec::new()), Legal::Texts("a profile's name and its parameters"),
            why "nothing leaves unasked";
        /// One rule a host.
        allow: Vec<Placed<RawAllow>> = Vec::new(), Legal::Tables(&RawAllow::SECTION), why "nothing leaves unasked";
    }
}

section! {
    /// A host that the agent may speak to. A request passes when it meets every condition of one rule.
    RawAllow "egress.allow" {
        /// The host: an exact name, all names below one (`*.example.com`, never `example.com` itself), or an address.
        host: Option<Placed<String>> = None, Legal::Text("a host name, `*.` and a host name, or an IP address"),
            why "a rule without a host would say nothing", example "\"api.example.com\"";
        /// The TCP ports.
        ports: Placed<Vec<Placed<u16>>> = Placed::unset(vec![Placed::unset(443)]), Legal::Ports,
            why "TLS, which Creel looks into";
        /// Connect here, whatever the name resolves to. The only way to a private, loopback or otherwise closed range;
        /// the metadata address of a cloud stays closed.
        address: Option<Placed<String>> = None, Legal::Text("an IP address"),
            why "Creel resolves the name itself and refuses closed ranges", example "\"192.0.2.10\"";
        /// A file with the certificates (PEM) that vouch for this host, besides the host system's own. A relative path
        /// starts at the configuration file.
        ca: Option<Placed<String>> = None, Legal::Text("the path of a PEM file"),
            why "the host system's roots are enough for public hosts", example "\"ca.pem\"";
        /// A file with the certificates (PEM) that Creel shows to this host when it asks who it is; the agent never holds them.
        client_cert: Option<Placed<String>> = None, Legal::Text("the path of a PEM file"),
            why "few hosts ask", example "\"client.pem\"";
        /// The file with the private key (PEM) of `client_cert`. Let nobody but root read it.
        client_key: Option<Placed<String>> = None, Legal::Text("the path of a PEM file"),
            why "few hosts ask", example "\"client-key.pem\"";
        /// Plain HTTP is all right too. On port 80 it always is: a rule that lists that port means it.
        http: Placed<bool> = Placed::unset(false), Legal::Flag,
            why "plain HTTP can be read and changed on the way";
        /// What is spoken there. `http`: HTTP, over TLS that Creel looks into. `tunnel`: TLS of the agent's own to this very
        /// name, for clients that pin certificates. `tcp`: any bytes. `smtp`, `imap`, `postgres`: these, over TLS that Creel
        /// terminates, `STARTTLS` and `SSLRequest` understood. All but `http` know `ports`, `address`, `ca`, `max_body` (what
        /// may go out on one connection), `rate` and `ask` alone, and `creel status` says that nobody looks into them.
        mode: Placed<String> = Placed::unset("http".to_owned()),
            Legal::OneOf(&["http", "tunnel", "tcp", "smtp", "imap", "postgres"]),
            why "what is not looked into can carry anything";
        /// WebSockets may be opened. Their messages are read, and not judged one by one.
        websocket: Placed<bool> = Placed::unset(false), Legal::Flag,
            why "they stay open for hours, and few services need them";
        /// The HTTP methods. Without this: all.
        methods: Option<Placed<Vec<Placed<String>>>> = None, Legal::Texts("an HTTP method in capitals"),
            why "a host that is approved is approved for use", example "[\"GET\"]";
        /// The paths: `*` is one segment, `**` any number. Without this: all.
        paths: Option<Placed<Vec<Placed<String>>>> = None, Legal::Texts("a path that starts with `/`"),
            why "a host that is approved is approved for use", example "[\"/v1/**\"]";
        /// What a path may hold although servers read it differently: `%2f`, `;`, `//`, `%25`, `%3f` (also `%23`). Without
        /// `paths`, `%2f` may stand in it anyway.
        odd_paths: Placed<Vec<Placed<String>>> = Placed::unset(Vec::new()), Legal::Texts("one of `%2f`, `;`, `//`, `%25`, `%3f`"),
            why "what two servers read differently gets around a condition";
        /// The only query parameters: `name` with any value, or `name=value`, in which `*` is any text. Without this: all.
        query: Option<Placed<Vec<Placed<String>>>> = None, Legal::Texts("`name` or `name=value`"),
            why "a host that is approved is approved for use", example "[\"page\", \"state=open\"]";
        /// Headers that must stand there once (`name: value`, in which `*` is any text), or must not (`!name`).
        headers: Placed<Vec<Placed<String>>> = Placed::unset(Vec::new()), Legal::Texts("`name: value` or `!name`"),
            why "most services do not depend on them";
        /// The media types of a body, without parameters. Without this: all.
        content_types: Option<Placed<Vec<Placed<String>>>> = None, Legal::Texts("a media type"),
            why "a host that is approved is approved for use", example "[\"application/json\"]";
        /// The longest body. Without this: 4 GiB.
        max_body: Option<Placed<Size>> = None, Legal::Bytes { min: 0, max: 4096 * MIB },
            why "a large push fits", example "\"64KiB\"";
        /// At most so many requests in a second, minute, hour or day (`\"60/minute\"`). Refused ones count too.
        rate: Option<Placed<String>> = None, Legal::Text("a number, `/`, and `second`, `minute`, `hour` or `day`"),
            why "work comes in bursts", example "\"60/minute\"";
        /// Read each body in this strict form before it is judged, at most 1 MiB, and send it written anew: `json`,
        /// `graphql`, `json-rpc` (MCP too) or `form` (URL-encoded). Any other body is refused. Without this bodies stream unread.
        body: Option<Placed<String>> = None, Legal::OneOf(&["json", "graphql", "json-rpc", "form"]),
            why "most bodies are files, which stream", example "\"graphql\"";
        /// What such a body may do, each part of a batch: `query viewer` or `mutation addComment` (kind and root field, `*` is
        /// any text) for GraphQL; a method, or `tools/call NAME`, for JSON-RPC. Without this: all.
        /// What lies in a `tools/call` is judged as a call of that tool besides, unless the model proposed it and it was let pass.
        operations: Option<Placed<Vec<Placed<String>>>> = None, Legal::Texts("an operation"),
            why "a host that is approved is approved for use", example "[\"query *\"]";
        /// What a JSON or URL-encoded body must hold: `member=value` or `member.member=value`, in which `*` in the value is any text.
        fields: Placed<Vec<Placed<String>>> = Placed::unset(Vec::new()), Legal::Texts("`member=value`"),
            why "most bodies need no look";
        /// Where links in a read body may lead: `any`where, or to `approved` hosts alone.
        links: Placed<String> = Placed::unset("any".to_owned()), Legal::OneOf(&["any", "approved"]),
            why "only messages are read by people and fetched for previews";
        /// Credentials in a request: `any`, or `none` in any place that Creel looks into (headers, cookies, query, path, read
        /// bodies). With `any` the agent can use an account that is not yours; `creel status` says so.
        credentials: Placed<String> = Placed::unset("any".to_owned()), Legal::OneOf(&["any", "none"]),
            why "tools that you gave a token must work";
        /// The name of a secret that Creel puts into each request of this entry, outside the jail: the agent never holds it, and
        /// whatever it sends in that place is dropped. The value comes from the environment of `creel up` (`NAME`, or the path
        /// of a file in `NAME_FILE`), from the credentials of systemd or from `/run/secrets`. It goes over TLS alone.
        secret: Option<Placed<String>> = None, Legal::Text("1 to 128 of `a-z`, `A-Z`, `0-9`, `_`, `-` and `.`"),
            why "most hosts need none", example "\"CRM_TOKEN\"";
        /// The header that it fills: `bearer` (in `Authorization`), `basic USER` (likewise, the secret is the password) or
        /// `header NAME` (its whole value).
        secret_slot: Placed<String> = Placed::unset("bearer".to_owned()), Legal::Text("`bearer`, `basic USER` or `header NAME`"),
            why "what most interfaces take";
        /// At most so many bytes of URL and headers may stand in no text that Creel saw arrive; beyond them a person decides.
        /// Without this: any number.
        max_unseen: Option<Placed<u64>> = None, Legal::Count { min: 0, max: 1 << 20 },
            why "interfaces are called with made-up URLs; pages are read by links", example "64";
        /// Learn what is needed: through this day (UTC) the entry is an outer bound within which all may leave, and is on record
        /// as learnt; then nothing leaves by it. `creel policy suggest --learnt` makes the narrowest entries of that.
        learn_until: Option<Placed<String>> = None, Legal::Text("a day, `YYYY-MM-DD`"),
            why "an entry is your yes for good", example "\"2026-12-31\"";
        /// A person decides about each request (`creel approvals`).
        ask: Placed<bool> = Placed::unset(false), Legal::Flag,
            why "an entry is your yes";
    }
}

section! {
    /// Who resolves the names that are approved, outside the jail. What the agent asks is answered by Creel itself and never
    /// travels. Every address that comes back is judged, and only a judged one is connected to.
    RawDns "dns" {
        /// `system` is this machine's own resolver. The others ask `servers`, keep answers for their time and record whether
        /// the server validated them (DNSSEC): `plain` over UDP and TCP, `tls` and `https` encrypted.
        resolver: Placed<String> = Placed::unset("system".to_owned()), Legal::OneOf(&["system", "plain", "tls", "https"]),
            why "works wherever this machine can look up names";
        /// Whom to ask, in this order: addresses, with a port where it is not the usual one (53, 853, 443).
        servers: Placed<Vec<Placed<String>>> = Placed::unset(Vec::new()), Legal::Texts("an IP address, or one and a port"),
            why "the system's resolver has its own";
        /// The name that their certificate must be for.
        name: Option<Placed<String>> = None, Legal::Text("a host name"),
            why "an address alone proves nobody", example "\"dns.example.com\"";
        /// The endpoint, for `https`.
        path: Placed<String> = Placed::unset("/dns-query".to_owned()), Legal::Text("a path that starts with `/`"),
            why "the usual one, RFC 8484, section 4.1.1";
        /// A file with the certificates (PEM) that vouch for them, besides the host system's own.
        ca: Option<Placed<String>> = None, Legal::Text("the path of a PEM file"),
            why "the host system's roots are enough for public servers", example "\"dns-ca.pem\"";
    }
}

section! {
    /// Which model the agent gets. Its key never stands here: it comes from the environment of `creel up`
    /// (`OPENAI_API_KEY`, `ANTHROPIC_API_KEY` or `GEMINI_API_KEY`) and stays outside the jail.
    RawModel "model" {
        /// The provider. Without this: the one whose key is in the environment, and the scripted model when there is none.
        provider: Option<Placed<String>> = None, Legal::OneOf(&["scripted", "openai", "anthropic", "gemini"]),
            why "works at once with a key, and without one", example "\"anthropic\"";
        /// The wire format that it is spoken to in, of those that the provider has.
        format: Option<Placed<String>> = None,
            Legal::OneOf(&["openai-completions", "openai-responses", "anthropic-messages", "google-generative-ai"]),
            why "the provider's usual one; OpenAI's is `openai-completions`, which compatible servers speak too",
            example "\"anthropic-messages\"";
        /// The model's name at the provider.
        model: Option<Placed<String>> = None, Legal::Text("1 to 128 letters, digits and `. _ : / @ -`"),
            why "depends on the provider", example "\"claude-sonnet-4-5\"";
        /// Where the provider is, for one of your own that speaks the same wire format; with the version for OpenAI's
        /// (`/v1`), without it for the others. `https`, unless it is pinned to this machine.
        base_url: Option<Placed<String>> = None, Legal::Text("a URL without user, query and fragment"),
            why "the provider's public address", example "\"https://llm.example.com/v1\"";
        /// Connect here, whatever the name in `base_url` resolves to.
        address: Option<Placed<String>> = None, Legal::Text("an IP address"),
            why "Creel resolves the name itself and refuses closed ranges", example "\"192.0.2.20\"";
        /// A file with the certificates (PEM) that vouch for the provider, besides the host system's own.
        ca: Option<Placed<String>> = None, Legal::Text("the path of a PEM file"),
            why "the host system's roots are enough for public providers", example "\"ca.pem\"";
        /// The attack script that the scripted model follows. Without this it is helpful.
        script: Option<Placed<String>> = None, Legal::Text("the path of a script"),
            why "a first try should be a friendly one", example "\"profiles/attacks/exfiltrate.toml\"";
    }
}

section! {
    /// Which tools the model may call. A refused call never reaches the agent.
    RawTools "tools" {
        /// Never.
        deny: Placed<Vec<Placed<String>>> = Placed::unset(Vec::new()), Legal::Texts("a tool's name"),
            why "the jail holds whatever a tool does";
        /// Only when a person says yes (`creel approvals`).
        ask: Placed<Vec<Placed<String>>> = Placed::unset(Vec::new()), Legal::Texts("a tool's name"),
            why "the jail holds whatever a tool does";
        /// Acts that can't be taken back (money, deletion, publishing, access, devices, code, installing, instructions):
        /// asked about `unless-ordered` by the user's own message on exactly these values, or `always`.
        high_risk: Placed<String> = Placed::unset("unless-ordered".to_owned()),
            Legal::OneOf(&["unless-ordered", "always"]), why "a question for each ordered act is soon answered unread";
        /// Tools whose results you trust like your own words, such as an address book that nobody else writes to.
        directories: Placed<Vec<Placed<String>>> = Placed::unset(Vec::new()), Legal::Texts("a tool's name"),
            why "what a tool brings back may have been written by anybody";
        /// Whose words count as the user's: `seen`, what Creel itself delivered (`creel say`) since its guard started, or
        /// `claimed`, whatever the agent says that its user said. People who write to the agent by a channel of OpenClaw's
        /// own need `claimed`; then who takes over OpenClaw's own process can put words into their mouths.
        users: Placed<String> = Placed::unset("seen".to_owned()),
            Legal::OneOf(&["seen", "claimed"]), why "the agent writes the conversation that its calls are judged by";
        /// Your address book: people, addresses and accounts that the agent may write to when the user asks for it.
        contacts: Placed<Vec<Placed<String>>> = Placed::unset(Vec::new()),
            Legal::Texts("a name and an address, such as `Anna Berg <anna@example.com>`"),
            why "only whom the user names is known";
    }
}

section! {
    /// The operator's own rules, in Cedar (https://www.cedarpolicy.com), over the acts of the agent. A `forbid` refuses,
    /// `@verdict("ask") forbid` has a person asked, a `permit` lifts a question of Creel's own rules; nothing lifts a refusal.
    /// `creel policy schema` prints what they can speak of, `creel policy check` reads them. Each has a name, `@id("…")`, which
    /// stands in the record as `operator/…`.
    RawPolicy "policy" {
        /// Files of rules. A relative path starts at the configuration file. A rule that can't match is an error.
        rules: Placed<Vec<Placed<String>>> = Placed::unset(Vec::new()), Legal::Texts("the path of a file of Cedar rules"),
            why "the shipped rules and the entries of this file say what most need";
    }
}

section! {
    /// Which programs may run in the jail. What is judged is the program that the kernel is asked to start with its real
    /// arguments, whoever asks: a shell, `env`, `xargs` or a program's own option. The jail holds whatever runs, with or
    /// without these.
    RawExec "exec" {
        /// Never: a program, and words that stand among its arguments in this order (`git push`). `*` is any text; a program
        /// with a slash in it is a whole path. A copy under another name is another program, which `allow` can keep out.
        deny: Placed<Vec<Placed<String>>> = Placed::unset(Vec::new()), Legal::Texts("a program and words of its arguments"),
            why "the jail holds whatever runs";
        /// Only when a person says yes (`creel approvals`); the process waits meanwhile. Patterns as in `deny`.
        ask: Placed<Vec<Placed<String>>> = Placed::unset(Vec::new()), Legal::Texts("a program and words of its arguments"),
            why "the jail holds whatever runs";
        /// Where programs may lie, links followed: `*` is one folder or file, `**` any number. Without this: anywhere. Creel's
        /// own launcher and OpenClaw's runtime always may run. An interpreter that is allowed runs any script.
        allow: Option<Placed<Vec<Placed<String>>>> = None, Legal::Texts("a path that starts with `/`"),
            why "agents build and run programs of their own", example "[\"/usr/**\"]";
    }
}

section! {
    /// How the ledger is kept.
    RawLedger "ledger" {
        /// What must be on disk before it is released: acts with an `effect` (a call, a body, anything asked about), or
        /// `all`, mere reads too. The rest is on disk at most 50 ms later.
        durability: Placed<String> = Placed::unset("effects".to_owned()), Legal::OneOf(&["effects", "all"]),
            why "a look-up that is lost in a power cut changed nothing; each sync costs milliseconds";
        /// How many days records are kept; 0 for ever. What is older goes in whole segments (16 MiB), once it is signed, all of its
        /// acts have ended and each place of `[[export]]` has it; that it went is a record. Its hashes stay.
        keep_days: Placed<u64> = Placed::unset(0), Legal::Count { min: 0, max: 36_500 },
            why "what is gone tells nobody anything any more";
        /// How much records may take on the disk: beyond that the oldest go before their days are over, in the same way. Without
        /// this there is no bound.
        keep_bytes: Option<Placed<Size>> = None, Legal::Bytes { min: 64 * MIB, max: 64 * TIB },
            why "what is gone tells nobody anything any more", example "\"10GiB\"";
        /// How many days each record is kept however much there is, so that nobody pushes out what he did by doing more.
        keep_at_least_days: Placed<u64> = Placed::unset(30), Legal::Count { min: 1, max: 36_500 },
            why "a month to notice what happened; a full disk stops the agent before it costs a record";
    }
}

section! {
    /// Where Creel keeps its state.
    RawState "state" {
        /// The folder for runtime, volumes, ledgers and sockets. Root's, and never visible in a jail.
        dir: Placed<String> = Placed::unset("/var/lib/creel".to_owned()),
            Legal::Text("an absolute path without `..`, at most 80 bytes"),
            why "the place for state by the Filesystem Hierarchy Standard, section 5.8; sockets below it must fit in \
                 the 107 bytes of unix(7)";
        /// The file with the key of the store of secrets, 64 hexadecimal digits for its owner alone; made at the first use. On
        /// another disk than `dir`, one is worth nothing without the other. Without this: `secrets.key` beside the store.
        key_file: Option<Placed<String>> = None, Legal::Text("an absolute path"),
            why "a store that needs nothing else to start", example "\"/etc/creel/secrets.key\"";
    }
}

section! {
    /// OpenClaw itself. Its own configuration is written by Creel and read-only for the agent.
    RawOpenClaw "openclaw" {
        /// The bundled plugins that may load. None of them decides anything.
        plugins: Placed<Vec<Placed<String>>> = Placed::unset(Vec::new()), Legal::Texts("a plugin's id"),
            why "each plugin is code with the gateway's rights, and some fetch from the network at start";
        /// Whether it takes what webhooks bring (`creel hook`): data for the agent, never orders.
        hooks: Placed<bool> = Placed::unset(false), Legal::Flag,
            why "who can send the agent texts can try to talk it round";
        /// How long it may take to be ready, in seconds.
        ready_within: Placed<u64> = Placed::unset(300), Legal::Count { min: 10, max: 3600 },
            why "20 s on an idle machine; a loaded one was seen to take three times as long";
        /// How long it may finish its work when it is stopped, in seconds.
        drain: Placed<u64> = Placed::unset(20), Legal::Count { min: 0, max: 600 },
            why "it ends in 1 to 6 s when idle";
    }
}

section! {
    /// When the agent is started anew.
    RawRestart "restart" {
        /// How often OpenClaw is asked whether it is well, in seconds.
        every: Placed<u64> = Placed::unset(10), Legal::Count { min: 1, max: 3600 },
            why "a question costs a millisecond";
        /// After how many bad answers in a row it is restarted.
        failures: Placed<u64> = Placed::unset(3), Legal::Count { min: 1, max: 100 },
            why "one bad answer may be a long turn on a loaded machine";
        /// After how many restarts within `window` Creel gives up.
        attempts: Placed<u64> = Placed::unset(5), Legal::Count { min: 0, max: 1000 },
            why "what fails five times in ten minutes needs a person";
        /// The time in which `attempts` are counted, in seconds.
        window: Placed<u64> = Placed::unset(600), Legal::Count { min: 10, max: 86_400 },
            why "what fails five times in ten minutes needs a person";
    }
}

section! {
    /// How what the agent remembers is looked through for secrets and planted orders: its memory, notes, histories, logs and
    /// OpenClaw's databases.
    RawMemory "memory" {
        /// How often, in seconds; 0 for never but by `creel memory audit`.
        audit_every: Placed<u64> = Placed::unset(3600), Legal::Count { min: 0, max: 604_800 },
            why "a look takes seconds, and what did not change is not read twice";
        /// `take-out`: what is surely a secret or an order goes from memories and notes, is kept where the agent can't reach
        /// it, and can be put back (`creel memory restore`). `report`: nothing is changed.
        on_finding: Placed<String> = Placed::unset("take-out".to_owned()), Legal::OneOf(&["take-out", "report"]),
            why "an order in a memory is obeyed at every start";
    }
}

/// What OpenClaw reads as instructions, skills and memory.
const PROTECTED: [&str; 12] = [
    "AGENTS.md",
    "SOUL.md",
    "IDENTITY.md",
    "USER.md",
    "TOOLS.md",
    "HEARTBEAT.md",
    "BOOT.md",
    "BOOTSTRAP.md",
    "MEMORY.md",
    "memory/**",
    "skills/**",
    "/var/lib/openclaw/skills/**",
];

section! {
    /// What is kept of the files that the agent takes orders from. What is done to files of the workspace, the state and the home is
    /// recorded in any case; of these ones each is told apart, who opens them too, and every version is kept outside the jail
    /// (`creel files`).
    RawFiles "files" {
        /// Which: paths below the workspace, or from `/var/lib/openclaw/` on. `*` is any part of a name, `**` any number of names.
        protected: Placed<Vec<Placed<String>>> =
            Placed::unset(PROTECTED.into_iter().map(|path| Placed::unset(path.to_owned())).collect()),
            Legal::Texts("a path, `*` and `**` in it"),
            why "what OpenClaw reads as instructions, skills and memory; who writes there writes what the agent does tomorrow";
        /// What becomes of a change that no person made: `keep` lets it stand; `undo` puts the last accepted version back, which is
        /// what stood there before the agent's first message and what `creel files restore` put there. With `undo` leave out
        /// what the agent should write, such as its memory.
        protect: Placed<String> = Placed::unset("keep".to_owned()), Legal::OneOf(&["keep", "undo"]),
            why "agents keep their own notes in these files";
        /// How many versions of each file are kept. What a person accepted last always is.
        versions: Placed<u64> = Placed::unset(50), Legal::Count { min: 2, max: 1000 },
            why "some weeks of an agent's own notes; all files together take at most 256 MiB";
    }
}

section! {
    /// How much of the workspace is kept outside the jail, and when (`creel snapshot`). One that a person gave a name stays until
    /// he removes it; the others are forgotten, the oldest first.
    RawSnapshots "snapshots" {
        /// How often one is taken, in seconds; 0 for never.
        every: Placed<u64> = Placed::unset(3600), Legal::Count { min: 0, max: 604_800 },
            why "what did not change is neither read nor kept twice";
        /// Programs, and words of their arguments as in `[exec] deny`, before which one is taken; a tool call that deletes is
        /// such an act too. When it can't be taken, the act is refused.
        before: Placed<Vec<Placed<String>>> =
            Placed::unset(DESTROYS.into_iter().map(|line| Placed::unset(line.to_owned())).collect()),
            Legal::Texts("a program and words of its arguments"),
            why "most of what is lost is lost by these";
        /// Before acts no more than one within so many seconds.
        pause: Placed<u64> = Placed::unset(600), Legal::Count { min: 1, max: 86_400 },
            why "a build removes files all the time";
        /// So many of each kind are kept: by schedule, before acts, asked for, before one was put back.
        keep: Placed<u64> = Placed::unset(24), Legal::Count { min: 1, max: 1000 },
            why "a day of the schedule";
        /// What they take on the disk, all together. What does not fit is left out and said; none younger than six hours goes for
        /// it.
        room: Placed<Size> = Placed::unset(Size(2048 * MIB)), Legal::Bytes { min: MIB, max: TIB },
            why "a fifth of the jail's own disk; pieces that are alike are kept once";
    }
}

/// The largest file that is read: the configuration and each PEM file.
pub(super) const FILE_LIMIT: u64 = 1024 * KIB;

section! {
    /// Who is told at once when something happens: one section for each place. Every delivery and every failure is in the
    /// ledger. Without `answers_as`, what is told holds no link, and nothing can be answered from it.
    RawAlert "alerts" {
        /// Where to: `https`, or `http` to this machine itself. A part of the path that is secret is written `{secret}`.
        url: Option<Placed<String>> = None, Legal::Text("a URL without user, query and fragment"),
            why "nobody is told by default", example "\"https://hooks.example.com/creel\"";
        /// What is understood there. `json` is Creel's own: `{creel, tenant, event, title, text, quoted, count, time}`.
        format: Placed<String> = Placed::unset("json".to_owned()),
            Legal::OneOf(&["json", "slack", "telegram", "ntfy"]), why "any program reads it";
        /// Of what: a `canary` taken, a `leak` stopped, a `quarantine` begun or ended, a `question` that waits for a person,
        /// something found in the agent's `memory`, a secret whose exchange is `overdue`, a `budget` that is spent or nearly so.
        events: Placed<Vec<Placed<String>>> = Placed::unset(super::Event::ALL.map(|event| Placed::unset(event.name().to_owned())).to_vec()),
            Legal::Texts("one of `canary`, `leak`, `quarantine`, `question`, `memory`, `overdue`, `budget`"),
            why "each of them wants a person";
        /// Connect here, whatever the name resolves to. The only way to a private or otherwise closed range.
        address: Option<Placed<String>> = None, Legal::Text("an IP address"),
            why "Creel resolves the name itself and refuses closed ranges", example "\"192.0.2.30\"";
        /// A file with the certificates (PEM) that vouch for it, besides the host system's own.
        ca: Option<Placed<String>> = None, Legal::Text("the path of a PEM file"),
            why "the host system's roots are enough for public services", example "\"ca.pem\"";
        /// The name of the secret that goes along. Its value comes from where those of `[[egress.allow]]` come from.
        secret: Option<Placed<String>> = None, Legal::Text("1 to 128 of `a-z`, `A-Z`, `0-9`, `_`, `-` and `.`"),
            why "some places need none", example "\"ALERT_TOKEN\"";
        /// Where it goes: `bearer`, `basic USER`, `header NAME`, or `path`, in the place of `{secret}` in `url`.
        secret_slot: Placed<String> = Placed::unset("bearer".to_owned()),
            Legal::Text("`bearer`, `basic USER`, `header NAME` or `path`"), why "what most services take";
        /// The user (`id -u anna`; 0 for root) who alone reads this place: a question comes with a link by which that user answers it.
        /// One of `[approvals] people`, or 0. It takes `[approvals] listen`, and a place where the agent can't go.
        answers_as: Option<Placed<u64>> = None, Legal::Count { min: 0, max: 1_879_048_191 },
            why "who reads a message may answer only where you say so", example "0";
        /// The chat, for `telegram`.
        chat: Option<Placed<String>> = None, Legal::Text("a number, or `@` and a channel's name"),
            why "a bot writes to many", example "\"123456789\"";
    }
}

section! {
    /// Where the ledger's records are sent as they are written: one section for each place. In order, each at least once; what a
    /// place misses while it is away it gets when it is back.
    RawExport "export" {
        /// Where to. `https://…/v1/logs`: OTLP in JSON (`http` to this machine itself). `tls://HOST:PORT`, `tcp://HOST:PORT`,
        /// `udp://HOST:PORT` and `unix:PATH`: syslog (RFC 5424). What `tcp` and `udp` carry can be read and changed on the way,
        /// so they need the very address. `file:PATH`: a copy of the log (C2SP tlog-tiles) in PATH/TENANT, for `creel ledger verify` or
        /// anybody's verifier; name a folder within another disk's mount, so that nothing is written while that is away.
        /// `s3://HOST/BUCKET/PREFIX`: the same in an object store, below PREFIX/TENANT (`s3+http` to this machine itself).
        url: Option<Placed<String>> = None, Legal::Text("a URL of one of these forms"),
            why "nothing is sent by default", example "\"https://otlp.example.com/v1/logs\"";
        /// The public key of a witness (C2SP tlog-witness), which `url` then is the prefix of: it gets checkpoints and no record,
        /// and vouches that the log never went back. Have it on a machine that root of this one has no power over.
        witness: Option<Placed<String>> = None, Legal::Text("`NAME+ID+KEY`, with a key for cosignatures"),
            why "a collector takes records", example "\"witness.example.com+00651b21+BAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\"";
        /// Connect here, whatever the name resolves to. The only way to a private or otherwise closed range.
        address: Option<Placed<String>> = None, Legal::Text("an IP address"),
            why "Creel resolves the name itself and refuses closed ranges", example "\"192.0.2.40\"";
        /// A file with the certificates (PEM) that vouch for it, besides the host system's own.
        ca: Option<Placed<String>> = None, Legal::Text("the path of a PEM file"),
            why "the host system's roots are enough for public services", example "\"ca.pem\"";
        /// The name of the secret that goes along with OTLP, or that S3's requests are signed with (`KEY_ID:SECRET_KEY`). Its value comes from where those of `[[egress.allow]]` come from.
        secret: Option<Placed<String>> = None, Legal::Text("1 to 128 of `a-z`, `A-Z`, `0-9`, `_`, `-` and `.`"),
            why "collectors of one's own need none", example "\"OTLP_TOKEN\"";
        /// Where it goes: `bearer`, `basic USER` or `header NAME`; for S3 `aws REGION s3`.
        secret_slot: Placed<String> = Placed::unset("bearer".to_owned()),
            Legal::Text("`bearer`, `basic USER`, `header NAME` or `aws REGION s3`"), why "what most services take";
    }
}
