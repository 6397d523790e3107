//! A real client gets a token by OAuth and uses it, and never sees one.

use creel_e2e::fresh;
use creel_testkit::Origin;

const CLIENT: &str = "oauth-client-Zq8xW2vN5tLr0aKc9uPe";
const MINTED: &str = "crm-access-Hb3mD7yJ1sGf6oXi4nTz";

#[test]
fn a_token_that_an_answer_brings_works_and_is_never_in_the_jail() {
    let creel = fresh("minted").unwrap();
    let origin = Origin::https_answering("127.0.0.1:0", &["origin.test"], |asked| {
        let header = asked.headers.iter().find(|(name, _)| name == "authorization");
        let bearer = header.map(|(_, value)| value.trim_start_matches("Bearer ").to_owned()).unwrap_or_default();
        let (status, text) = match (asked.path.as_str(), bearer.as_str()) {
            ("/token", CLIENT) => (200, format!(r#"{{"access_token": "{MINTED}", "token_type": "bearer"}}"#)),
            ("/me", MINTED) => (200, format!("welcome, {MINTED}\n")),
            _ => (401, "go away\n".to_owned()),
        };
        http::Response::builder().status(status).body(text.into()).unwrap()
    })
    .unwrap();
    let (ca, port) = (creel.file("ca.pem", origin.ca_pem()).unwrap(), origin.address().port());
    let place = format!("host = \"origin.test\"\nports = [{port}]\n");
    let text = format!(
        "[[egress.allow]]\n{place}address = \"127.0.0.1\"\nca = \"{}\"\n\
         [[secret]]\nname = \"OAUTH_CLIENT\"\n{place}paths = [\"/token\"]\n\
         [[secret]]\nname = \"CRM_ACCESS\"\n{place}paths = [\"/me\"]\nminted_by = \"OAUTH_CLIENT\"\nminted_at = \"/access_token\"\n",
        ca.display()
    );
    let config = creel.file("creel.toml", &text).unwrap().display().to_string();
    let line = format!(
        "url=https://origin.test:{port}; \
         curl -s -H \"Authorization: Bearer $CRM_ACCESS\" $url/me; \
         answer=$(curl -s -X POST -H \"Authorization: Bearer $OAUTH_CLIENT\" $url/token); echo \"$answer\"; \
         token=$(echo \"$answer\" | python3 -c 'import json, sys; print(json.load(sys.stdin)[\"access_token\"])'); \
         [ \"$token\" = \"$CRM_ACCESS\" ] && echo the placeholder; \
         curl -s -H \"Authorization: Bearer $token\" $url/me"
    );
    let ran = creel
        .command(&["jail", "--config", &config, "--no-disk-limit", "--", "sh", "-c", &line])
        .env("OAUTH_CLIENT", CLIENT)
        .output()
        .unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    let words = ["go away", "\"token_type\":\"bearer\"", "the placeholder", "welcome, [scrubbed by creel]"];
    assert!(words.iter().all(|word| told.contains(word)), "{told}");
    assert!(!told.contains(MINTED) && !told.contains(CLIENT), "{told}");
}
