//! Keys of clouds, hosts and data bases.
//!
//! Owns their rows, and the checks that belong to them alone.

use super::kind::{Row, Seen, named, plain};
use crate::secrets::{checks, excused};

pub(super) static KINDS: &[Row] = &[
    Row::token("aws-access-key", &["AKIA", "ASIA", "ABIA", "ACCA"], r"A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}")
        .check(access_key),
    Row::labelled(
        "aws-secret-key",
        &["aws", "secret_access_key", "secretaccesskey", "secret access key", "secret_key"],
        r"[A-Za-z0-9/+]{40}",
    )
    .check(mixed),
    Row::labelled(
        "aws-session-token",
        &["session_token", "sessiontoken", "security_token"],
        r"(?:FwoG|IQoJ|FQoG)[A-Za-z0-9/+]{100,2000}={0,2}",
    ),
    Row::token(
        "aws-mws-token",
        &["amzn.mws."],
        r"amzn\.mws\.[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}",
    ),
    Row::token("google-api-key", &["AIza"], r"AIza[A-Za-z0-9_-]{35}").check(google_key),
    Row::token("google-oauth-token", &["ya29."], r"ya29\.[A-Za-z0-9_-]{30,400}"),
    Row::token("google-oauth-secret", &["GOCSPX-"], r"GOCSPX-[A-Za-z0-9_-]{28}"),
    Row::token("google-refresh-token", &["1//0"], r"1//0[A-Za-z0-9_-]{40,110}"),
    Row::token("azure-storage-key", &["AccountKey="], r"AccountKey=[A-Za-z0-9+/]{86}=="),
    Row::token("azure-shared-access-key", &["SharedAccessKey="], r"SharedAccessKey=[A-Za-z0-9+/]{43}="),
    Row::token(
        "azure-client-secret",
        &["0Q~", "1Q~", "2Q~", "3Q~", "4Q~", "5Q~", "6Q~", "7Q~", "8Q~", "9Q~"],
        r"[A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}",
    )
    .back(3),
    Row::token("azure-devops-token", &["AZDO"], r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}").back(76),
    Row::token("azure-ai-key", &["JQQJ9"], r"[A-Za-z0-9]{52}JQQJ9[A-Z0-9]{6,12}[A-Za-z0-9]{14,22}").back(52),
    Row::token("azure-storage-account-key", &["+ASt"], r"[A-Za-z0-9/+]{76}\+ASt[A-Za-z0-9/+]{6}==").back(76),
    Row::token("azure-function-key", &["AzFu"], r"[A-Za-z0-9_-]{44}AzFu[A-Za-z0-9_=-]{8}").back(44),
    Row::token("azure-search-key", &["AzSe"], r"[A-Za-z0-9]{42}AzSe[A-Za-z0-9]{6}").back(42),
    Row::token("azure-cosmos-key", &["ACDb"], r"[A-Za-z0-9/+]{76}ACDb[A-Za-z0-9/+]{6}==").back(76),
    Row::token("azure-registry-key", &["+ACR"], r"[A-Za-z0-9/+]{42}\+ACR[A-Za-z0-9/+]{6}").back(42),
    Row::token("azure-sas-signature", &["&sig=", "?sig="], r"[&?]sig=[A-Za-z0-9%+/]{43,70}(?:=|%3[dD])").check(plain),
    Row::labelled("azure-devops-old-token", &["azure", "devops", "vsts"], r"[a-z2-7]{52}"),
    Row::token("digitalocean-token", &["dop_v1_", "doo_v1_", "dor_v1_"], r"do[opr]_v1_[a-f0-9]{64}"),
    Row::token("digitalocean-spaces-key", &["DO00"], r"DO00[A-Z0-9]{16}"),
    Row::labelled("linode-token", &["linode"], r"[a-f0-9]{64}"),
    Row::labelled("hetzner-token", &["hetzner", "hcloud"], r"[A-Za-z0-9]{64}"),
    Row::labelled("vultr-key", &["vultr"], r"[A-Z0-9]{36}"),
    Row::token("scaleway-access-key", &["SCW"], r"SCW[A-Z0-9]{17}"),
    Row::labelled(
        "scaleway-secret-key",
        &["scaleway", "scw_"],
        r"[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}",
    ),
    Row::labelled("ibm-cloud-key", &["ibm"], r"[A-Za-z0-9_-]{44}").check(mixed),
    Row::token("alibaba-access-key", &["LTAI"], r"LTAI[A-Za-z0-9]{16,20}"),
    Row::labelled("alibaba-secret-key", &["alibaba", "aliyun", "alicloud"], r"[A-Za-z0-9]{30}").check(mixed),
    Row::token("tencent-secret-id", &["AKID"], r"AKID[A-Za-z0-9]{32}"),
    Row::labelled("tencent-secret-key", &["tencent", "qcloud"], r"[A-Za-z0-9]{32}").check(mixed),
    Row::token("yandex-api-key", &["AQVN"], r"AQVN[A-Za-z0-9_-]{35,38}"),
    Row::token("yandex-oauth-token", &["y0__", "y0_A"], r"y0_[_A][A-Za-z0-9_-]{50,70}"),
    Row::labelled("cloudflare-token", &["cloudflare", "cf_api", "cf_token"], r"[A-Za-z0-9_-]{40}").check(mixed),
    Row::labelled("cloudflare-global-key", &["cloudflare", "cf_api", "x-auth-key"], r"[a-f0-9]{37}"),
    Row::token("cloudflare-origin-key", &["v1.0-"], r"v1\.0-[a-f0-9]{24}-[a-f0-9]{146}"),
    Row::labelled("fastly-token", &["fastly"], r"[A-Za-z0-9_-]{32}").check(mixed),
    Row::token("heroku-key", &["HRKU-"], r"HRKU-[A-Za-z0-9_-]{36,70}"),
    Row::labelled("heroku-old-key", &["heroku"], r"[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}"),
    Row::token(
        "fly-token",
        &["FlyV1 ", "fm1r_", "fm1a_", "fm2_"],
        r"(?:FlyV1 )?fm(?:1[ra]|2)_[A-Za-z0-9+/=,_]{80,1500}",
    ),
    Row::token("fly-access-token", &["fo1_"], r"fo1_[A-Za-z0-9_-]{43}"),
    Row::token("vercel-token", &["vcp_", "vci_", "vca_", "vcr_", "vck_"], r"vc[piark]_[A-Za-z0-9]{24,60}"),
    Row::labelled("vercel-old-token", &["vercel"], r"[A-Za-z0-9]{24}").check(mixed),
    Row::token("netlify-token", &["nfp_"], r"nfp_[A-Za-z0-9_]{36,40}"),
    Row::token("render-key", &["rnd_"], r"rnd_[A-Za-z0-9]{28,36}"),
    Row::labelled("railway-token", &["railway"], r"[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}"),
    Row::token("supabase-token", &["sbp_"], r"sbp_[a-f0-9]{40}"),
    Row::token("supabase-secret-key", &["sb_secret_"], r"sb_secret_[A-Za-z0-9_-]{31,42}"),
    Row::token("neon-key", &["napi_"], r"napi_[a-z0-9]{60,66}"),
    Row::token("planetscale-password", &["pscale_pw_"], r"pscale_pw_[A-Za-z0-9_=.-]{32,64}"),
    Row::token("planetscale-token", &["pscale_tkn_", "pscale_oauth_"], r"pscale_(?:tkn|oauth)_[A-Za-z0-9_=.-]{32,64}"),
    Row::labelled("upstash-token", &["upstash"], r"[A-Za-z0-9]{50,64}={0,2}").check(mixed),
    Row::labelled("snowflake-password", &["snowflake"], r"[A-Za-z0-9!@#$%^&*_-]{16,64}").check(mixed),
    Row::token("databricks-token", &["dapi"], r"dapi[a-f0-9]{32}(?:-[0-9])?"),
    Row::token("confluent-secret", &["cflt"], r"cflt[A-Za-z0-9+/]{60}"),
    Row::labelled("confluent-key", &["confluent"], r"[A-Za-z0-9+/]{64}").check(mixed),
    Row::labelled("elastic-key", &["elastic"], r"[A-Za-z0-9_-]{55,80}={0,2}").check(mixed),
    Row::labelled("openstack-secret", &["openstack", "os_password"], r"[A-Za-z0-9_-]{20,86}").check(mixed),
    Row::labelled("ovh-secret", &["ovh"], r"[A-Za-z0-9]{32}").check(mixed),
    Row::token("openshift-token", &["sha256~"], r"sha256~[A-Za-z0-9_-]{43}"),
    Row::token("minio-key", &["minio_"], r"minio_[A-Za-z0-9]{32,40}"),
    Row::labelled("backblaze-key", &["backblaze", "b2_app"], r"K00[0-9][A-Za-z0-9/+]{27}"),
    Row::labelled("wasabi-key", &["wasabi"], r"[A-Za-z0-9/+]{40}").check(mixed),
    Row::labelled("nats-seed", &["nats", "nkey", "seed"], r"S[UAONCX][A-Z2-7]{56}"),
];

