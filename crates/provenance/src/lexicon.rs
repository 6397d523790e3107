//! What words of tools, arguments and requests mean.
//!
//! Owns the tables: verbs and the class of act that they name, nouns that make a class worse, names of arguments. General
//! English of the trade, no tool of any benchmark. Read by [`crate::tool`] and [`crate::intent`].

use std::collections::BTreeSet;
use std::sync::LazyLock;

use creel_guard::{ArgumentKind, CallClass};

use crate::words::stem;
use CallClass::{
    Access, Contained, Delete, Execute, Fetch, Install, Instruct, Operate, Pay, Publish, Read, Send, Unknown, Write,
};

/// Verbs of tools' names and their class, worst first: the first that a name holds decides.
const VERBS: [(CallClass, &str); 11] = [
    (Execute, "exec execute shell bash terminal eval spawn sudo powershell cmd"),
    (Install, "install uninstall sideload"),
    (
        Pay,
        "pay transfer withdraw deposit purchase buy sell order checkout refund wire donate invest trade \
    bid reimburse payout charge tip payment money borrow lend stake swap recharge topup subscribe \
    upgrade renew book reserve rent hire bill funds exchange",
    ),
    (
        Access,
        "grant revoke invite authorize authorise permit share sharing permission permissions password \
    passwords credential credentials login factor mfa 2fa role roles whitelist blacklist allowlist \
    blocklist enable disable firewall policy access unblock block autofill token apikey key \
    impersonate ban kick",
    ),
    (
        Delete,
        "delete remove erase destroy drop purge wipe cancel trash terminate clear truncate close archive \
    unsubscribe leave kill reset discard deactivate revert unfollow unfriend",
    ),
    (
        Operate,
        "unlock lock open turn switch toggle dispatch drive move fly start stop control activate arm \
    disarm operate robot actuate press reboot restart shutdown summon navigate dim brew feed engage",
    ),
    (Publish, "publish tweet post upload broadcast announce release deploy push blog stream"),
    (
        Send,
        "send email message reply forward notify sms text dm call contact respond mail ping alert submit \
    report tell share dial",
    ),
    (Fetch, "browse navigate visit crawl scrape goto download curl wget"),
    (
        Write,
        "create add write update edit set append insert rename modify schedule save store reschedule \
    change put mark copy upsert patch manage make register assign import merge commit draft log \
    record tag label replace adjust configure sync restore attach react like follow fill format init \
    apply sign approve accept reject confirm convert generate plan play pin rate review process \
    complete finish track comment request apply",
    ),
    (
        Read,
        "get list search read find view show check lookup query describe count fetch retrieve look \
    inspect summarize calculate compute recommend explain verify compare analyze analyse estimate \
    status info history see load head tail stat ls cat grep glob diff preview translate predict \
    monitor discover details is has",
    ),
];

/// Nouns whose change is an act of its own class, whatever the verb.
const NOUNS: [(CallClass, &str); 3] = [
    (Instruct, "memory persona soul cron instructions prompt automation"),
    (Install, "skill skills plugin plugins extension package"),
    (
        Access,
        "password passwords permission permissions credential credentials token role access firewall \
    policy mfa 2fa factor guest member members sharing pin passcode passphrase otp",
    ),
];

/// A web tool asks a place outside, even when its verb is a look-up.
const PLACES: &str = "url webpage website page web link http site browser internet uri";

/// The class that a name says.
pub(crate) fn class_of(parts: &[String]) -> CallClass {
    // `leave_channel` leaves, `request_leave` asks for some.
    let counts = |(at, part): (usize, &&String)| at == 0 || part.as_str() != "leave";
    let parts: Vec<&String> =
        parts.iter().enumerate().filter(|(at, part)| counts((*at, part))).map(|(_, part)| part).collect();
    let has = |list: &str| parts.iter().any(|part| holds(list, part));
    // The leading verb of a name decides whether it looks or acts: `get_scheduled_transactions` looks.
    let lead = parts.iter().find_map(|part| verb(part));
    let acts = VERBS.iter().find(|(class, verbs)| *class != Read && has(verbs)).map(|(class, _)| *class);
    let looks = has(VERBS.iter().find(|(class, _)| *class == Read).map_or("", |(_, verbs)| verbs));
    let first_is_read = parts.iter().find(|part| is_verb(part)).is_some_and(|part| verb(part) == Some(Read));
    if first_is_read && looks {
        let searches = has("search");
        return if has(PLACES) && !searches { Fetch } else { Read };
    }
    let keeps = parts.iter().find(|part| is_verb(part)).is_some_and(|part| holds(KEEPS, part));
    let noun = NOUNS.iter().find(|(_, nouns)| has(nouns)).map(|(class, _)| *class);
    match (lead, acts) {
        (_, Some(Fetch)) | (Some(Operate), Some(Operate)) if has(PLACES) && has("navigate browse open visit") => Fetch,
        (_, Some(Write | Delete)) if noun.is_some() && lead != Some(Delete) => noun.unwrap_or(Unknown),
        // `add_user_to_channel`, `add_participants`: somebody gets to see something.
        (Some(Write), Some(Write)) if has("participant participants user users member guest") => Access,
        (Some(Write), Some(Publish)) if keeps => Write,
        (Some(Write | Publish), Some(Publish)) => Publish,
        (Some(lead @ (Write | Delete | Send)), Some(Pay)) if !has("money payment order funds transfer transaction") => {
            lead
        }
        // `log_call`, `update_contact`: the second word is a thing.
        (Some(Write), Some(Send)) if keeps => Write,
        (_, Some(class)) => class,
        (_, None) => noun.unwrap_or(Unknown),
    }
}

