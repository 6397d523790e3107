//! Tokens of chats, mail services, desks and social networks.
//!
//! Owns their rows, and the check of Discord's tokens, which begin with the bot's number.

use super::cloud::mixed;
use super::kind::{Row, Seen, plain};
use crate::secrets::checks;

pub(super) static KINDS: &[Row] = &[
    Row::token("slack-bot-token", &["xoxb-"], r"xoxb-[0-9]{10,13}-(?:[0-9]{10,13}-)?[A-Za-z0-9-]{18,40}"),
    Row::token("slack-user-token", &["xoxp-", "xoxe.xoxp-"], r"(?:xoxe\.)?xoxp-[0-9]{1,13}-[A-Za-z0-9-]{24,200}"),
    Row::token("slack-refresh-token", &["xoxe-"], r"xoxe-[0-9]-[A-Za-z0-9-]{60,200}"),
    Row::token(
        "slack-legacy-token",
        &["xoxa-", "xoxr-", "xoxs-", "xoxo-"],
        r"xox[aros]-(?:[0-9]-)?[A-Za-z0-9-]{24,120}",
    ),
    Row::token("slack-app-token", &["xapp-"], r"xapp-[0-9]-[A-Z0-9]{9,13}-[0-9]{10,14}-[a-f0-9]{40,64}"),
    Row::token("slack-cookie", &["xoxd-"], r"xoxd-[A-Za-z0-9%/+=-]{60,300}"),
    Row::token("slack-client-token", &["xoxc-"], r"xoxc-[0-9]{8,13}-[0-9]{8,13}-[A-Za-z0-9-]{20,100}"),
    Row::token(
        "slack-webhook",
        &["hooks.slack.com/"],
        r"hooks\.slack\.com/(?:services/T[A-Z0-9]{8,12}/B[A-Z0-9]{8,12}/[A-Za-z0-9]{20,26}|workflows/T[A-Z0-9]{8,12}/[A-Z0-9/]{10,40}/[A-Za-z0-9]{20,26})",
    ),
    Row::token("discord-bot-token", &NUMBERS, r"[MNO][A-Za-z0-9_-]{22,28}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}")
        .check(discord),
    Row::token(
        "discord-webhook",
        &["discord.com/api/webhooks/", "discordapp.com/api/webhooks/"],
        r"discord(?:app)?\.com/api/webhooks/[0-9]{17,20}/[A-Za-z0-9_-]{60,72}",
    ),
    Row::labelled("discord-secret", &["discord"], r"[A-Za-z0-9_-]{32}").check(mixed),
    Row::token("telegram-bot-token", &[":AA"], r"(?:bot)?[0-9]{8,10}:AA[A-Za-z0-9_-]{33}").back(13),
    Row::token(
        "teams-webhook",
        &[".webhook.office.com/"],
        r"\.webhook\.office\.com/webhookb2/[a-f0-9-]{36}@[a-f0-9-]{36}/IncomingWebhook/[a-f0-9]{32}/[a-f0-9-]{36}",
    )
    .check(anyway),
    Row::token(
        "google-chat-webhook",
        &["chat.googleapis.com/v1/"],
        r"chat\.googleapis\.com/v1/spaces/[A-Za-z0-9_-]{8,16}/messages\?key=[A-Za-z0-9_-]{30,45}&token=[A-Za-z0-9_%-]{30,60}",
    ),
    Row::token("zapier-webhook", &["hooks.zapier.com/"], r"hooks\.zapier\.com/hooks/catch/[0-9]{4,10}/[a-z0-9]{6,10}"),
    Row::token(
        "ifttt-key",
        &["maker.ifttt.com/"],
        r"maker\.ifttt\.com/trigger/[A-Za-z0-9_-]{1,40}/(?:json/)?with/key/[A-Za-z0-9_-]{20,60}",
    ),
    Row::labelled("mattermost-token", &["mattermost"], r"[a-z0-9]{26}").check(mixed),
    Row::labelled("rocketchat-token", &["rocketchat", "rocket_chat"], r"[A-Za-z0-9_-]{43}").check(mixed),
    Row::labelled(
        "matrix-token",
        &["matrix"],
        r"syt_[A-Za-z0-9]{4,60}_[A-Za-z]{20}_[A-Za-z0-9]{6}|MDAx[A-Za-z0-9_-]{100,300}",
    ),
    Row::token("matrix-access-token", &["syt_"], r"syt_[A-Za-z0-9]{4,60}_[A-Za-z]{20}_[A-Za-z0-9]{6}"),
    Row::labelled("line-token", &["line_channel", "linebot", "line_access"], r"[A-Za-z0-9+/]{150,180}={0,2}"),
    Row::token(
        "twilio-key",
        &[
            "SK0", "SK1", "SK2", "SK3", "SK4", "SK5", "SK6", "SK7", "SK8", "SK9", "SKa", "SKb", "SKc", "SKd", "SKe",
            "SKf",
        ],
        r"SK[a-f0-9]{32}",
    ),
    Row::labelled("twilio-auth-token", &["twilio"], r"[a-f0-9]{32}"),
    Row::token("sendgrid-key", &["SG."], r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    Row::token("mailgun-key", &["key-"], r"key-[a-f0-9]{32}"),
    Row::labelled("mailgun-signing-key", &["mailgun"], r"[a-f0-9]{32}-[a-f0-9]{8}-[a-f0-9]{8}|[a-f0-9]{32}"),
    Row::token(
        "mailchimp-key",
        &["-us1", "-us2", "-us3", "-us4", "-us5", "-us6", "-us7", "-us8", "-us9"],
        r"[a-f0-9]{32}-us[0-9]{1,2}",
    )
    .back(32),
    Row::token("mandrill-key", &["md-"], r"md-[A-Za-z0-9_-]{22}").check(mixed),
    Row::labelled("postmark-token", &["postmark"], r"[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}"),
    Row::token("brevo-key", &["xkeysib-", "xsmtpsib-"], r"x(?:key|smtp)sib-[a-f0-9]{64}-[A-Za-z0-9]{16}"),
    Row::token("resend-key", &["re_"], r"re_[A-Za-z0-9]{8}_[A-Za-z0-9]{24}"),
    Row::token("mailersend-token", &["mlsn."], r"mlsn\.[a-f0-9]{64}"),
    Row::labelled("mailjet-secret", &["mailjet"], r"[a-f0-9]{32}"),
    Row::labelled("sparkpost-key", &["sparkpost"], r"[a-f0-9]{40}"),
    Row::labelled("messagebird-key", &["messagebird"], r"[A-Za-z0-9]{25}").check(mixed),
    Row::labelled("vonage-secret", &["vonage", "nexmo"], r"[A-Za-z0-9]{16}").check(mixed),
    Row::labelled("plivo-token", &["plivo"], r"[A-Za-z0-9]{40}").check(mixed),
    Row::token("intercom-token", &["dG9rO"], r"dG9rO[A-Za-z0-9+/]{40,70}={0,2}"),
    Row::labelled("zendesk-token", &["zendesk"], r"[A-Za-z0-9]{40}").check(mixed),
    Row::labelled("freshdesk-key", &["freshdesk", "freshworks"], r"[A-Za-z0-9]{20}").check(mixed),
    Row::token(
        "hubspot-token",
        &["pat-na1-", "pat-na2-", "pat-eu1-", "pat-ap1-"],
        r"pat-(?:na1|na2|eu1|ap1)-[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}",
    ),
    Row::labelled(
        "hubspot-key",
        &["hubspot", "hapikey"],
        r"[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}",
    ),
    Row::token("salesforce-session", &["00D"], r"00D[A-Za-z0-9]{12,15}![A-Za-z0-9_.]{80,120}"),
    Row::token("notion-token", &["ntn_"], r"ntn_[A-Za-z0-9]{43,50}"),
    Row::token("notion-old-token", &["secret_"], r"secret_[A-Za-z0-9]{43}"),
    Row::token("airtable-token", &["pat"], r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}"),
    Row::labelled("airtable-key", &["airtable"], r"key[A-Za-z0-9]{14}"),
    Row::labelled("asana-token", &["asana"], r"[0-9]/[0-9]{16}(?:/[0-9]{16})?:[a-f0-9]{32}|[a-f0-9]{32}"),
    Row::token("linear-key", &["lin_api_"], r"lin_api_[A-Za-z0-9]{40}"),
    Row::token("linear-oauth-token", &["lin_oauth_"], r"lin_oauth_[a-f0-9]{64}"),
    Row::token("clickup-token", &["pk_"], r"pk_[0-9]{6,10}_[A-Z0-9]{32}"),
    Row::token("figma-token", &["figd_", "figo_", "figu_"], r"fig[dou]_[A-Za-z0-9_-]{38,44}"),
    Row::token("dropbox-token", &["sl."], r"sl\.(?:u\.)?[A-Za-z0-9_-]{130,1400}"),
    Row::labelled("dropbox-secret", &["dropbox"], r"[a-z0-9]{15}").check(mixed),
    Row::labelled("box-secret", &["box_client", "box_secret", "box_developer"], r"[A-Za-z0-9]{32}").check(mixed),
    Row::token("trello-token", &["ATTA"], r"ATTA[a-f0-9]{64}[A-F0-9]{8}"),
    Row::labelled("trello-key", &["trello"], r"[a-f0-9]{32}|[a-f0-9]{64}"),
    Row::token("typeform-token", &["tfp_"], r"tfp_[A-Za-z0-9_-]{40,60}"),
    Row::token("contentful-token", &["CFPAT-"], r"CFPAT-[A-Za-z0-9_-]{43}"),
    Row::labelled("sanity-token", &["sanity"], r"sk[A-Za-z0-9]{80,180}"),
    Row::token("facebook-token", &["EAA"], r"EAA[A-Za-z0-9]{90,260}").check(mixed),
    Row::token("instagram-token", &["IGQV", "IGQW", "IGAA"], r"IG(?:QV|QW|AA)[A-Za-z0-9_-]{80,260}"),
    Row::labelled("facebook-secret", &["facebook", "fb_app", "meta_app"], r"[a-f0-9]{32}"),
    Row::token("twitter-bearer-token", &["AAAAAAAAAAAAAAAAAAAAA"], r"A{21}[A-Za-z0-9%]{50,120}").check(anyway),
    Row::labelled("twitter-token", &["twitter"], r"[0-9]{7,20}-[A-Za-z0-9]{40}|[A-Za-z0-9]{50}|[A-Za-z0-9]{45}")
        .check(mixed),
    Row::token("linkedin-secret", &["WPL_AP"], r"WPL_AP[01]\.[A-Za-z0-9]{16}\.[A-Za-z0-9+/=]{6,12}"),
    Row::labelled("linkedin-old-secret", &["linkedin"], r"[A-Za-z0-9]{16}").check(mixed),
    Row::labelled("twitch-token", &["twitch"], r"(?:oauth:)?[a-z0-9]{30}").check(mixed),
    Row::labelled("spotify-secret", &["spotify"], r"[a-f0-9]{32}"),
    Row::labelled("reddit-secret", &["reddit"], r"[A-Za-z0-9_-]{27,30}").check(mixed),
    Row::labelled("zoom-secret", &["zoom"], r"[A-Za-z0-9]{32}").check(mixed),
    Row::labelled("dropboxsign-key", &["hellosign", "dropbox_sign"], r"[a-f0-9]{64}"),
    Row::labelled("docusign-key", &["docusign"], r"[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}"),
    Row::labelled("pipedrive-token", &["pipedrive"], r"[a-f0-9]{40}"),
    Row::labelled("closecrm-key", &["closecrm", "close_api"], r"api_[A-Za-z0-9]{22}\.[A-Za-z0-9]{22}"),
    Row::labelled("monday-token", &["monday"], r"eyJhbGciOiJIUzI1NiJ9\.[A-Za-z0-9_-]{60,400}\.[A-Za-z0-9_-]{43}"),
];

/// A token whose first part is the bot's number.
fn discord(seen: &Seen<'_>) -> Option<f32> {
    let first = seen.value.split(|byte| *byte == b'.').next()?;
    let number = checks::base64url(first)?;
    let is_number = number.len() >= 17 && number.iter().all(u8::is_ascii_digit);
    is_number.then(|| plain(seen)).flatten().map(|_| 0.97)
}

/// How numbers of three digits begin in base64: `100` to `999`.
#[expect(clippy::indexing_slicing, reason = "computed by the compiler, which checks each place")]
static NUMBERS: [&str; 900] = {
    let mut words = [""; 900];
    let mut at = 0;
    while at < 900 {
        words[at] = match std::str::from_utf8(&DIGITS[at]) {
            Ok(word) => word,
            Err(_) => "",
        };
        at += 1;
    }
    words
};

#[expect(clippy::indexing_slicing, reason = "computed by the compiler, which checks each place")]
static DIGITS: [[u8; 4]; 900] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut words = [[0; 4]; 900];
    let mut at = 0;
    while at < 900 {
        let number = at + 100;
        let bits = (number / 100 + 48) << 16 | (number / 10 % 10 + 48) << 8 | (number % 10 + 48);
        words[at] = [alphabet[bits >> 18], alphabet[bits >> 12 & 63], alphabet[bits >> 6 & 63], alphabet[bits & 63]];
        at += 1;
    }
    words
};

/// Repetition is a part of its form.
fn anyway(_: &Seen<'_>) -> Option<f32> {
    Some(0.9)
}