/// An access key is base32, and the account number in it has twelve digits.
fn access_key(seen: &Seen<'_>) -> Option<f32> {
    let body = seen.value.get(4..)?;
    let is_varied = body.iter().any(u8::is_ascii_digit) && body.iter().any(u8::is_ascii_uppercase);
    if excused::is_example(seen.value) || !is_varied {
        return None;
    }
    if checks::aws_account(body) {
        return Some(0.95);
    }
    plain(seen).filter(|_| !excused::is_called_example(seen.text, seen.start)).map(|_| 0.65)
}

/// A key that a page shows to every browser is no secret: in the address of a map, beside a public project's settings.
fn google_key(seen: &Seen<'_>) -> Option<f32> {
    let before = seen.text.get(seen.start.saturating_sub(120)..seen.start)?;
    let after = seen.text.get(seen.end..seen.text.len().min(seen.end + 160))?;
    let public = memchr::memmem::find(before, b"maps.google").is_some()
        || memchr::memmem::find(before, b"/maps/").is_some()
        || memchr::memmem::find(before, b"youtube.com/").is_some()
        || memchr::memmem::find(after, b"authDomain").is_some();
    (!public).then(|| plain(seen)).flatten()
}

/// Both letters and digits, as chance mixes them.
pub(super) fn mixed(seen: &Seen<'_>) -> Option<f32> {
    excused::is_random(seen.value).then(|| named(seen)).flatten()
}