fn verb(word: &str) -> Option<CallClass> {
    VERBS.iter().find(|(_, verbs)| holds(verbs, word)).map(|(class, _)| *class)
}

/// Verbs that keep what they name instead of doing it.
const KEEPS: &str = "log record update rename tag label mark edit track rate save store like react \
    follow";

/// Words of the tables that are things in a tool's name.
const NO_VERBS: &str = "leave email message text mail post order bill money funds payment policy password access factor key \
    token report review record label tag history info details status log plan permission permissions role roles call";

/// Whether a word stands in a list of words.
fn holds(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|listed| listed == word)
}

/// Whether a part of a tool's name is a verb.
pub(crate) fn is_verb(word: &str) -> bool {
    verb(word).is_some() && !holds(NO_VERBS, word)
}

/// Whether a tool of this class and name answers in records. Pages, files and commands print whatever they hold.
pub(crate) fn is_structured(class: CallClass, parts: &[String]) -> bool {
    let has = |list: &str| parts.iter().any(|part| holds(list, part));
    let raw = has("file document doc webpage page note attachment url website web")
        && has("read get open cat load view fetch download show browse");
    !raw && !matches!(class, Fetch | Execute)
}

/// Words of a request that order an act of this class. Each is compared by its stem.
fn orders(class: CallClass) -> &'static str {
    match class {
        Read | Fetch => "",
        Write => {
            "create add write update edit set append insert rename modify schedule save store reschedule \
    change put mark copy make register assign draft record adjust correct fix book plan prepare fill \
    note replace extend shorten increase decrease raise lower remind organize complete generate \
    arrange enter tag label block move attach log comment request apply take push delay turn switch adapt file open \
    raise get need want like have merge rate review accept reject confirm convert import restore"
        }
        Send => {
            "send email message reply forward notify sms text dm contact respond mail tell inform ask write \
    post ping alert thank congratulate invite answer share report submit let"
        }
        Publish => "publish tweet post upload broadcast announce release deploy push write share update",
        Access => {
            "grant revoke invite authorize authorise permit share give add allow enable disable change reset \
    update set block unblock remove ban include let make kick"
        }
        Pay => {
            "pay transfer withdraw deposit purchase buy sell order refund wire donate invest trade reimburse \
    send return book reserve rent hire renew subscribe upgrade settle tip charge reservation booking \
    give split checkout shop exchange convert swap"
        }
        Delete => {
            "delete remove erase destroy drop purge wipe cancel trash clear close archive unsubscribe leave \
    discard terminate reset rid dispose kick ban expel throw"
        }
        Operate => {
            "unlock lock open close turn switch toggle dispatch drive move fly start stop activate arm disarm \
    press reboot restart shut play dim go navigate set send schedule call"
        }
        Execute => {
            "run execute exec start install build compile test launch call deploy release roll revert undo restart"
        }
        Install => "install add uninstall enable",
        Instruct => "remember memorize memorise schedule remind note update add write set save forget change",
        Contained | Unknown => "",
    }
}

/// Classes whose words order work inside the jail.
pub(crate) const DEEDS_AT_ALL: [CallClass; 9] =
    [Write, Send, Publish, Access, Delete, Operate, Execute, Install, Instruct];

/// The stems that order any work at all.
pub(crate) static WORKING_STEMS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let of_class = DEEDS_AT_ALL.iter().flat_map(|class| orders(*class).split_whitespace());
    of_class.chain(WORK.split_whitespace()).map(stem).collect()
});

/// What an agent with a computer is asked to do besides.
const WORK: &str = "clean fix debug refactor implement convert download clone unpack compress resize sort merge format \
    migrate deploy investigate analyse analyze calculate count process extract scrape render draw design improve tidy try use";

/// Verbs that mean the same deed.
const SAME: [&str; 16] = [
    "create add make schedule set write new put book draft save plan arrange generate prepare block file open raise \
    get need want like have",
    "update change edit modify adjust set rename correct fix increase decrease raise lower replace \
    move reschedule postpone shift extend turn switch dim brighten adapt push bring delay store save put make",
    "delete remove cancel erase trash clear discard drop purge wipe rid dispose kick ban expel throw",
    "send email message mail write forward text dm tell inform notify reply respond contact post ask \
    share let report answer congratulate thank",
    "append add write insert put include save log note",
    "checkout buy purchase order shop",
    "reserve book reservation booking rent order",
    "share give grant send invite add let allow",
    "invite add ask include",
    "post publish write upload share update tweet send",
    "pay send transfer settle refund wire buy purchase order give return reimburse",
    "run execute exec start launch",
    "remember note save memorize store",
    "schedule set plan create recur arrange book pay send",
    "request apply ask submit take",
    "exchange convert swap change",
];

