//! Tokens of forges, registries and build services.
//!
//! Owns their rows, and the checksum that GitHub and npm put into theirs.

use super::cloud::mixed;
use super::kind::{Row, Seen, plain, summed};
use crate::secrets::{checks, excused};

pub(super) static KINDS: &[Row] = &[
    Row::token("github-token", &["ghp_"], r"ghp_[A-Za-z0-9]{36}").check(crc62),
    Row::token("github-oauth-token", &["gho_"], r"gho_[A-Za-z0-9]{36}").check(crc62),
    Row::token("github-user-token", &["ghu_"], r"ghu_[A-Za-z0-9]{36}").check(crc62),
    Row::token("github-server-token", &["ghs_"], r"ghs_[A-Za-z0-9]{36}").check(crc62),
    Row::token("github-refresh-token", &["ghr_"], r"ghr_[A-Za-z0-9]{36,76}").check(crc62),
    Row::token("github-fine-grained-token", &["github_pat_"], r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    Row::token("gitlab-token", &["glpat-"], r"glpat-[A-Za-z0-9_-]{20,}(?:\.[0-9a-z]{2}\.[0-9a-z]{9})?"),
    Row::token("gitlab-deploy-token", &["gldt-"], r"gldt-[A-Za-z0-9_-]{20,}"),
    Row::token(
        "gitlab-runner-token",
        &["glrt-", "glrtr-"],
        r"glrtr?-[A-Za-z0-9_-]{20,}(?:\.[0-9a-z]{2}\.[0-9a-z]{9})?",
    ),
    Row::token("gitlab-runner-registration", &["GR1348941"], r"GR1348941[A-Za-z0-9_-]{20,}"),
    Row::token("gitlab-trigger-token", &["glptt-"], r"glptt-[a-f0-9]{40}"),
    Row::token("gitlab-job-token", &["glcbt-"], r"glcbt-[0-9a-zA-Z]{1,5}_[A-Za-z0-9_-]{20,}"),
    Row::token("gitlab-feed-token", &["glft-"], r"glft-[A-Za-z0-9_-]{20,}"),
    Row::token("gitlab-mail-token", &["glimt-"], r"glimt-[A-Za-z0-9_-]{25,}"),
    Row::token("gitlab-agent-token", &["glagent-"], r"glagent-[A-Za-z0-9_-]{50,}"),
    Row::token("gitlab-oauth-secret", &["gloas-"], r"gloas-[a-f0-9]{64}"),
    Row::token("gitlab-scim-token", &["glsoat-"], r"glsoat-[A-Za-z0-9_-]{20,}"),
    Row::token("gitlab-flag-token", &["glffct-"], r"glffct-[A-Za-z0-9_-]{20,}"),
    Row::token("gitlab-session", &["_gitlab_session="], r"_gitlab_session=[a-f0-9]{32}"),
    Row::token("bitbucket-app-password", &["ATBB"], r"ATBB[A-Za-z0-9]{32}"),
    Row::token("bitbucket-token", &["ATCTT3xFfGN0"], r"ATCTT3xFfGN0[A-Za-z0-9_=-]{150,250}"),
    Row::token("atlassian-token", &["ATATT3xFfGF0"], r"ATATT3xFfGF0[A-Za-z0-9_=-]{150,250}"),
    Row::labelled("atlassian-old-token", &["atlassian", "jira", "confluence"], r"[A-Za-z0-9]{24}").check(mixed),
    Row::labelled("bitbucket-secret", &["bitbucket"], r"[A-Za-z0-9]{32}").check(mixed),
    Row::token("gitea-token", &["gta_"], r"gta_[a-f0-9]{40}"),
    Row::labelled("gitea-old-token", &["gitea", "forgejo", "codeberg"], r"[a-f0-9]{40}"),
    Row::token("npm-token", &["npm_"], r"npm_[A-Za-z0-9]{36}").check(crc62),
    Row::token(
        "npm-auth",
        &["_authToken=", "_auth=", "_password="],
        r"_(?:authToken|auth|password)=[A-Za-z0-9+/_.-]{20,200}={0,2}",
    ),
    Row::token("pypi-token", &["pypi-AgE"], r"pypi-AgE[A-Za-z0-9_-]{50,250}"),
    Row::token("rubygems-key", &["rubygems_"], r"rubygems_[a-f0-9]{48}"),
    Row::token("cargo-token", &["cio"], r"cio[A-Za-z0-9]{32}").check(cargo),
    Row::token("nuget-key", &["oy2"], r"oy2[a-z0-9]{43}"),
    Row::token("docker-token", &["dckr_pat_"], r"dckr_pat_[A-Za-z0-9_-]{27}"),
    Row::token("docker-organisation-token", &["dckr_oat_"], r"dckr_oat_[A-Za-z0-9_-]{32}"),
    Row::token("clojars-token", &["CLOJARS_"], r"CLOJARS_[a-z0-9]{60}"),
    Row::token("packagist-token", &["packagist_"], r"packagist_[ou]?[ruac][ctku]?[kt]?_?[a-f0-9]{60,80}"),
    Row::token("artifactory-key", &["AKCp"], r"AKCp[A-Za-z0-9]{65,75}"),
    Row::token("artifactory-reference-token", &["cmVmdGtu"], r"cmVmdGtu[A-Za-z0-9]{56}"),
    Row::labelled("hex-key", &["hex_api", "hexpm"], r"[a-f0-9]{32}"),
    Row::token("circleci-token", &["CCIPAT_", "CCIPRJ_"], r"CCIP(?:AT|RJ)_[A-Za-z0-9]{22}_[a-f0-9]{40}"),
    Row::labelled("circleci-old-token", &["circleci", "circle_token", "circle-token"], r"[a-f0-9]{40}"),
    Row::token("buildkite-token", &["bkua_", "bkaj_"], r"bk(?:ua|aj)_[A-Za-z0-9]{40}"),
    Row::labelled("travis-token", &["travis"], r"[A-Za-z0-9_-]{22}").check(mixed),
    Row::labelled("drone-token", &["droneci", "drone_token", "drone_secret"], r"[A-Za-z0-9]{32}").check(mixed),
    Row::labelled(
        "codecov-token",
        &["codecov"],
        r"[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}|[a-z0-9]{32}",
    ),
    Row::labelled("coveralls-token", &["coveralls"], r"[A-Za-z0-9]{32}").check(mixed),
    Row::token("sonar-token", &["sqp_", "squ_", "sqa_"], r"sq[uap]_[a-f0-9]{40}"),
    Row::labelled("sonar-old-token", &["sonar"], r"[a-f0-9]{40}"),
    Row::labelled("snyk-token", &["snyk"], r"[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}"),
    Row::token("sourcegraph-token", &["sgp_"], r"sgp_(?:[a-f0-9]{16}_|local_)?[a-f0-9]{40}"),
    Row::token("cody-token", &["slk_"], r"slk_[a-f0-9]{64}"),
    Row::token("sentry-user-token", &["sntryu_"], r"sntryu_[a-f0-9]{64}"),
    Row::token("sentry-organisation-token", &["sntrys_"], r"sntrys_eyJ[A-Za-z0-9+/=_-]{100,400}"),
    Row::labelled("sentry-old-token", &["sentry"], r"[a-f0-9]{64}"),
    Row::token("postman-key", &["PMAK-"], r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    Row::token("postman-collection-key", &["PMAT-"], r"PMAT-[A-Z0-9]{26}"),
    Row::token("readme-key", &["rdme_"], r"rdme_[a-z0-9]{70}"),
    Row::token("deno-token", &["ddp_", "ddo_"], r"dd[po]_[A-Za-z0-9]{36}"),
    Row::token("expo-token", &["expo_"], r"expo_[A-Za-z0-9_-]{32,48}"),
    Row::token("flakehub-token", &["flakehub1_"], r"flakehub1_[A-Za-z0-9_-]{40,}"),
    Row::token("harness-token", &["pat.", "sat."], r"[ps]at\.[A-Za-z0-9_-]{22}\.[a-f0-9]{24}\.[A-Za-z0-9]{20}"),
    Row::token("prefect-key", &["pnu_", "pnb_"], r"pn[ub]_[A-Za-z0-9]{36}"),
    Row::token("unkey-key", &["unkey_"], r"unkey_[A-Za-z0-9]{22,48}"),
    Row::token("adafruit-key", &["aio_"], r"aio_[A-Za-z0-9]{28}"),
];

/// The last six characters are the CRC-32 of the others after the prefix, in base 62.
fn crc62(seen: &Seen<'_>) -> Option<f32> {
    summed(seen, checks::crc62(seen.value))
}

/// Words begin with `cio` in some languages.
fn cargo(seen: &Seen<'_>) -> Option<f32> {
    excused::is_random(seen.value.get(3..)?).then(|| plain(seen)).flatten()
}