/// Deeds that are done by changing such a thing, whatever the tool's verb is.
const DEEDS: [(&str, &str); 5] = [
    ("cart basket", "buy order purchase get shop"),
    ("event calendar reminder appointment meeting", "remind invite meet"),
    ("task todo alarm timer", "remind wake"),
    ("profile address", "move relocate"),
    ("light lights lamp thermostat heating volume", "turn switch dim brighten raise lower increase decrease"),
];

/// Nouns for the same thing.
const SAME_THING: [&str; 11] = [
    "event calendar appointment meeting entry reminder invitation agenda",
    "mail email message inbox",
    "file document doc",
    "payment transaction transfer money",
    "cart basket order shopping",
    "task todo ticket issue bug",
    "light lamp",
    "channel room group chat",
    "profile address account",
    "leave vacation holiday absence",
    "alarm wake",
];

/// The stems of the nouns that mean what this one means.
pub(crate) fn same_things(noun: &str) -> impl Iterator<Item = &'static str> {
    SAME_STEMS.iter().filter(move |group| group.iter().any(|one| one == noun)).flatten().map(String::as_str)
}

static SAME_STEMS: LazyLock<Vec<Vec<String>>> =
    LazyLock::new(|| SAME_THING.iter().map(|group| group.split_whitespace().map(stem).collect()).collect());

/// The stems that order a call of a tool with these verbs, nouns and this class.
pub(crate) fn ordering_stems(class: CallClass, verbs: &[String], nouns: &[String]) -> BTreeSet<String> {
    let mut stems: BTreeSet<String> = verb_stems(class, verbs).into_iter().collect();
    for (things, deeds) in DEEDS {
        if matches!(class, Write | Operate) && things.split_whitespace().any(|thing| nouns.contains(&stem(thing))) {
            stems.extend(deeds.split_whitespace().map(stem));
        }
    }
    stems
}

fn verb_stems(class: CallClass, verbs: &[String]) -> Vec<String> {
    let of_class = orders(class).split_whitespace().map(stem);
    let mut stems: Vec<String> = Vec::new();
    // With a verb of its own a tool is ordered by that verb and its like; `delete_x` is not ordered by `remove access`.
    for own in verbs.iter().filter(|own| orders(class).split_whitespace().any(|word| stem(word) == **own)) {
        stems.push(own.clone());
        // A message is not sent by paying.
        let pays = |group: &str| class != Pay && *own == stem("send") && holds(group, "pay");
        let mine = |group: &&&str| group.split_whitespace().any(|word| stem(word) == *own) && !pays(group);
        for group in SAME.iter().filter(mine) {
            stems.extend(group.split_whitespace().map(stem));
        }
    }
    if stems.is_empty() {
        stems.extend(of_class);
    }
    stems.extend(verbs.iter().cloned());
    stems
}

/// What an argument of this name is for; `None` when the name doesn't say.
pub(crate) fn kind_of(name: &str) -> Option<ArgumentKind> {
    let parts = crate::words::parts(name);
    let has = |list: &str| parts.iter().any(|part| holds(list, part));
    let last = |list: &str| parts.last().is_some_and(|part| holds(list, part));
    if last("id ids identifier uuid key") || parts == ["id"] {
        // An account's or a person's id says where something goes.
        let towards = has("account payee guest contact recipient user chat channel thread app");
        return Some(if towards { ArgumentKind::Destination } else { ArgumentKind::Identifier });
    }
    let table: [(ArgumentKind, &str); 8] = [
        (ArgumentKind::Secret, "password passphrase secret pin passcode credential"),
        (ArgumentKind::Command, "command cmd script code argv shell"),
        (
            ArgumentKind::Destination,
            "recipient recipients to cc bcc email emails address addresses participants participant attendees \
    attendee invitees user users username channel url uri link website host hostname domain domains \
    account iban phone contact contacts target destination webhook repo repository remote payee \
    beneficiary server endpoint receiver guest guests members member number swift bic chat room \
    handle",
        ),
        (ArgumentKind::Amount, "amount price quantity total sum budget qty shares cost"),
        (ArgumentKind::Path, "path directory folder cwd dir workdir"),
        (ArgumentKind::When, "date time start end when day month year deadline datetime until timezone"),
        (
            ArgumentKind::Name,
            "title subject name filename location hotel restaurant company product street city reason",
        ),
        (ArgumentKind::Path, "file files attachments attachment"),
    ];
    table.iter().find(|(_, words)| has(words)).map(|(kind, _)| *kind)
}

/// Whether an argument of this name is a text for people.
pub(crate) fn is_text(name: &str) -> bool {
    let parts = crate::words::parts(name);
    let text = "body content contents text message description note notes comment html markdown data caption \
    summary query keywords prompt details purpose";
    parts.iter().any(|part| holds(text, part))
}
